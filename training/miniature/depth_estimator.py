"""An annotator of depth for drawn pictures: Depth Anything's class at a few hundred kilobytes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessorPil

from training.miniature.base import by_muon
from training.miniature.loop import generator

SIDE = 128
PATCH = 8
WIDTH = 64
FLOOR = 0.1  # added to what is to be told: the last layer is cut at 0 and must not die there


def new_estimator(side: int = SIDE) -> DepthAnythingForDepthEstimation:
    """A vision transformer of four layers and a neck whose finest map has half the picture's side."""
    stages: dict[str, Any] = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
    eye = Dinov2Config(
        hidden_size=WIDTH, num_hidden_layers=4, num_attention_heads=2, mlp_ratio=2, image_size=side, patch_size=PATCH,
        reshape_hidden_states=False, **stages,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=eye, patch_size=PATCH, reassemble_hidden_size=WIDTH, reassemble_factors=[2, 1, 0.5, 0.5],
        neck_hidden_sizes=[16, 24, 32, 32], fusion_hidden_size=24, head_hidden_size=12,
    )  # fmt: skip
    return DepthAnythingForDepthEstimation(config)


def new_processor(side: int = SIDE) -> DPTImageProcessorPil:
    """Pictures as the estimator was taught to see them; other proportions are kept."""
    half = [0.5, 0.5, 0.5]
    return DPTImageProcessorPil(
        size={"height": side, "width": side}, keep_aspect_ratio=True, ensure_multiple_of=PATCH, image_mean=half,
        image_std=half,
    )  # fmt: skip


@dataclass(frozen=True)
class EstimatorStage:
    """Pictures to their depth.

    pictures: (n, side, side, 3) uint8 npy. depths: (m, side, side) uint8 npy with m <= n, of the first m pictures.
    """

    pictures: Path
    depths: Path
    seed: int = 0
    name: str = "depth_estimator"

    by_muon = staticmethod(by_muon)

    def build(self) -> nn.Module:
        torch.manual_seed(self.seed + 7)
        network = new_estimator(np.load(self.depths, mmap_mode="r").shape[-1]).train()
        with torch.no_grad():
            network.head.get_parameter("conv3.bias").fill_(0.5)
        return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def loss(self, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        """Absolute error of nearness and of its differences to the neighbours; every second picture is mirrored."""
        depths, pictures = np.load(self.depths, mmap_mode="r"), np.load(self.pictures, mmap_mode="r")
        rows = torch.randint(len(depths), (batch,), generator=generator(self.seed, step, rank)).numpy()
        seen = torch.from_numpy(pictures[rows].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
        wanted = torch.from_numpy(depths[rows].astype(np.float32) / 255) + FLOOR
        seen[1::2], wanted[1::2] = seen[1::2].flip(-1), wanted[1::2].flip(-1)
        with torch.autocast("cpu", torch.bfloat16):
            told = network(seen.contiguous(memory_format=torch.channels_last)).predicted_depth.float()
        error = told - wanted
        slopes = error.diff(dim=1).abs().mean() + error.diff(dim=2).abs().mean()
        return error.abs().mean() + slopes + functional.mse_loss(told, wanted)


def save_estimator(weights: dict[str, torch.Tensor], folder: Path, side: int = SIDE) -> None:
    """Write estimator and image processor, as `generation.annotate.depth` opens them, in half precision."""
    network = new_estimator(side)
    network.load_state_dict(weights)
    shutil.rmtree(folder, ignore_errors=True)
    network.half().save_pretrained(folder)
    new_processor(side).save_pretrained(folder)
