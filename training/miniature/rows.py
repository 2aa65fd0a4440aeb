"""What is trained on a base that no longer changes: its networks, and rows of what was prepared for the adapter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from training.miniature.adapter import PREPARED, AdapterStage
from training.miniature.base import BLOCKS

TEXT_DROPPED = 0.1


@dataclass(frozen=True)
class Rows:
    """A run's prepared folder, see AdapterStage, and the finished weights.

    base: safetensors of the base's weights by parameter name. face: of resampler, face attention and IdentityNet.
    """

    prepared: Path
    base: Path
    face: Path
    blocks: tuple[int, ...] = BLOCKS

    READS: ClassVar[dict[str, tuple[str, ...]]] = {"prepared": PREPARED}

    @dataclass(frozen=True, eq=False)
    class Drawn:
        """rows: (batch,) of the drawings. empty: (batch,) whether the text says nothing. latents: (batch, channels, h,
        w). words: (batch, TOKENS, cross). pooled: (batch, width). landmarks: (batch, 3, side, side) in 0..1. face:
        (batch, 512)."""

        rows: np.ndarray
        empty: torch.Tensor
        latents: torch.Tensor
        words: torch.Tensor
        pooled: torch.Tensor
        landmarks: torch.Tensor
        face: torch.Tensor

    def draw(self, random: torch.Generator, rows: np.ndarray) -> Drawn:
        """What belongs to these rows, with one of their captions; some get an unconditional text instead."""
        batch = len(rows)
        texts, nothing = self._stored("texts"), self._stored("nothing")
        text = texts[rows, torch.randint(texts.shape[1], (batch,), generator=random).numpy()].copy()
        empty = torch.rand(batch, generator=random).numpy() < TEXT_DROPPED
        text[empty] = nothing[torch.randint(len(nothing), (int(empty.sum()),), generator=random).numpy()]
        candidates = self._stored("references")[self._stored("people")[rows]]
        spots = (torch.rand(batch, generator=random).numpy() * (candidates >= 0).sum(1)).astype(np.int64)
        landmarks = _tensor(self._stored("landmarks")[rows].transpose(0, 3, 1, 2)) / 255
        return self.Drawn(
            rows,
            torch.from_numpy(empty),
            _tensor(self._stored("latents")[rows]),
            _tensor(self._stored("words")[text]),
            _tensor(self._stored("pooled")[text]),
            landmarks.contiguous(memory_format=torch.channels_last),
            _tensor(self._stored("embeddings")[candidates[np.arange(batch), spots]]),
        )

    def _stored(self, name: str) -> np.ndarray:
        return np.load(self.prepared / f"{name}.npy", mmap_mode="r")


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def frozen_networks(rows: Rows) -> nn.ModuleDict:
    """UNet with face attention, IdentityNet and resampler, none of which takes gradients."""
    network = AdapterStage(rows.prepared, rows.base, rows.face, blocks=rows.blocks).build()
    assert isinstance(network, nn.ModuleDict)
    return network.requires_grad_(False).eval()
