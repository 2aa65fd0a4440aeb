"""SDXL's shape at toy size, with weights that depend on nothing but a parameter's name.

The layout is SDXL's (three levels, the first without attention, two ResNets a level, two text encoders), the official
resampler's rules hold (depth 4, heads of 64), and every tensor is drawn from its own seed, so the numbers stay the same
whatever order a library creates its layers in.
"""

from __future__ import annotations

import zlib
from typing import Any, cast

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from PIL import Image

DIM, POOLED, TOKENS, WIDTH, EMBEDDING = 64, 32, 16, 128, 512
LEVELS = (16, 32, 64)
SHARED: dict[str, Any] = {
    "block_out_channels": LEVELS,
    "layers_per_block": 2,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "transformer_layers_per_block": (1, 1, 2),
    "attention_head_dim": (1, 2, 4),
    "norm_num_groups": 8,
    "cross_attention_dim": DIM,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": POOLED + 6 * 8,
}
SCHEDULE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "leading",
    "steps_offset": 1,
}


def noise(name: str, *shape: int) -> torch.Tensor:
    """Standard normal numbers that belong to a name."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))


def fill(module: torch.nn.Module, name: str) -> Any:
    """Give every parameter its own seeded numbers; variance is kept, norms stay near 1."""
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            values = noise(f"{name}.{key}", *parameter.shape)
            if parameter.ndim > 1:
                values = values * parameter[0].numel() ** -0.5
            else:
                values = values * 0.1 + float("norm" in key and key.endswith("weight"))
            parameter.copy_(values)
    return module.eval()


def unet() -> UNet2DConditionModel:
    return fill(
        UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            **SHARED,
        ),
        "unet",
    )


def controlnet(name: str = "identity") -> ControlNetModel:
    return fill(ControlNetModel(conditioning_embedding_out_channels=(8, 8, 16, 16), **SHARED), name)


def vae(levels: int = 4, channels: int = 4) -> AutoencoderKL:
    """Shrinks by 2 ** (levels - 1)."""
    return fill(
        cast(Any, AutoencoderKL)(
            block_out_channels=(8,) * levels,
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            latent_channels=channels,
            norm_num_groups=4,
            sample_size=64,
            scaling_factor=0.13025,
        ),
        "vae",
    )


def components(nets: int = 1) -> dict[str, Any]:
    """All that a pipeline needs, without text encoders; `prompt` stands in for them."""
    everything = [controlnet(name) for name in ("identity", "depth", "edges")[:nets]]
    return {
        "vae": vae(),
        "text_encoder": None,
        "text_encoder_2": None,
        "tokenizer": None,
        "tokenizer_2": None,
        "unet": unet(),
        "controlnet": everything if nets > 1 else everything[0],
        "scheduler": DDIMScheduler(clip_sample=False, set_alpha_to_one=False, **SCHEDULE),
        "add_watermarker": False,
    }


def adapter_state(shapes: dict[str, dict[str, tuple[int, ...]]]) -> dict[str, dict[str, torch.Tensor]]:
    """Tensors for a table of shapes, scaled as `fill` scales them."""
    state: dict[str, dict[str, torch.Tensor]] = {}
    for group, table in shapes.items():
        state[group] = {}
        for key, shape in table.items():
            values = noise(f"{group}.{key}", *shape)
            norm = "norm" in key or ".1.0." in key
            scale = shape[-1] ** -0.5 if len(shape) > 1 else 0.1
            state[group][key] = values * scale + float(norm and key.endswith("weight"))
            if "norm1" in key:
                state[group][key] *= 20  # the norm on the embedding: makes the tokens depend on the face
    return state


def prompt(name: str = "a portrait", rows: int = 1) -> dict[str, torch.Tensor]:
    """Stand-in for the text encoders' answer to a prompt and its negative."""
    return {
        "prompt_embeds": noise(f"{name}.text", rows, 77, DIM),
        "negative_prompt_embeds": noise(f"{name}.negative", rows, 77, DIM),
        "pooled_prompt_embeds": noise(f"{name}.pooled", rows, POOLED),
        "negative_pooled_prompt_embeds": noise(f"{name}.negative pooled", rows, POOLED),
    }


def face(name: str = "ada", count: int = 1) -> np.ndarray:
    """Raw embedding, (512,) or (count, 512), of a recogniser's usual length (norm about 22)."""
    values = noise(f"face.{name}", count, EMBEDDING).numpy()
    return values[0] if count == 1 else values


def picture(name: str = "landmarks", size: tuple[int, int] = (64, 64)) -> Image.Image:
    """RGB noise, size (width, height)."""
    values = np.random.default_rng(zlib.crc32(name.encode())).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(values)


def mask(size: tuple[int, int] = (64, 64)) -> Image.Image:
    """White box on black, size (width, height)."""
    values = np.zeros((size[1], size[0], 3), np.uint8)
    values[size[1] // 8 : size[1] // 2 + 3, size[0] // 4 : size[0] - 5] = 255
    return Image.fromarray(values)
