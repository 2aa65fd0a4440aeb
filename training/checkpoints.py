"""Checkpoints of a run: always whole, the oldest removed, and refused for a run of other settings."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import nn

from errors import RequestError
from training.config import Config
from training.task import give, trained

WEIGHTS = "trained.safetensors"
SETTINGS = "run.json"
MAY_CHANGE = ("output", "steps", "batch", "save_every", "keep", "log_every", "validation", "data.workers")


class Checkpoints:
    """The folder `checkpoints` of a run, with one folder a step.

    accelerate keeps the state of optimizer, schedule, moving average and random numbers; of the networks only what
    learns is kept.
    """

    def __init__(self, accelerator: Accelerator, loss: nn.Module, folder: Path, keep: int) -> None:
        """loss: the module that is trained, not wrapped."""
        self.accelerator, self.loss, self.folder, self.keep = accelerator, loss, folder, keep
        accelerator.register_save_state_pre_hook(self._save_weights)
        accelerator.register_load_state_pre_hook(self._load_weights)

    def newest(self) -> int | None:
        """The step of the newest checkpoint."""
        return max(self._steps(), default=None)

    def save(self, step: int) -> None:
        place = self._place(step)
        if place.exists():
            return
        fresh = place.with_suffix(".partial")
        if self.accelerator.is_main_process:
            shutil.rmtree(fresh, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(fresh))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            fresh.rename(place)
            for old in sorted(self._steps())[: -self.keep]:
                shutil.rmtree(self._place(old))
        self.accelerator.wait_for_everyone()

    def load(self, step: int) -> None:
        self.accelerator.load_state(str(self._place(step)))

    def _steps(self) -> list[int]:
        return [int(path.name[5:]) for path in self.folder.glob("step-*") if re.fullmatch(r"step-\d+", path.name)]

    def _place(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def _save_weights(self, models: list[nn.Module], weights: list[Any], folder: str) -> None:
        if self.accelerator.is_main_process:
            state = {name: parameter.detach().contiguous() for name, parameter in trained(self.loss).items()}
            save_file(state, Path(folder) / WEIGHTS)
        weights.clear()  # accelerate writes what is left here

    def _load_weights(self, models: list[nn.Module], folder: str) -> None:
        give(self.loss, load_file(Path(folder) / WEIGHTS))
        models.clear()


def claim(config: Config, photos: torch.Tensor | Any, together: int, accelerator: Accelerator) -> None:
    """Remember what the run in the output folder is; refuse to go on with another.

    photos: rows that are learned from. together: photos of all processes in one batch.

    Raises:
        RequestError: names the settings that differ.
    """
    told = _flat(config.plain())
    told = {name: value for name, value in told.items() if not name.startswith(MAY_CHANGE)}
    told |= {"photos": len(photos), "photos of all processes in a batch": together}
    file = config.output / SETTINGS
    before = json.loads(file.read_text()) if file.exists() else None
    accelerator.wait_for_everyone()
    if before is None:
        if accelerator.is_main_process:
            config.output.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(told, indent=1))
        return
    names = sorted(name for name in told.keys() | before.keys() if told.get(name) != before.get(name))
    if names:
        raise RequestError(
            f"{config.output} holds a run of other settings ({', '.join(names)}).",
            field="output",
            cure="Choose another output folder, or set them back to go on.",
        )


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
