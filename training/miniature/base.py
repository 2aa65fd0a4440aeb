"""The base: a small SDXL that draws from text alone, trained together with its two text encoders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from torch.nn import functional

from training.miniature.codec import CHANNELS, PATCH, SIDE
from training.miniature.loop import generator
from training.miniature.noise import noised, timesteps
from training.miniature.text import WIDTH, encode, new_text_encoders

CROSS = 2 * WIDTH
TIME = 32
HEAD = 32
BLOCKS = (96, 192)
TEXT_DROPPED = 0.1


def new_unet(blocks: tuple[int, ...] = BLOCKS, channels: int = CHANNELS) -> UNet2DConditionModel:
    """SDXL's network at miniature size: text_time conditioning, attention at every level, v-prediction."""
    return UNet2DConditionModel(
        sample_size=SIDE // PATCH,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=blocks,
        down_block_types=("CrossAttnDownBlock2D",) * len(blocks),
        up_block_types=("CrossAttnUpBlock2D",) * len(blocks),
        layers_per_block=1,
        transformer_layers_per_block=1,
        attention_head_dim=tuple(width // HEAD for width in blocks),  # diffusers' name for the number of heads
        cross_attention_dim=CROSS,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME,
        projection_class_embeddings_input_dim=WIDTH + 6 * TIME,
    )


def time_ids(batch: int, side: int = SIDE) -> torch.Tensor:
    """(batch, 6): original size, crop corner and target size, as SDXL's pipeline gives them."""
    return torch.tensor([[side, side, 0, 0, side, side]], dtype=torch.float32).repeat(batch, 1)


def by_muon(name: str, parameter: nn.Parameter) -> bool:
    """Matrices inside the networks; embeddings, first and last layers go to AdamW."""
    if parameter.ndim < 2 or min(parameter.shape[:2]) < 16:
        return False
    outer = ("embedding", "conv_in", "conv_out", "latents", "proj_in.weight")
    return not any(part in name for part in outer) or "transformer" in name or "attentions" in name


@dataclass(frozen=True)
class BaseStage:
    """Latents from noise and a caption.

    prepared: folder with ``latents.npy`` (n, channels, h, w) float16, ``tokens.npy`` (n, variants, TOKENS) uint16 and
    ``unconditional.npy`` (m, TOKENS) uint16: the empty text first, then texts that must mean as little.
    """

    prepared: Path
    vocabulary: int
    seed: int = 0
    blocks: tuple[int, ...] = BLOCKS
    name: str = "base"

    READS: ClassVar[dict[str, tuple[str, ...]]] = {"prepared": ("latents.npy", "tokens.npy", "unconditional.npy")}

    def build(self) -> nn.Module:
        torch.manual_seed(self.seed)
        channels = np.load(self.prepared / "latents.npy", mmap_mode="r").shape[1]
        first, second = new_text_encoders(self.vocabulary)
        unet = new_unet(self.blocks, channels)
        unet.set_attn_processor(AttnProcessor())
        return nn.ModuleDict({"unet": unet, "text_encoder": first, "text_encoder_2": second}).train()

    by_muon = staticmethod(by_muon)

    def loss(self, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        random = generator(self.seed, step, rank)
        latents, ids = self._draw(random, batch)
        noise = torch.randn(latents.shape, generator=random)
        steps = timesteps(batch, random)
        noisy, wanted = noised(latents, noise, steps)
        with torch.autocast("cpu", torch.bfloat16):
            words, pooled = encode(network["text_encoder"], network["text_encoder_2"], ids)  # type: ignore[index]
            made = network["unet"](  # type: ignore[operator, index]
                noisy, steps, words, added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids(batch)}
            ).sample
        return functional.mse_loss(made.float(), wanted)

    def _draw(self, random: torch.Generator, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        latents = np.load(self.prepared / "latents.npy", mmap_mode="r")
        tokens = np.load(self.prepared / "tokens.npy", mmap_mode="r")
        nothing = np.load(self.prepared / "unconditional.npy", mmap_mode="r")
        rows = torch.randint(len(latents), (batch,), generator=random).numpy()
        variants = torch.randint(tokens.shape[1], (batch,), generator=random).numpy()
        ids = tokens[rows, variants].astype(np.int64)
        dropped = (torch.rand(batch, generator=random) < TEXT_DROPPED).numpy()
        ids[dropped] = nothing[torch.randint(len(nothing), (int(dropped.sum()),), generator=random).numpy()]
        return torch.from_numpy(latents[rows].astype(np.float32)), torch.from_numpy(ids)
