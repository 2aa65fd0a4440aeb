"""SDXL as it was published: the configurations to the byte, and every tensor of a checkpoint in the original layout.

The table of tensors is written down from the architecture, by the original code's rules, and knows nothing of
diffusers' converter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.tiny_engine import byte_tokenizer

Tensors = Iterator[tuple[str, tuple[int, ...]]]

_TEXT: dict[str, Any] = {
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "dropout": 0.0,
    "eos_token_id": 2,
    "initializer_factor": 1.0,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 77,
    "model_type": "clip_text_model",
    "pad_token_id": 1,
    "torch_dtype": "float16",
    "transformers_version": "4.32.0.dev0",
    "vocab_size": 49408,
}
_SIZES = ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "projection_dim")


def _text(kind: str, activation: str, *sizes: int) -> dict[str, Any]:
    return {"architectures": [kind], "hidden_act": activation, **_TEXT, **dict(zip(_SIZES, sizes, strict=True))}


CONFIGS: dict[str, dict[str, Any]] = {
    "model_index.json": {
        "_class_name": "StableDiffusionXLPipeline",
        "_diffusers_version": "0.19.0.dev0",
        "force_zeros_for_empty_prompt": True,
        "add_watermarker": None,
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    },
    "scheduler/scheduler_config.json": {
        "_class_name": "EulerDiscreteScheduler",
        "_diffusers_version": "0.19.0.dev0",
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "clip_sample": False,
        "interpolation_type": "linear",
        "num_train_timesteps": 1000,
        "prediction_type": "epsilon",
        "sample_max_value": 1.0,
        "set_alpha_to_one": False,
        "skip_prk_steps": True,
        "steps_offset": 1,
        "timestep_spacing": "leading",
        "trained_betas": None,
        "use_karras_sigmas": False,
    },
    "text_encoder/config.json": _text("CLIPTextModel", "quick_gelu", 768, 3072, 12, 12, 768),
    "text_encoder_2/config.json": _text("CLIPTextModelWithProjection", "gelu", 1280, 5120, 20, 32, 1280),
    "unet/config.json": {
        "_class_name": "UNet2DConditionModel",
        "_diffusers_version": "0.19.0.dev0",
        "act_fn": "silu",
        "addition_embed_type": "text_time",
        "addition_embed_type_num_heads": 64,
        "addition_time_embed_dim": 256,
        "attention_head_dim": [5, 10, 20],
        "block_out_channels": [320, 640, 1280],
        "center_input_sample": False,
        "class_embed_type": None,
        "class_embeddings_concat": False,
        "conv_in_kernel": 3,
        "conv_out_kernel": 3,
        "cross_attention_dim": 2048,
        "cross_attention_norm": None,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "downsample_padding": 1,
        "dual_cross_attention": False,
        "encoder_hid_dim": None,
        "encoder_hid_dim_type": None,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "in_channels": 4,
        "layers_per_block": 2,
        "mid_block_only_cross_attention": None,
        "mid_block_scale_factor": 1,
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "norm_eps": 1e-05,
        "norm_num_groups": 32,
        "num_attention_heads": None,
        "num_class_embeds": None,
        "only_cross_attention": False,
        "out_channels": 4,
        "projection_class_embeddings_input_dim": 2816,
        "resnet_out_scale_factor": 1.0,
        "resnet_skip_time_act": False,
        "resnet_time_scale_shift": "default",
        "sample_size": 128,
        "time_cond_proj_dim": None,
        "time_embedding_act_fn": None,
        "time_embedding_dim": None,
        "time_embedding_type": "positional",
        "timestep_post_act": None,
        "transformer_layers_per_block": [1, 2, 10],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "upcast_attention": None,
        "use_linear_projection": True,
    },
    "vae/config.json": {
        "_class_name": "AutoencoderKL",
        "_diffusers_version": "0.20.0.dev0",
        "_name_or_path": "../sdxl-vae/",
        "act_fn": "silu",
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "force_upcast": True,
        "in_channels": 3,
        "latent_channels": 4,
        "layers_per_block": 2,
        "norm_num_groups": 32,
        "out_channels": 3,
        "sample_size": 1024,
        "scaling_factor": 0.13025,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
    },
}


def text_of(config: dict[str, Any]) -> bytes:
    """A configuration as its file: model_index.json keeps its order, the others are sorted."""
    in_order = config if "unet" in config else dict(sorted(config.items()))
    return (json.dumps(in_order, indent=2) + "\n").encode()


def lay_out(folder: Path) -> None:
    """The configurations, and tokenizers of bytes in the place of the published ones."""
    for name, config in CONFIGS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text_of(config))
    for name in ("tokenizer", "tokenizer_2"):
        byte_tokenizer().save_pretrained(folder / name)


def unet() -> Tensors:
    """Three levels of 320, 640 and 1280 channels with transformers of depth 0, 2 and 10, two ResNets each."""
    widths, depths = (320, 640, 1280), (0, 2, 10)
    yield from _linear("time_embed.0", 320, 1280)
    yield from _linear("time_embed.2", 1280, 1280)
    yield from _linear("label_emb.0.0", 2816, 1280)
    yield from _linear("label_emb.0.2", 1280, 1280)
    yield from _conv("input_blocks.0.0", 4, 320, 3)
    number, width, skips = 1, 320, [320]
    for level, (wide, depth) in enumerate(zip(widths, depths, strict=True)):
        for _ in range(2):
            yield from _resnet(f"input_blocks.{number}.0", width, wide)
            yield from _transformer(f"input_blocks.{number}.1", wide, depth)
            width, number, skips = wide, number + 1, [*skips, wide]
        if level < 2:
            yield from _conv(f"input_blocks.{number}.0.op", width, width, 3)
            number, skips = number + 1, [*skips, width]
    yield from _resnet("middle_block.0", width, width)
    yield from _transformer("middle_block.1", width, depths[-1])
    yield from _resnet("middle_block.2", width, width)
    number = 0
    for level in (2, 1, 0):
        for block in range(3):
            yield from _resnet(f"output_blocks.{number}.0", width + skips.pop(), widths[level])
            width = widths[level]
            yield from _transformer(f"output_blocks.{number}.1", width, depths[level])
            if level > 0 and block == 2:
                yield from _conv(f"output_blocks.{number}.2.conv", width, width, 3)
            number += 1
    yield from _norm("out.0", 320)
    yield from _conv("out.2", 320, 4, 3)


def vae() -> Tensors:
    widths = (128, 256, 512, 512)
    yield from _conv("encoder.conv_in", 3, 128, 3)
    width = 128
    for level, wide in enumerate(widths):
        for block in range(2):
            yield from _vae_resnet(f"encoder.down.{level}.block.{block}", width, wide)
            width = wide
        if level < 3:
            yield from _conv(f"encoder.down.{level}.downsample.conv", width, width, 3)
    yield from _vae_middle("encoder", width, 8)
    yield from _conv("decoder.conv_in", 4, 512, 3)
    for level, wide in reversed(list(enumerate(widths))):
        for block in range(3):
            yield from _vae_resnet(f"decoder.up.{level}.block.{block}", width, wide)
            width = wide
        if level > 0:
            yield from _conv(f"decoder.up.{level}.upsample.conv", width, width, 3)
    yield from _vae_middle("decoder", 512, 3, last=128)
    yield from _conv("quant_conv", 8, 8, 1)
    yield from _conv("post_quant_conv", 4, 4, 1)


def text_encoder() -> Tensors:
    """CLIP-L as transformers writes it."""
    yield "embeddings.position_ids", (1, 77)
    yield "embeddings.token_embedding.weight", (49408, 768)
    yield "embeddings.position_embedding.weight", (77, 768)
    for layer in range(12):
        place = f"encoder.layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _linear(f"{place}.self_attn.{name}", 768, 768)
        yield from _norm(f"{place}.layer_norm1", 768)
        yield from _linear(f"{place}.mlp.fc1", 768, 3072)
        yield from _linear(f"{place}.mlp.fc2", 3072, 768)
        yield from _norm(f"{place}.layer_norm2", 768)
    yield from _norm("final_layer_norm", 768)


def text_encoder_2() -> Tensors:
    """CLIP bigG as OpenCLIP writes it."""
    yield "positional_embedding", (77, 1280)
    yield "text_projection", (1280, 1280)
    yield "logit_scale", ()
    yield "token_embedding.weight", (49408, 1280)
    for layer in range(32):
        place = f"transformer.resblocks.{layer}"
        yield from _norm(f"{place}.ln_1", 1280)
        yield f"{place}.attn.in_proj_weight", (3840, 1280)
        yield f"{place}.attn.in_proj_bias", (3840,)
        yield from _linear(f"{place}.attn.out_proj", 1280, 1280)
        yield from _norm(f"{place}.ln_2", 1280)
        yield from _linear(f"{place}.mlp.c_fc", 1280, 5120)
        yield from _linear(f"{place}.mlp.c_proj", 5120, 1280)
    yield from _norm("ln_final", 1280)


PARTS = {
    "unet": ("model.diffusion_model.", unet),
    "vae": ("first_stage_model.", vae),
    "text_encoder": ("conditioner.embedders.0.transformer.text_model.", text_encoder),
    "text_encoder_2": ("conditioner.embedders.1.model.", text_encoder_2),
}
"""Component -> what its tensors begin with in a checkpoint, and which they are."""


def checkpoint() -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor."""
    return {prefix + name: shape for prefix, tensors in PARTS.values() for name, shape in tensors()}


