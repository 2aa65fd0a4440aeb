"""What an export writes down, goes on with, and refuses."""

import re
import shutil
from dataclasses import replace

import openvino
import pytest
import torch
from diffusers import AutoencoderTiny

from errors import InstantIDError, RequestError, WeightsCorrupt, WeightsMissing
from openvino_backend import export as export_module
from openvino_backend import installed
from openvino_backend.compiled import Network
from openvino_backend.export import export, networks_of, write
from openvino_backend.graphs import controlnet_graph, decoder_graph
from openvino_backend.manifest import Manifest
from openvino_backend.runtime import Export
from openvino_backend.sources import FusedLora
from tests import tiny_pipeline, tiny_sdxl
from tests.openvino_backend.tiny_export import EXACT


@pytest.fixture
def copy(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "fp32")


def converted(sources, folder, **changes):
    """Names of the networks that an export truly converts."""
    before = Manifest.read(folder)
    known = {} if before is None else before.networks
    times = {name: (folder / f"{name}.bin").stat().st_mtime_ns for name in known if (folder / f"{name}.bin").is_file()}
    export(sources, folder, "tiny", "fp32", **changes)
    return [name for name in networks_of(sources) if (folder / f"{name}.bin").stat().st_mtime_ns != times.get(name)]


def test_a_stopped_export_goes_on_where_it_stopped(sources, copy):
    class Stopped(Exception):
        pass

    (copy / "unet.xml").unlink()
    (copy / "vae_decoder.bin").unlink()

    def tell(what, done, total):
        if what == "vae_decoder":
            raise Stopped

    with pytest.raises(Stopped):
        export(sources, copy, "tiny", "fp32", tell=tell)
    assert (copy / "unet.xml").is_file()
    assert converted(sources, copy) == ["vae_decoder"]
    assert converted(sources, copy) == []


def test_a_stopped_export_with_another_lora_weight_is_incomplete_and_never_mixed(sources, copy, monkeypatch, tmp_path):
    """The LoRA's file changes nothing here; its weight, which the manifest tells, does."""

    class Stopped(Exception):
        pass

    def tell(what, done, total):
        if what == "unet":
            raise Stopped

    monkeypatch.setattr("openvino_backend.sources._fuse_unet", lambda *_: None)
    monkeypatch.setattr("openvino_backend.sources._fuse_text", lambda *_: None)
    (tmp_path / "look.safetensors").write_bytes(b"look")
    other = replace(sources, loras=(FusedLora("look", 0.5, tmp_path / "look.safetensors"),))
    with pytest.raises(Stopped):
        export(other, copy, "tiny", "fp32", tell=tell)
    assert Manifest.read(copy).missing() == ("unet",)
    with pytest.raises(WeightsMissing, match=r"not complete: unet missing"):
        Export(copy, EXACT)
    assert converted(other, copy) == ["unet"]
    assert Export(copy, EXACT).manifest.loras == (("look", 0.5),)


def test_an_export_of_older_graphs_is_made_anew(sources, copy, monkeypatch):
    assert converted(sources, copy) == []
    monkeypatch.setattr("openvino_backend.export.graphs_now", lambda: "older")
    assert export_module._made("fp32", (), "unet")["graphs"] == "older"
    known = Manifest.read(copy)
    assert not known.fresh(copy, "unet", sources.files("unet"), export_module._made("fp32", (), "unet"))


def test_networks_of_older_graphs_are_not_run(sources, copy):
    Export(copy, EXACT).check_sources("unet", sources.files("unet"))
    known = Manifest.read(copy)
    entry = known.networks["unet"]
    known.with_entry("unet", replace(entry, made={**entry.made, "graphs": "older"})).write(copy)
    with pytest.raises(WeightsCorrupt, match="unet was exported by another version") as told:
        Export(copy, EXACT).check_sources("unet", sources.files("unet"))
    assert "openvino export" in told.value.cure


def test_only_what_was_made_of_a_changed_file_is_converted_again(sources, copy, tmp_path):
    net = shutil.copytree(sources.identity_net, tmp_path / "net")
    changed = replace(sources, identity_net=net)
    assert converted(changed, copy) == []  # the same bytes elsewhere
    tiny_sdxl.controlnet("another").save_pretrained(net)
    with pytest.raises(WeightsCorrupt, match="have changed"):
        Export(copy, EXACT).check_sources("identity_net", changed.files("identity_net"))
    assert converted(changed, copy) == ["identity_net"]
    Export(copy, EXACT).check_sources("identity_net", changed.files("identity_net"))


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_a_flipped_byte_is_refused_by_name_and_hash(copy, suffix):
    file = copy / f"resampler{suffix}"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(WeightsCorrupt, match=rf"resampler\{suffix} is damaged: its sha256 is \w+, expected"):
        Export(copy, EXACT).network("resampler")


