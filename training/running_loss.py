"""The loss between two logged figures, which a checkpoint keeps, so that a run that goes on logs what it would have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from accelerate import Accelerator


class RunningLoss:
    """Losses of batches since the last logged figure, on the device until they are asked for."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self._values: list[float] = []
        self._fresh: list[torch.Tensor] = []

    def begin(self, values: Sequence[float] = ()) -> None:
        """Forget what was added. values: of an earlier run that was stopped."""
        self._values, self._fresh = list(values), []

    def add(self, loss: torch.Tensor) -> None:
        self._fresh.append(loss.detach())

    def values(self) -> list[float]:
        """One a batch, each the mean over all processes, which have to ask together."""
        if self._fresh:
            means: Any = self.accelerator.reduce(torch.stack(self._fresh), "mean")
            self._values += means.tolist()
            self._fresh = []
        return self._values

    def mean(self) -> float:
        values = self.values()
        return math.fsum(values) / len(values)
