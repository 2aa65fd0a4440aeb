"""The checkpoint of a stage: always one whole one in its folder, and none but its own is gone on with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from training.miniature.claims import claim

CURRENT, FRESH, OLD = "checkpoint", "checkpoint.new", "checkpoint.old"
RUN = "run.json"


def checkpoint_of(folder: Path) -> Path | None:
    """The whole checkpoint of a run's folder, None before the first. While one takes the place of another, or where the
    run was killed at that, it is the older one."""
    return next((folder / name for name in (CURRENT, OLD) if (folder / name).exists()), None)


def averaged_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The moving average of a checkpoint's weights, by parameter name."""
    state = load_file((checkpoint_of(folder) or folder / CURRENT) / "weights.safetensors")
    return {name.removeprefix("average."): value for name, value in state.items() if name.startswith("average.")}


def take(folder: Path, told: Mapping[str, Any]) -> int:
    """Open a folder for a run. Returns the step that its checkpoint stands at, 0 without one.

    told: all that the run is a function of.

    Raises:
        RequestError: the checkpoint is another run's; names what differs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    left = checkpoint_of(folder)
    cure = f"Give --out another folder, or remove {left} to begin again."
    claim(folder / RUN, told, taken=left, cure=cure)
    if left is None:
        return 0
    left.replace(folder / CURRENT)
    return int(json.loads((folder / CURRENT / "progress.json").read_text(encoding="utf-8"))["step"])


@dataclass(frozen=True)
class Checkpoint:
    """One process's hand on the checkpoint of a folder.

    weights, average: views by parameter name, shared by all processes. optimizers: of this process alone.
    wait: returns when every process has called it.
    """

    folder: Path
    rank: int
    weights: Mapping[str, torch.Tensor]
    average: Mapping[str, torch.Tensor]
    optimizers: list[torch.optim.Optimizer]
    wait: Callable[[], None]

    def save(self, step: int, elapsed: float) -> None:
        """elapsed: seconds that the run has taken so far."""
        current, fresh, old = (self.folder / name for name in (CURRENT, FRESH, OLD))
        if self.rank == 0:
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
        self.wait()
        torch.save([optimizer.state_dict() for optimizer in self.optimizers], fresh / f"optimizer{self.rank}.pt")
        if self.rank == 0:
            state = {f"weights.{name}": value.clone() for name, value in self.weights.items()}
            state |= {f"average.{name}": value.clone() for name, value in self.average.items()}
            save_file(state, fresh / "weights.safetensors")
            (fresh / "progress.json").write_text(json.dumps({"step": step, "elapsed": elapsed}), encoding="utf-8")
        self.wait()
        if self.rank == 0:
            shutil.rmtree(old, ignore_errors=True)
            if current.exists():
                current.replace(old)
            fresh.replace(current)
            shutil.rmtree(old, ignore_errors=True)

    def load(self) -> tuple[int, float]:
        """Step and elapsed seconds of the checkpoint, whose state is taken; both 0 without one."""
        current = self.folder / CURRENT
        if not current.exists():
            return 0, 0.0
        states = torch.load(current / f"optimizer{self.rank}.pt", weights_only=True)
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)
        if self.rank == 0:
            stored = load_file(current / "weights.safetensors")
            for name, value in self.weights.items():
                value.copy_(stored[f"weights.{name}"])
            for name, value in self.average.items():
                value.copy_(stored[f"average.{name}"])
        progress = json.loads((current / "progress.json").read_text(encoding="utf-8"))
        return int(progress["step"]), float(progress["elapsed"])
