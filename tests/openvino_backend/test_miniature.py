"""The shipped weights through the engine: the whole picture is torch's."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from commands.openvino_making import quantised
from errors import InstantIDError, RequestError, WeightsCorrupt, WeightsMissing
from face.photo import open_photo
from generation import decode, lora
from generation.compiled import available, load
from generation.loading import load_engine
from generation.request import GenerationRequest, Lora, Progress
from generation.settings import Settings
from openvino_backend import installed
from openvino_backend.manifest import Manifest
from weights.registry import ASSETS, CONTROL_POSE, PROFILES, Part
from weights.store import Store

MINIATURE = PROFILES["miniature"]


@pytest.fixture(scope="module")
def exports(miniature_export):
    return miniature_export


@pytest.fixture(scope="module")
def engines(exports):
    torches = load_engine(MINIATURE, Settings(device="cpu"))
    return torches, load_engine(MINIATURE, Settings(backend="openvino", device="CPU", exports=exports))


@pytest.fixture
def decoded(monkeypatch):
    """Every decoded picture before it is rounded to bytes, in 0..1."""
    seen = []
    usual = decode.to_pictures

    def listening(pipeline, latents):
        with torch.no_grad():
            values = pipeline.vae.decode(latents.to(pipeline.vae.dtype) / pipeline.vae.config.scaling_factor).sample
        seen.append((values / 2 + 0.5).clamp(0, 1).numpy())
        return usual(pipeline, latents)

    monkeypatch.setattr(decode, "to_pictures", listening)
    return seen


def wish(**changes):
    photo = open_photo(ASSETS / "examples/person_1.jpg")
    return GenerationRequest(**{"photos": (photo,), "prompt": "on the beach", "seed": 7, "view": "front"} | changes)


def test_the_whole_picture_within_a_thousandth(engines, decoded):
    for engine in engines:
        *_, result = engine.generate(wish())
    theirs, ours = decoded
    assert np.abs(ours - theirs).max() < 1e-3
    assert result.settings["backend"] == "openvino"
    assert result.settings["precision"] == "fp32"


def test_previews_into_a_picture_with_a_window_and_cancelling(engines):
    start = open_photo(ASSETS / "examples/person_2.jpg")
    asked = wish(start_picture=start, strength=0.5, steps=9, adapter_start=0.2, identity_end=0.8)
    asked = replace(asked, guidance_start=0.2, guidance_end=0.7)
    pictures = []
    for engine in engines:
        *progress, result = engine.generate(asked)
        pictures.append(np.int16(np.asarray(result.images[0].image)))
        assert any(isinstance(event, Progress) and event.previews for event in progress)
    assert np.abs(pictures[0] - pictures[1]).max() <= 1
    running = engines[1].generate(wish())
    for event in running:
        if event.phase == "denoising":
            break
    running.close()
    *_, result = engines[1].generate(asked)
    assert np.array_equal(np.int16(np.asarray(result.images[0].image)), pictures[1])


def test_a_precision_that_lost_a_picture_is_told_with_the_result(engines, monkeypatch):
    network = engines[1]._pipeline.unet.network
    monkeypatch.setattr(network, "lost_at", "f16")
    *_, result = engines[1].generate(wish(steps=2))
    assert any("unet lost the picture at f16" in note for note in result.notes)


def test_the_arithmetic_of_a_result_is_that_of_its_making(exports):
    engine = load_engine(MINIATURE, Settings(backend="openvino", device="CPU", exports=exports, dtype="bfloat16"))
    network = engine._pipeline.unet.network
    for _ in range(2):
        *_, result = engine.generate(wish(steps=2))
        assert (result.settings["device"], result.settings["arithmetic"]) == ("CPU", network.arithmetic)
        network._compile("float32")  # as after a picture that was lost
    assert result.settings["arithmetic"] == "f32"


def test_a_control_needs_the_weights_of_no_other(exports):
    elsewhere = (*MINIATURE.controls, ("pose", Part(CONTROL_POSE)))
    profile, store = replace(MINIATURE, controls=elsewhere), Store(exports / "empty", offline=True)
    parts = load(profile, store, Settings(backend="openvino", device="CPU", exports=exports))
    with pytest.raises(RequestError, match="ControlNet for canny was not exported"):
        parts.load_net(store.path(dict(MINIATURE.controls)["canny"]))


def test_what_was_exported_of_other_weights_is_not_quantised(exports, tmp_path):
    folder = shutil.copytree(exports, tmp_path / "exports")
    known = Manifest.read(folder / "fp32")
    entry = known.networks["unet"]
    others = (replace(entry.sources[0], sha256="0" * 64, mtime_ns=0), *entry.sources[1:])
    known.with_entry("unet", replace(entry, sources=others)).write(folder / "fp32")
    with pytest.raises(WeightsCorrupt, match="behind unet have changed") as told:
        quantised(MINIATURE, Store(), Settings(exports=folder), ("int8",))
    assert "openvino export --profile miniature" in told.value.cure
    assert not (folder / "int8").exists()


def test_a_lora_is_refused_or_told_never_passed_over(engines, tmp_path, monkeypatch):
    pipeline = engines[1]._pipeline
    style = Lora(str(tmp_path / "style.safetensors"), 0.8)
    with pytest.raises(RequestError, match="openvino export --lora"), lora.applied(pipeline, (style,), ()):
        pass
    monkeypatch.setattr(pipeline.unet, "fused_loras", ((style.path, style.weight),))
    with lora.applied(pipeline, (style,), ()) as notes:
        assert notes == ()
    with lora.applied(pipeline, (), ()) as notes:
        assert "style.safetensors at weight 0.8" in notes[0]
    with pytest.raises(RequestError, match="not part of"), lora.applied(pipeline, (Lora(style.path, 0.5),), ()):
        pass


def test_what_is_there_is_offered_and_what_is_not_is_told(exports, tmp_path, monkeypatch):
    here = Settings(backend="openvino", exports=exports)
    assert available(MINIATURE, here) == ["fp32"]
    assert available(MINIATURE, Settings(exports=tmp_path)) == []
    with pytest.raises(WeightsMissing, match=r"not exported to OpenVINO at int8.*openvino quantize"):
        load_engine(MINIATURE, Settings(backend="openvino", precision="int8", exports=exports))
    with pytest.raises(WeightsMissing, match=r"openvino export --profile miniature"):
        load_engine(MINIATURE, Settings(backend="openvino", exports=tmp_path))
    with pytest.raises(RequestError, match="no precision 'int3'"):
        load_engine(MINIATURE, Settings(backend="openvino", precision="int3", exports=exports))
    with pytest.raises(RequestError, match="no device GPU7"):
        load_engine(MINIATURE, Settings(backend="openvino", device="GPU7", exports=exports))
    monkeypatch.setattr(installed, "pick_device", lambda wanted: "GPU")
    for setting in ({"streams": 2}, {"activation_group": 64}):
        with pytest.raises(RequestError, match=rf"{next(iter(setting))} is for OpenVINO's CPU, not for GPU"):
            load_engine(MINIATURE, Settings(backend="openvino", device="GPU", exports=exports, **setting))
    with pytest.raises(RequestError, match="no backend"):
        Settings.from_environment({"INSTANTID_BACKEND": "tvm"})
    monkeypatch.setattr(installed.importlib.util, "find_spec", lambda name: None)
    assert available(MINIATURE, here) == []
    with pytest.raises(InstantIDError, match=r"pip install -r requirements-openvino.txt"):
        load_engine(MINIATURE, here)
