"""Checkpoints of a run: always whole, the oldest removed, and refused for a run of other settings."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import nn

from errors import RequestError
from training.config import STEADY, Config
from training.shards import Shards
from training.task import give, trained

WEIGHTS = "trained.safetensors"
LOSSES = "losses.json"
SETTINGS = "run.json"
MAY_CHANGE = ("output", "batch", "save_every", "keep", "log_every", "validation", "data.workers")


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

    def save(self, step: int, losses: list[float]) -> None:
        """losses: of the batches since the last logged figure."""
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
            (fresh / LOSSES).write_text(json.dumps(losses), encoding="utf-8")
            fresh.rename(place)
            for old in sorted(self._steps())[: -self.keep]:
                shutil.rmtree(self._place(old))
        self.accelerator.wait_for_everyone()

    def load(self, step: int) -> list[float]:
        """Returns the losses that the checkpoint was saved with; none of one that was written without them."""
        place = self._place(step)
        self.accelerator.load_state(str(place))
        losses = place / LOSSES
        return json.loads(losses.read_bytes()) if losses.exists() else []

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


class Claim:
    """What the run in an output folder is: `run.json`."""

    def __init__(self, config: Config, task: str, shards: Shards, photos: int, together: int) -> None:
        """task: what learns. photos: how many are learned from. together: photos of all processes in one batch.

        Raises:
            RequestError: the folder holds another run; names the settings that differ.
        """
        may_change = MAY_CHANGE + (("steps",) if config.optimizer.schedule in STEADY else ())
        told = _flat(config.plain())
        self.told = {name: value for name, value in told.items() if not name.startswith(may_change)}
        self.told |= {"task": task, "photos": photos, "contents of data.shards": shards.fingerprint}
        self.told["photos of all processes in a batch"] = together
        self.file = config.output / SETTINGS
        self.free = not self.file.exists()
        if self.free:
            return
        try:
            before = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RequestError(
                f"{self.file} is damaged.", field="output", cure="Choose another output folder."
            ) from error
        names = sorted(name for name in self.told.keys() | before.keys() if self.told.get(name) != before.get(name))
        if names:
            reason = " The schedule depends on steps." if "steps" in names else ""
            raise RequestError(
                f"{config.output} holds a run of other settings ({', '.join(names)}).{reason}",
                field="output",
                cure="Choose another output folder, or set them back to go on.",
            )

    def keep(self) -> None:
        """Called once all that the settings ask for stands. Raises RequestError where nothing can be written."""
        if not self.free:
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(self.told, indent=1), encoding="utf-8")
        except OSError as error:
            raise RequestError(
                f"{self.file.parent} cannot be written to.", field="output", cure="Choose another output folder."
            ) from error


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
