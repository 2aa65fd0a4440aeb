"""A warm start for IdentityNet's eye: its conditioning embedding first learns to say where the five points are.

At 128 px the landmark picture is a few dim lines, half a pixel wide, on black. Started from nothing behind a layer of
zeros, the embedding gets almost no gradient from the diffusion, and IdentityNet learns to do without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel
from diffusers.models.controlnets.controlnet import ControlNetConditioningEmbedding
from torch import nn
from torch.nn import functional

from training.miniature.loop import generator

CONDITIONING = (8, 16, 32, 64, 96)
POINTS = 5
OUT_DEVIATION = 0.02  # of the weights of the embedding's last layer, which diffusers starts at zero


@dataclass(frozen=True)
class LandmarkStage:
    """Landmark pictures to the cells in which the points lie, and where in their cells.

    landmarks: (n, side, side, 3) uint8 npy. keypoints: (n, 5, 2) float32 npy, x, y px.
    """

    landmarks: Path
    keypoints: Path
    width: int
    seed: int = 0
    name: str = "landmarks"

    def build(self) -> nn.Module:
        torch.manual_seed(self.seed + 3)
        embedding = ControlNetConditioningEmbedding(self.width, 3, CONDITIONING)
        embedding.conv_out.requires_grad_(False)
        return nn.ModuleDict({"embedding": embedding, "head": nn.Conv2d(CONDITIONING[-1], 3 * POINTS, 1)})

    def loss(self, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        store = np.load(self.landmarks, mmap_mode="r")
        rows = torch.randint(len(store), (batch,), generator=generator(self.seed, step, rank)).numpy()
        pictures = torch.from_numpy(store[rows].astype(np.float32) / 255).permute(0, 3, 1, 2)
        points = torch.from_numpy(np.load(self.keypoints, mmap_mode="r")[rows])
        embedding = network["embedding"]  # type: ignore[index]
        features = functional.silu(embedding.conv_in(pictures.contiguous(memory_format=torch.channels_last)))
        for block in embedding.blocks:
            features = functional.silu(block(features))
        found = network["head"](features)  # type: ignore[operator, index]
        cells = points / (store.shape[1] / features.shape[-1])
        spots = cells.floor().long().clamp(0, features.shape[-1] - 1)
        where = torch.zeros(batch, POINTS, *features.shape[-2:])
        person, point = torch.arange(batch)[:, None], torch.arange(POINTS)[None]
        where[person, point, spots[..., 1], spots[..., 0]] = 1
        inside = found[:, POINTS:].unflatten(1, (POINTS, 2))[person, point, :, spots[..., 1], spots[..., 0]]
        presence = functional.binary_cross_entropy_with_logits(found[:, :POINTS], where, pos_weight=torch.tensor(10.0))
        return presence + (inside - (cells - spots)).abs().mean()


def give(net: ControlNetModel, weights: dict[str, torch.Tensor], seed: int = 0) -> None:
    """Put a LandmarkStage's embedding into an IdentityNet, with a last layer that lets it through."""
    embedding = net.controlnet_cond_embedding
    part = {name.removeprefix("embedding."): v for name, v in weights.items() if name.startswith("embedding.")}
    embedding.load_state_dict(part, strict=False)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        embedding.conv_out.weight.normal_(0, OUT_DEVIATION, generator=random)