def test_the_cure_names_what_made_the_networks(copy, sources, tmp_path):
    for profile, precision, damaged, changed in (
        ("tiny", "fp16", r"openvino export --precision fp16$", r"openvino export --precision fp16$"),
        (
            "sdxl",
            "fp32",
            r"openvino export --profile sdxl --precision fp32$",
            r"export --profile sdxl --precision fp32$",
        ),
        (
            "tiny",
            "int8",
            r"openvino quantize --precision int8$",
            r"openvino export, then: .* quantize --precision int8$",
        ),
    ):
        replace(Manifest.read(copy), profile=profile, precision=precision).write(copy)
        (copy / "resampler.bin").write_bytes(b"")
        with pytest.raises(WeightsCorrupt, match=r"resampler.bin is damaged") as told:
            Export(copy, EXACT).network("resampler")
        assert re.search(damaged, told.value.cure)
        with pytest.raises(WeightsCorrupt, match="have changed") as told:
            Export(copy, EXACT).check_sources("unet", (sources.adapter,))
        assert re.search(changed, told.value.cure)


def test_a_missing_file_and_a_missing_export_are_told(copy, tmp_path):
    (copy / "unet.bin").unlink()
    with pytest.raises(WeightsMissing, match=r"unet.bin is missing"):
        Export(copy, EXACT).network("unet")
    with pytest.raises(WeightsMissing, match="openvino export"):
        Export(tmp_path / "nothing", EXACT)
    with pytest.raises(RequestError, match="canny was not exported"):
        Export(copy, EXACT).control("canny")
    (copy / "manifest.json").write_text('{"version": 99}')
    with pytest.raises(WeightsCorrupt, match="cannot be understood"):
        Export(copy, EXACT)


def test_half_precision_halves_the_file_and_keeps_the_numbers_near(exported, tmp_path):
    write(decoder_graph(tiny_sdxl.vae()), tmp_path / "vae_decoder", "fp16")
    sizes = [(folder / "vae_decoder.bin").stat().st_size for folder in (tmp_path, exported)]
    assert sizes[0] < 0.52 * sizes[1]
    latents = tiny_sdxl.noise("latents", 1, 4, 6, 5)
    found, wanted = (Network(folder / "vae_decoder.xml", EXACT)(latents=latents)[0] for folder in (tmp_path, exported))
    assert 0 < tiny_pipeline.relative_error(found, wanted) < 0.01


def test_weights_of_16_bits_stay_so_on_their_way(exported, tmp_path):
    """The graph computes at 32 bits all the same."""
    half, product = tiny_sdxl.controlnet().half(), torch.bmm
    write(controlnet_graph(half), tmp_path / "identity_net", "fp16")
    assert torch.bmm is product, "nothing of torch is another after a conversion"
    assert (tmp_path / "identity_net.bin").stat().st_size < 0.52 * (exported / "identity_net.bin").stat().st_size
    model = openvino.Core().read_model(tmp_path / "identity_net.xml")
    assert {port.get_element_type().get_type_name() for port in (*model.inputs, *model.outputs)} == {"f32"}
    inputs = controlnet_graph(tiny_sdxl.controlnet()).inputs
    found, wanted = (Network(folder / "identity_net.xml", EXACT)(**inputs)[-1] for folder in (tmp_path, exported))
    assert 0 < tiny_pipeline.relative_error(found, wanted) < 0.01


@torch.no_grad()
def test_a_tiny_autoencoder_in_the_place_of_the_other(sources, copy, tmp_path):
    tiny = tiny_sdxl.fill(
        AutoencoderTiny(
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            num_encoder_blocks=(1, 1),
            num_decoder_blocks=(1, 1),
            latent_channels=4,
        ),
        "tiny vae",
    )
    tiny.save_pretrained(tmp_path / "taesd")
    changed = replace(sources, vae=tmp_path / "taesd")
    assert converted(changed, copy) == ["vae_decoder", "vae_encoder"]
    ours = Export(copy, EXACT).components()["vae"]
    latents, pixels = tiny_sdxl.noise("latents", 1, 4, 6, 5), tiny_sdxl.noise("pixels", 1, 3, 16, 24)
    assert tiny_pipeline.relative_error(ours.decode(latents).sample, tiny.decode(latents).sample) < 1e-4
    assert tiny_pipeline.relative_error(ours.encode(pixels).latents, tiny.encode(pixels).latents) < 1e-4


def test_bad_wishes_are_told_before_any_work(sources, tmp_path, monkeypatch):
    with pytest.raises(RequestError, match="not exported at 'int8'"):
        export(sources, tmp_path / "int8", "tiny", "int8")
    for wrong in ("TPU", "CPU.7", "CPU,CPU", "AUTO:CPU,CPU", "AUTO:CPU,TPU", "AUTO:"):
        with pytest.raises(RequestError, match=f"no device {wrong}"):
            installed.pick_device(wrong)
    monkeypatch.setattr(installed.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InstantIDError, match=r"pip install -r requirements-openvino.txt"):
        export(sources, tmp_path / "fp16", "tiny", "fp16")
    assert installed.devices() == ()
    assert not any(tmp_path.iterdir())


def test_the_processor_is_found_by_any_spelling():
    assert "CPU" in [device.name for device in installed.devices()]
    assert installed.pick_device("cpu") == "CPU"
    assert installed.pick_device("auto:cpu") == "AUTO:CPU"
