"""A run without an end in two processes, to be killed: ``python -m tests.training.endless FOLDER``.

Each process writes its number into ``FOLDER/worker-RANK`` once it learns.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from training.miniature.loop import Plan, train


@dataclass(frozen=True)
class Endless:
    noted: str
    name: str = "endless"

    def build(self) -> nn.Module:
        torch.manual_seed(0)
        return nn.Linear(2, 2)

    def loss(self, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        Path(self.noted, f"worker-{rank}").write_text(str(os.getpid()))
        time.sleep(0.01)
        return network(torch.ones(batch, 2)).square().mean()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts what runs in the background
    train(Endless(sys.argv[1]), Plan(steps=10**9, workers=2), Path(sys.argv[1], "run"))
