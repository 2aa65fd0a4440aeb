"""Fewer bits: what each recipe does to which network, and what is refused before any work."""

import shutil
from dataclasses import replace

import numpy as np
import openvino
import pytest

from errors import RequestError, WeightsMissing
from openvino_backend.calibration import Recorder
from openvino_backend.compiled import Network
from openvino_backend.manifest import Manifest
from openvino_backend.quantize import calibrated, check, condition_convolutions, matrix_widths, outdated, quantize
from openvino_backend.runtime import Export
from tests import tiny_pipeline, tiny_sdxl
from tests.openvino_backend.tiny_export import EXACT, pipeline_of

NAMES = ("identity_net", "text_encoder", "face_recogniser")


@pytest.fixture(scope="module")
def source(exported, tmp_path_factory):
    """An export of three networks, which takes less time."""
    folder = shutil.copytree(exported, tmp_path_factory.mktemp("source") / "fp16")
    manifest = Manifest.read(folder)
    assert manifest is not None
    replace(manifest, networks={name: manifest.networks[name] for name in NAMES}).write(folder)
    return folder


@pytest.fixture(scope="module")
def samples(exported, tmp_path_factory):
    """Inputs that IdentityNet and the recogniser got at work."""
    pipeline = pipeline_of(exported)
    face = Export(exported, EXACT).network("face_recogniser")
    recorder = Recorder(tmp_path_factory.mktemp("samples"), 4)
    recorder.attach({"identity_net": pipeline.controlnet.network, "face_recogniser": face})
    for _ in range(3):
        tiny_pipeline.quick(pipeline)
    random = np.random.default_rng(0)
    for _ in range(2):
        face.run({face.inputs[0]: random.standard_normal((1, 3, 112, 112)).astype(np.float32)})
    return recorder.samples()


def answer(folder, name="identity_net"):
    """IdentityNet's middle residual for fixed inputs."""
    network = Network(folder / f"{name}.xml", EXACT)
    return network(
        sample=tiny_sdxl.noise("sample", 2, 4, 8, 8),
        timestep=tiny_sdxl.noise("time", 1).abs() * 100,
        tokens=tiny_sdxl.noise("tokens", 2, 16, tiny_sdxl.DIM),
        condition=tiny_sdxl.noise("condition", 2, 3, 64, 64).abs(),
        text_embeds=tiny_sdxl.noise("pooled", 2, tiny_sdxl.POOLED),
        time_ids=tiny_sdxl.noise("ids", 2, 6).abs() * 64,
    )[-1]


def weight_types(folder, name):
    """Element types of the constants that convolutions and products read, in any form."""
    model = openvino.Core().read_model(folder / f"{name}.xml")
    return {
        op.get_element_type().get_type_name()
        for op in model.get_ops()
        if op.get_type_name() == "Constant" and len(op.get_output_shape(0)) > 1
    }


def test_a_recorder_keeps_a_fair_share_of_the_calls(samples):
    assert len(samples["identity_net"]) == 4  # of the six steps of three runs
    assert len(samples["face_recogniser"]) == 2
    assert samples["identity_net"][0]["sample"].shape == (2, 4, 8, 8)
    steps = {float(one["timestep"][0]) for one in samples["identity_net"]}
    assert len(steps) == 2


def test_int8_weights_and_face_models_that_compute_at_8_bits(source, samples, tmp_path):
    folder = tmp_path / "int8"
    needed = {name: samples[name] for name in calibrated("int8") if name in samples}
    made = quantize(source, folder, "int8", needed)
    assert {name: entry.made["recipe"] for name, entry in made.networks.items()} == {
        "identity_net": "weights",
        "text_encoder": "weights",
        "face_recogniser": "full",
    }
    assert "u8" in weight_types(folder, "text_encoder")
    assert (folder / "identity_net.bin").stat().st_size < 0.5 * (source / "identity_net.bin").stat().st_size
    assert 0 < tiny_pipeline.relative_error(answer(folder), answer(source)) < 0.05
    ops = {op.get_type_name() for op in openvino.Core().read_model(folder / "face_recogniser.xml").get_ops()}
    assert "FakeQuantize" in ops
    times = {file: file.stat().st_mtime_ns for file in folder.glob("*.bin")}
    quantize(source, folder, "int8", needed)
    assert {file: file.stat().st_mtime_ns for file in folder.glob("*.bin")} == times
    assert outdated(source, folder, "int8", calibrated("int8")) == {}
    # Other photos make only what they calibrate anew, and that is known before anything is calibrated.
    assert list(outdated(source, folder, "int8", calibrated("int8"), calibration="others")) == ["face_recogniser"]
    assert list(outdated(source, folder, "int4", calibrated("int4"))) == ["identity_net"]


def test_the_first_convolution_over_the_condition_is_left_alone(source, samples, tmp_path):
    quantize(source, tmp_path / "hybrid", "hybrid", samples)
    assert tiny_pipeline.relative_error(answer(tmp_path / "hybrid"), answer(source)) < 0.2
    for folder, reads in ((source, {"Constant", "Convert"}), (tmp_path / "hybrid", {"Constant", "Convert"})):
        model = openvino.Core().read_model(folder / "identity_net.xml")
        (name,) = condition_convolutions(model)
        (first,) = (op for op in model.get_ops() if op.get_friendly_name() == name)
        weight = first.input_value(1).get_node()
        assert weight.get_type_name() in reads
        assert weight.get_element_type().is_real()
        assert first.input_value(0).get_node().get_type_name() == "Parameter"
    hybrid = openvino.Core().read_model(tmp_path / "hybrid/identity_net.xml")
    others = [op for op in hybrid.get_ops() if op.get_type_name() == "Convolution" and op.get_friendly_name() != name]
    sources = [op.input_value(0).get_node().get_type_name() for op in others]
    assert sources.count("FakeQuantize") > len(others) / 2


def test_int4_in_groups_that_fit_and_the_refusal_of_others(source, tmp_path):
    widths = matrix_widths(openvino.Core().read_model(source / "identity_net.xml"))
    assert {tiny_sdxl.DIM, 32} <= widths
    with pytest.raises(RequestError, match=r"Groups of 48 weights do not divide rows of .*(16|-1)"):
        check(source, "int4", 48, 0.8)
    with pytest.raises(RequestError, match="Groups of 0"):
        check(source, "int4", 0, 0.8)
    assert check(source, "int4", -1, 0.8)[1] == -1
    folder = tmp_path / "int4"
    made = quantize(source, folder, "int4", {}, ratio=1.0)
    assert made.networks["identity_net"].made["group_size"] == check(source, "int4", None, 0.8)[1]
    assert {"i4", "u8"} <= weight_types(folder, "identity_net")
    assert 0 < tiny_pipeline.relative_error(answer(folder), answer(source)) < 0.3


def test_what_cannot_be_done_is_told(source, tmp_path):
    with pytest.raises(RequestError, match="no quantisation 'int2'"):
        quantize(source, tmp_path / "int2", "int2", {})
    with pytest.raises(RequestError, match="ratio"):
        quantize(source, tmp_path / "int4", "int4", {}, ratio=1.5)
    with pytest.raises(RequestError, match="no samples of identity_net"):
        quantize(source, tmp_path / "hybrid", "hybrid", {})
    with pytest.raises(WeightsMissing, match="no export"):
        quantize(tmp_path / "nothing", tmp_path / "int8", "int8", {})
