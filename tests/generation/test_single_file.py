"""A checkpoint in one file, of SDXL's full size: everything in it is there but the numbers, and no byte is fetched."""

import hashlib
import math
import socket
from dataclasses import replace
from typing import Any

import pytest
import torch

from errors import RequestError
from generation.bases import with_base
from generation.schedulers import SCHEDULERS, build_scheduler
from generation.single_file import open_checkpoint
from tests import sdxl_published as published
from tests import tiny_sdxl
from weights.published import SDXL_BASE, SDXL_LAYOUT
from weights.registry import PROFILES
from weights.store import Store

ANCHORS = {
    "unet": {
        "conv_in.weight": "input_blocks.0.0.weight",
        "add_embedding.linear_1.weight": "label_emb.0.0.weight",
        "time_embedding.linear_2.bias": "time_embed.2.bias",
        "down_blocks.0.downsamplers.0.conv.weight": "input_blocks.3.0.op.weight",
        "down_blocks.1.resnets.0.conv_shortcut.weight": "input_blocks.4.0.skip_connection.weight",
        "down_blocks.2.attentions.1.transformer_blocks.9.attn2.to_k.weight": "input_blocks.8.1.transformer_blocks.9."
        "attn2.to_k.weight",
        "mid_block.resnets.1.time_emb_proj.weight": "middle_block.2.emb_layers.1.weight",
        "up_blocks.0.upsamplers.0.conv.weight": "output_blocks.2.2.conv.weight",
        "up_blocks.1.attentions.2.proj_out.weight": "output_blocks.5.1.proj_out.weight",
        "up_blocks.2.resnets.2.conv_shortcut.weight": "output_blocks.8.0.skip_connection.weight",
        "conv_out.weight": "out.2.weight",
    },
    "vae": {
        "encoder.down_blocks.2.resnets.0.conv_shortcut.weight": "encoder.down.2.block.0.nin_shortcut.weight",
        "encoder.mid_block.attentions.0.to_k.weight": "encoder.mid.attn_1.k.weight",
        "decoder.up_blocks.0.resnets.2.conv2.weight": "decoder.up.3.block.2.conv2.weight",
        "decoder.up_blocks.2.upsamplers.0.conv.weight": "decoder.up.1.upsample.conv.weight",
        "post_quant_conv.weight": "post_quant_conv.weight",
    },
    "text_encoder": {"encoder.layers.7.self_attn.out_proj.bias": "encoder.layers.7.self_attn.out_proj.bias"},
    "text_encoder_2": {
        "text_projection.weight": "text_projection",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "text_model.encoder.layers.31.self_attn.q_proj.weight": "transformer.resblocks.31.attn.in_proj_weight",
        "text_model.encoder.layers.30.mlp.fc2.bias": "transformer.resblocks.30.mlp.c_proj.bias",
    },
}
"""Component -> parameter -> tensor of the original layout that it comes from."""


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layout")
    published.lay_out(folder)
    return folder


