"""What a stage says while it learns: lines in its log and, now and then, on the terminal."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

TERMINAL_SECONDS = 20.0


def say(line: str) -> None:
    """A line on the terminal, past what programs write for other programs."""
    print(line, file=sys.stderr, flush=True)


@dataclass
class Meter:
    """The mean loss and the speed since the last line.

    batch: samples of all processes in a step.
    """

    name: str
    batch: int
    steps: int = 0
    losses: float = 0.0
    since: float = field(default_factory=time.monotonic)

    def add(self, loss: float) -> None:
        self.steps += 1
        self.losses += loss

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since

    def line(self, step: int, progress: float, gradient: float, rate: float) -> str:
        """One line, after which counting begins anew."""
        loss, speed = self.losses / max(self.steps, 1), self.steps * self.batch / max(self.seconds, 1e-9)
        told = (
            f"{self.name} step {step} progress {progress:.3f} loss {loss:.4f} gradient {gradient:.3f} rate {rate:.3f} "
            f"{speed:.1f} samples/s {step * self.batch} samples"
        )
        self.steps, self.losses, self.since = 0, 0.0, time.monotonic()
        return told