def write(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Path:
    """A safetensors file of half precision that takes no room: zeros, but for the number of the tensor, counted from 1,
    as the bits of each tensor's first element."""
    table: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        whole = name.endswith("position_ids")
        begin, end = end, end + math.prod(shape) * (8 if whole else 2)
        table[name] = {"dtype": "I64" if whole else "F16", "shape": shape, "data_offsets": (begin, end)}
    words = json.dumps(table).encode()
    words += b" " * (-len(words) % 8)
    with path.open("wb") as file:
        file.write(len(words).to_bytes(8, "little") + words)
        for number, one in enumerate(table.values(), start=1):
            if one["dtype"] == "F16" and one["data_offsets"][0] < one["data_offsets"][1]:
                file.seek(8 + len(words) + one["data_offsets"][0])
                file.write(number.to_bytes(2, "little"))
        file.truncate(8 + len(words) + end)
    return path


def _linear(name: str, wide: int, out: int, *, bias: bool = True) -> Tensors:
    yield f"{name}.weight", (out, wide)
    if bias:
        yield f"{name}.bias", (out,)


def _conv(name: str, wide: int, out: int, side: int) -> Tensors:
    yield f"{name}.weight", (out, wide, side, side)
    yield f"{name}.bias", (out,)


def _norm(name: str, wide: int) -> Tensors:
    yield f"{name}.weight", (wide,)
    yield f"{name}.bias", (wide,)


def _resnet(name: str, wide: int, out: int) -> Tensors:
    yield from _norm(f"{name}.in_layers.0", wide)
    yield from _conv(f"{name}.in_layers.2", wide, out, 3)
    yield from _linear(f"{name}.emb_layers.1", 1280, out)
    yield from _norm(f"{name}.out_layers.0", out)
    yield from _conv(f"{name}.out_layers.3", out, out, 3)
    if wide != out:
        yield from _conv(f"{name}.skip_connection", wide, out, 1)


def _transformer(name: str, wide: int, depth: int) -> Tensors:
    if depth == 0:
        return
    yield from _norm(f"{name}.norm", wide)
    yield from _linear(f"{name}.proj_in", wide, wide)
    for block in range(depth):
        place = f"{name}.transformer_blocks.{block}"
        for attention, read in (("attn1", wide), ("attn2", 2048)):
            yield from _linear(f"{place}.{attention}.to_q", wide, wide, bias=False)
            yield from _linear(f"{place}.{attention}.to_k", read, wide, bias=False)
            yield from _linear(f"{place}.{attention}.to_v", read, wide, bias=False)
            yield from _linear(f"{place}.{attention}.to_out.0", wide, wide)
        yield from _linear(f"{place}.ff.net.0.proj", wide, 8 * wide)
        yield from _linear(f"{place}.ff.net.2", 4 * wide, wide)
        for norm in ("norm1", "norm2", "norm3"):
            yield from _norm(f"{place}.{norm}", wide)
    yield from _linear(f"{name}.proj_out", wide, wide)


def _vae_resnet(name: str, wide: int, out: int) -> Tensors:
    yield from _norm(f"{name}.norm1", wide)
    yield from _conv(f"{name}.conv1", wide, out, 3)
    yield from _norm(f"{name}.norm2", out)
    yield from _conv(f"{name}.conv2", out, out, 3)
    if wide != out:
        yield from _conv(f"{name}.nin_shortcut", wide, out, 1)


def _vae_middle(name: str, wide: int, out: int, last: int | None = None) -> Tensors:
    """The middle, and the convolution behind the last block, which is `last` channels wide."""
    yield from _vae_resnet(f"{name}.mid.block_1", wide, wide)
    yield from _norm(f"{name}.mid.attn_1.norm", wide)
    for part in ("q", "k", "v", "proj_out"):
        yield from _conv(f"{name}.mid.attn_1.{part}", wide, wide, 1)
    yield from _vae_resnet(f"{name}.mid.block_2", wide, wide)
    yield from _norm(f"{name}.norm_out", last or wide)
    yield from _conv(f"{name}.conv_out", last or wide, out, 3)