@pytest.fixture
def unconnected(monkeypatch):
    def refused(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def opened(file, layout):
    return open_checkpoint(file, layout, torch.float16, controlnet=tiny_sdxl.controlnet())


def test_the_configurations_are_the_published_ones():
    hashes = {file.path: file.sha256 for file in SDXL_LAYOUT.files}
    for name, config in published.CONFIGS.items():
        assert hashlib.sha256(published.text_of(config)).hexdigest() == hashes.pop(name)
    assert all(name.startswith("tokenizer") for name in hashes)


@pytest.mark.parametrize("part", published.PARTS)
def test_the_table_of_tensors_is_as_large_as_the_published_files(part):
    file = next(file for file in SDXL_BASE.files if file.path.startswith(f"{part}/") and "fp16" in file.path)
    idle = ("position_ids", "logit_scale")  # the published files have none of them
    shapes = [shape for name, shape in published.PARTS[part][1]() if not name.endswith(idle)]
    assert file.size is not None
    table = file.size - 2 * sum(math.prod(shape) for shape in shapes)
    assert 0 < table < 160 * (len(shapes) + 256), "but for the names and shapes at its head"


def test_every_tensor_of_a_checkpoint_lands_where_it_belongs(tmp_path, layout, unconnected):
    shapes = published.checkpoint()
    file = published.write(tmp_path / "mine.safetensors", shapes)
    profile = with_base(PROFILES["realvisxl"], str(file), "own", Store(tmp_path, offline=True))
    pipeline = opened(profile.checkpoint, layout)
    numbers = {name: number for number, name in enumerate(shapes, start=1)}
    landed = []
    for component, (prefix, _) in published.PARTS.items():
        parameters = dict(getattr(pipeline, component).named_parameters())
        first = {name: values.flatten()[:1] for name, values in parameters.items()}
        assert {(values.dtype, values.device.type) for values in first.values()} == {(torch.float16, "cpu")}
        marks = {name: int(values.view(torch.int16)) for name, values in first.items()}
        thirds = [name for name, mark in marks.items() if mark == 0]  # behind the first of three that were one
        assert all(".k_proj." in name or ".v_proj." in name for name in thirds)
        assert len(thirds) == (128 if component == "text_encoder_2" else 0)
        landed += [mark for mark in marks.values() if mark]
        for name, origin in ANCHORS[component].items():
            assert marks[name] == numbers[prefix + origin], name
    idle = {number for name, number in numbers.items() if name.endswith(("position_ids", "logit_scale"))}
    assert len(landed) == len(set(landed))
    assert set(landed) == set(numbers.values()) - idle
    assert pipeline.unet.config.cross_attention_dim == 2048
    assert pipeline.vae.config.scaling_factor == 0.13025
    assert pipeline.scheduler.config.prediction_type == "epsilon"


def test_one_that_predicts_velocity_is_sampled_so_by_every_scheduler(tmp_path, layout, unconnected):
    file = published.write(tmp_path / "mine.safetensors", {**published.checkpoint(), "v_pred": (0,), "ztsnr": (0,)})
    config = opened(file, layout).scheduler.config
    for name in SCHEDULERS:
        scheduler: Any = build_scheduler(name, config)
        assert scheduler.config.prediction_type == "v_prediction"
        assert scheduler.config.get("rescale_betas_zero_snr", True)


def test_tensors_of_another_shape_under_the_right_names_are_refused(tmp_path, layout):
    shapes = {**published.checkpoint(), "model.diffusion_model.out.2.weight": (4, 64, 3, 3)}
    file = published.write(tmp_path / "mine.safetensors", shapes)
    with pytest.raises(RequestError, match=r"mine\.safetensors .* not SDXL's") as told:
        opened(file, layout)
    assert told.value.field == "base"


def test_a_tensor_that_is_replaced_by_a_stranger_is_refused(tmp_path, layout):
    shapes = published.checkpoint()
    shapes["conditioner.embedders.0.transformer.text_model.stranger"] = shapes.pop(
        "conditioner.embedders.0.transformer.text_model.encoder.layers.5.mlp.fc1.weight"
    )
    file = published.write(tmp_path / "mine.safetensors", shapes)
    with_base(PROFILES["sdxl"], str(file), None, Store(tmp_path, offline=True))
    with pytest.raises(RequestError, match="not SDXL's"):
        opened(file, layout)


def test_the_layout_of_a_base_that_is_here_is_taken(tmp_path):
    """Of the base's folder the configurations are read; the pinned hashes of tokenizers cannot be met here."""
    unpinned = replace(SDXL_LAYOUT, files=tuple(replace(file, size=None, sha256=None) for file in SDXL_LAYOUT.files))
    home = tmp_path / SDXL_BASE.name
    for file in unpinned.files:
        (home / file.path).parent.mkdir(parents=True, exist_ok=True)
        (home / file.path).write_text("{}")
    store = Store(tmp_path, offline=True)
    assert store.path(unpinned) == home
    assert store.fetch(unpinned) == home
