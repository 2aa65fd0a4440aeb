"""A LoRA acts for one request and is gone afterwards; what does not fit is told or refused, never passed over."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from errors import OutOfMemory, RequestError
from generation.request import GenerationRequest, Lora

pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning")

LAYERS = ("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", "mid_block.attentions.0.proj_in")


def save(path, layers, unet, rank=2, prefix="unet.", scale=1.0):
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for layer in layers:
        weight = unet.get_submodule(layer).weight if unet is not None else torch.empty(32, 32)
        out, into = weight.shape[:2]
        tensors[f"{prefix}{layer}.lora_A.weight"] = torch.randn(rank, into, generator=generator) * scale
        tensors[f"{prefix}{layer}.lora_B.weight"] = torch.randn(out, rank, generator=generator) * scale
    save_file(tensors, path)
    return str(path)


def pixels(engine, photo, **wish):
    *_, result = engine.generate(GenerationRequest(photos=(photo,), seed=2, **wish))
    return np.asarray(result.images[0].image), result.notes


@pytest.fixture
def fitting(tmp_path, engine):
    return save(tmp_path / "style.safetensors", LAYERS, engine._pipeline.unet)


def test_a_lora_acts_by_its_weight_and_leaves_no_trace(engine, photo, fitting):
    modules = [type(module) for module in engine._pipeline.unet.modules()]
    plain, _ = pixels(engine, photo)
    full, notes = pixels(engine, photo, loras=(Lora(fitting, 1.0),))
    half, _ = pixels(engine, photo, loras=(Lora(fitting, 0.5),))
    assert notes == ()
    assert not np.array_equal(plain, full)
    assert not np.array_equal(half, full)
    assert np.array_equal(pixels(engine, photo)[0], plain)
    assert np.array_equal(pixels(engine, photo, loras=(Lora(fitting, 1.0),))[0], full)
    assert [type(module) for module in engine._pipeline.unet.modules()] == modules


def test_a_lora_of_weight_zero_changes_nothing(engine, photo, fitting):
    assert np.array_equal(pixels(engine, photo, loras=(Lora(fitting, 0.0),))[0], pixels(engine, photo)[0])


def test_two_loras_act_together(engine, photo, fitting, tmp_path):
    other = save(tmp_path / "other.safetensors", LAYERS[:1], engine._pipeline.unet, scale=0.7)
    both, _ = pixels(engine, photo, loras=(Lora(fitting), Lora(other)))
    assert not np.array_equal(both, pixels(engine, photo, loras=(Lora(fitting),))[0])
    assert not np.array_equal(both, pixels(engine, photo, loras=(Lora(other),))[0])


def test_parts_that_belong_to_no_layer_are_told(engine, photo, tmp_path, fitting):
    tensors = load_file(fitting)
    tensors["unet.down_blocks.9.attn.to_q.lora_A.weight"] = torch.ones(2, 16)
    tensors["unet.down_blocks.9.attn.to_q.lora_B.weight"] = torch.ones(16, 2)
    path = tmp_path / "mixed.safetensors"
    save_file(tensors, path)
    _, notes = pixels(engine, photo, loras=(Lora(str(path)),))
    assert notes == ("LoRA mixed.safetensors: 1 of its 3 parts belong to no layer here and had no effect.",)


def broken_files(folder, unet):
    yield save(folder / "strange.safetensors", ("nowhere.to_be.found",), None)
    yield save(folder / "no prefix.safetensors", ("some.layer",), None, prefix="")
    tensors = {
        f"unet.{LAYERS[0]}.lora_A.weight": torch.ones(2, 999),
        f"unet.{LAYERS[0]}.lora_B.weight": torch.ones(9, 2),
    }
    save_file(tensors, folder / "shape.safetensors")
    yield str(folder / "shape.safetensors")
    save_file({"weight": torch.ones(2)}, folder / "checkpoint.safetensors")
    yield str(folder / "checkpoint.safetensors")
    save_file({"lora_unet_x.hada_w1_a": torch.ones(2, 2)}, folder / "loha.safetensors")
    yield str(folder / "loha.safetensors")
    for name, content in {"empty": b"", "pickle": b"\x80\x04K\x01.", "text": b"{}" * 50}.items():
        (folder / f"{name}.safetensors").write_bytes(content)
        yield str(folder / f"{name}.safetensors")


def test_halves_that_are_missing_are_told_and_never_drawn_at_random(engine, photo, tmp_path, fitting):
    tensors = load_file(fitting)
    del tensors[f"unet.{LAYERS[0]}.lora_B.weight"]
    save_file(tensors, tmp_path / "half.safetensors")
    with pytest.raises(RequestError, match=r"half.safetensors lacks the second half of 1 of its 2 parts"):
        pixels(engine, photo, loras=(Lora(str(tmp_path / "half.safetensors")),))


@pytest.mark.parametrize("sign", ["lora_magnitude_vector", "dora_scale"])
def test_a_dora_is_refused_by_name(engine, photo, tmp_path, fitting, sign):
    tensors = {**load_file(fitting), f"unet.{LAYERS[0]}.{sign}": torch.ones(32)}
    save_file(tensors, tmp_path / "magnitudes.safetensors")
    with pytest.raises(RequestError, match=r"magnitudes.safetensors is a DoRA"):
        pixels(engine, photo, loras=(Lora(str(tmp_path / "magnitudes.safetensors")),))


def test_a_file_that_is_cut_short_is_called_so(engine, photo, tmp_path, fitting):
    path = tmp_path / "torso.safetensors"
    path.write_bytes(Path(fitting).read_bytes()[:-50])
    with pytest.raises(RequestError, match=r"torso.safetensors is cut short. Download it again"):
        pixels(engine, photo, loras=(Lora(str(path)),))


def test_a_full_device_is_no_misfit(engine, photo, fitting, monkeypatch):
    def exhausted(*arguments, **options):
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(engine._pipeline, "load_lora_weights", exhausted)
    with pytest.raises(OutOfMemory):
        pixels(engine, photo, loras=(Lora(fitting),))


def test_a_file_that_does_not_fit_is_refused_and_leaves_no_trace(engine, photo, tmp_path):
    plain, _ = pixels(engine, photo)
    for path in broken_files(tmp_path, engine._pipeline.unet):
        with pytest.raises(RequestError) as told:
            pixels(engine, photo, loras=(Lora(path),))
        assert told.value.field == "loras"
        assert str(tmp_path) not in str(told.value)
        assert np.array_equal(pixels(engine, photo)[0], plain), path


def test_a_lora_for_another_base_is_refused_by_name(engine, photo, tmp_path):
    layer = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    path = tmp_path / "old.safetensors"
    save_file({f"{layer}.lora_A.weight": torch.ones(2, 768), f"{layer}.lora_B.weight": torch.ones(32, 2)}, path)
    plain, _ = pixels(engine, photo)
    with pytest.raises(RequestError) as told:
        pixels(engine, photo, loras=(Lora(str(path)),))
    assert "Stable Diffusion 1.5" in told.value.message
    assert np.array_equal(pixels(engine, photo)[0], plain)


def test_a_lora_for_a_text_encoder_leaves_no_trace(engine, photo, tmp_path):
    encoder = engine._pipeline.text_encoder
    layers = [name for name, _ in encoder.named_modules() if name.endswith(("q_proj", "fc1"))]
    path = save(tmp_path / "words.safetensors", layers, encoder, prefix="text_encoder.")
    plain, _ = pixels(engine, photo, prompt="a cook")
    with_it, notes = pixels(engine, photo, prompt="a cook", loras=(Lora(path),))
    assert notes == ()
    assert not np.array_equal(with_it, plain)
    assert np.array_equal(pixels(engine, photo, prompt="a cook")[0], plain)
