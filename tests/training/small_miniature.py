"""A run of the miniature's training small enough for a test: drawings, components, tokens, a few steps of base."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from training.miniature import prepared
from training.miniature.adapter import AdapterStage
from training.miniature.base import BaseStage
from training.miniature.checkpoint import averaged_weights
from training.miniature.dataset import Drawings, draw
from training.miniature.face_pack import Recogniser
from training.miniature.loop import Plan, train
from training.miniature.text import load_tokenizer

SIDE = 32
CHANNELS = 8
BLOCKS = (32, 64)


@dataclass(frozen=True)
class World:
    """A tiny run: drawings, components, tokens, a few steps of base, and what the adapter reads."""

    folder: Path
    pictures: Drawings
    references: Drawings

    @property
    def base(self) -> BaseStage:
        vocabulary = len(load_tokenizer(self.folder / "prepared" / "tokenizer"))
        return BaseStage(self.folder / "prepared", vocabulary, blocks=BLOCKS)

    @property
    def adapter(self) -> AdapterStage:
        return AdapterStage(self.folder / "prepared", self.folder / "base.safetensors", blocks=BLOCKS)


def small_world(folder: Path) -> World:
    """Draw and train it."""
    pictures = draw(6, 3, 0, folder / "pictures", SIDE, processes=1)
    references = draw(6, 2, 1, folder / "references", SIDE, processes=1)
    components = prepared.prepare_components(pictures, folder / "components.npz", CHANNELS)
    tokenizer = prepared.prepare_base(pictures, components, folder / "prepared")
    made = World(folder, pictures, references)
    save_file(train(made.base, Plan(steps=3, batch=4), folder / "base"), folder / "base.safetensors")
    prepared.prepare_faces(pictures, references, folder / "prepared", recogniser=Recogniser())
    prepared.prepare_texts(pictures, tokenizer, folder / "base.safetensors", folder / "prepared")
    return made


class Interrupted(Exception):
    """What stops a run in `stopped_after`."""


def stopped_after(stage: BaseStage | AdapterStage, plan: Plan, folder: Path, steps: int) -> dict[str, torch.Tensor]:
    """The averaged weights of a run that was interrupted when a step was reached."""
    loss = type(stage).loss

    def interrupted(self: Any, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        if step == steps:
            raise Interrupted
        return loss(self, network, step, rank, batch)

    with pytest.MonkeyPatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(type(stage), "loss", interrupted)
        train(stage, replace(plan, save_minutes=0.0), folder)
    return averaged_weights(folder)
