"""Further ControlNets of the miniature: they follow the edges or the depth of a picture, beside a face or without one.

They are small: convolutions alone, started as those of the base. Every second step has text alone, every other one the
face as well, so that a net learns neither to replace IdentityNet nor to work against it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from diffusers.models.controlnets.controlnet import ControlNetConditioningEmbedding
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from training.miniature.adapter import FaceScales
from training.miniature.base import BLOCKS, CROSS, HEAD, TIME, by_muon, time_ids
from training.miniature.landmarks import CONDITIONING, give
from training.miniature.loop import generator
from training.miniature.noise import noised, timesteps
from training.miniature.rows import Rows, frozen_networks
from training.miniature.text import WIDTH

CANNY = (100, 200)  # thresholds of generation/annotate.py
SHOWN = 4  # a cell's content is told in so many parts a side
SOFT = 0.02  # deviation over the side
EIGHT_BITS = 16  # matrices of at least this size on both sides are stored in eight bits


def edges(picture: np.ndarray) -> np.ndarray:
    """(side, side, 3) uint8 RGB to (side, side) uint8, as the app's annotator of edges draws them."""
    return cv2.Canny(np.ascontiguousarray(picture), *CANNY)


@dataclass(frozen=True)
class Maps:
    """What a net is shown of each picture.

    pictures: (n, side, side, 3) uint8 npy. depths: (m, side, side) uint8 npy with m <= n, of the first m pictures; None
    for a net of edges.
    """

    pictures: Path
    depths: Path | None = None

    def __len__(self) -> int:
        return len(np.load(self.pictures if self.depths is None else self.depths, mmap_mode="r"))

    def of(self, rows: np.ndarray) -> torch.Tensor:
        """(batch, 3, side, side) float32 in 0..1. Every second depth is softened, as an annotator's is."""
        if self.depths is None:
            pictures = np.load(self.pictures, mmap_mode="r")
            drawn = np.stack([edges(pictures[row]) for row in rows])
        else:
            drawn = np.load(self.depths, mmap_mode="r")[rows]
            drawn[1::2] = np.stack([cv2.GaussianBlur(one, (0, 0), SOFT * one.shape[0]) for one in drawn[1::2]])
        grey = torch.from_numpy(drawn.astype(np.float32) / 255)[:, None].expand(-1, 3, -1, -1)
        return grey.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class EyeStage:
    """A warm start of the conditioning embedding: it tells what each cell of the map holds, and of the picture itself.

    latents: (n, channels, h, w) float16 npy of the pictures.
    """

    maps: Maps
    latents: Path
    width: int = BLOCKS[0]
    seed: int = 0
    name: str = "eye"

    def build(self) -> nn.Module:
        torch.manual_seed(self.seed + 5)
        embedding = ControlNetConditioningEmbedding(self.width, 3, CONDITIONING)
        embedding.conv_out.requires_grad_(False)
        told = SHOWN**2 + np.load(self.latents, mmap_mode="r").shape[1]
        return nn.ModuleDict({"embedding": embedding, "head": nn.Conv2d(CONDITIONING[-1], told, 1)})

    def loss(self, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        rows = torch.randint(len(self.maps), (batch,), generator=generator(self.seed, step, rank)).numpy()
        shown = self.maps.of(rows)
        latents = torch.from_numpy(np.load(self.latents, mmap_mode="r")[rows].astype(np.float32))
        embedding = network["embedding"]  # type: ignore[index]
        with torch.autocast("cpu", torch.bfloat16):
            features = functional.silu(embedding.conv_in(shown))
            for block in embedding.blocks:
                features = functional.silu(block(features))
            told = network["head"](features).float()  # type: ignore[operator, index]
        cell = shown.shape[-1] // latents.shape[-1]
        parts = functional.avg_pool2d(shown[:, :1], cell // SHOWN)
        wanted = functional.pixel_unshuffle(parts, SHOWN)
        scale = wanted.var() + 1e-3
        return functional.mse_loss(told[:, : SHOWN**2], wanted) / scale + functional.mse_loss(
            told[:, SHOWN**2 :], latents
        )


def new_control_net(unet: UNet2DConditionModel) -> ControlNetModel:
    """A ControlNet without attention whose convolutions start as those of the base's encoder."""
    blocks = tuple(unet.config["block_out_channels"])
    net = ControlNetModel(
        in_channels=unet.config["in_channels"],
        block_out_channels=blocks,
        down_block_types=("DownBlock2D",) * len(blocks),
        mid_block_type="UNetMidBlock2D",
        layers_per_block=1,
        cross_attention_dim=CROSS,
        attention_head_dim=tuple(width // HEAD for width in blocks),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME,
        projection_class_embeddings_input_dim=WIDTH + 6 * TIME,
        conditioning_embedding_out_channels=CONDITIONING,
    )
    own, stored = net.state_dict(), unet.state_dict()
    net.load_state_dict({k: v for k, v in stored.items() if k in own and v.shape == own[k].shape}, strict=False)
    return net


@dataclass(frozen=True)
class ControlStage:
    """A ControlNet learns on a frozen base: latents from noise, a caption, a map, and in half of the steps a face.

    eye: safetensors of an EyeStage, whose embedding the net is given.
    """

    rows: Rows
    maps: Maps
    eye: Path | None = None
    seed: int = 0
    name: str = "control"

    def build(self) -> nn.Module:
        torch.manual_seed(self.seed + 6)
        network = frozen_networks(self.rows)
        net = new_control_net(network["unet"])  # type: ignore[arg-type]
        if self.eye is not None:
            give(net, load_file(self.eye), self.seed)
        network["net"] = net.train()
        return network

    by_muon = staticmethod(by_muon)

    def loss(self, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        random = generator(self.seed, step, rank)
        drawn = self.rows.draw(random, torch.randint(len(self.maps), (batch,), generator=random).numpy())
        noise = torch.randn(drawn.latents.shape, generator=random)
        steps = timesteps(batch, random)
        noisy, wanted = noised(drawn.latents, noise, steps)
        with torch.autocast("cpu", torch.bfloat16):
            made = self._predict(network, drawn, noisy, steps, faces=(step + rank) % 2 == 0)
        return functional.mse_loss(made.float(), wanted)

    def _predict(
        self, network: nn.Module, drawn: Rows.Drawn, noisy: torch.Tensor, steps: torch.Tensor, faces: bool
    ) -> torch.Tensor:
        added = {"text_embeds": drawn.pooled, "time_ids": time_ids(len(noisy))}
        down, middle = network["net"](  # type: ignore[operator, index]
            noisy, steps, drawn.words, self.maps.of(drawn.rows), added_cond_kwargs=added, return_dict=False
        )
        with torch.no_grad():
            tokens = network["resampler"](drawn.face[:, None])  # type: ignore[operator, index]
            if faces:
                own, own_middle = network["identity_net"](  # type: ignore[operator, index]
                    noisy, steps, tokens, drawn.landmarks, added_cond_kwargs=added, return_dict=False
                )
        if faces:
            down, middle = [a + b for a, b in zip(down, own, strict=True)], middle + own_middle
        strength = torch.full((len(noisy),), float(faces))
        everywhere = torch.ones(len(noisy), 1, *noisy.shape[-2:])
        levels = len(network["unet"].config["block_out_channels"])  # type: ignore[index, union-attr]
        scales = FaceScales.of(strength, strength, everywhere, noisy.shape[-1], levels)
        return network["unet"](  # type: ignore[operator, index]
            noisy, steps, (drawn.words, tokens, scales.adapter), added_cond_kwargs=added,
            down_block_additional_residuals=list(down), mid_block_additional_residual=middle,
        ).sample  # fmt: skip


def save_control_net(weights: dict[str, torch.Tensor], unet: UNet2DConditionModel, folder: Path) -> None:
    """Write a ControlStage's net as diffusers does, large matrices in eight bits; from_pretrained widens them."""
    net = new_control_net(unet)
    net.load_state_dict({k.removeprefix("net."): v.float() for k, v in weights.items() if k.startswith("net.")})
    shutil.rmtree(folder, ignore_errors=True)
    net.half().save_pretrained(folder, safe_serialization=True)
    (file,) = folder.glob("*.safetensors")
    small = {
        name: value.to(torch.float8_e4m3fn) if value.ndim > 1 and min(value.shape[:2]) >= EIGHT_BITS else value
        for name, value in load_file(file).items()
    }
    save_file(small, file, metadata={"format": "pt"})
