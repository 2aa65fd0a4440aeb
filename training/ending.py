"""The end of a run before its last step: SIGTERM and Ctrl-C are noted, and the step under way is finished first."""

from __future__ import annotations

import multiprocessing
import os
import signal
from functools import partial
from types import FrameType, TracebackType
from typing import Any

ENDINGS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """Within its block, signals to end are noted in `asked` instead of ending this process.

    The handler does no more than that: processes that are forked meanwhile inherit it, and they may not touch a GPU.

    Attributes:
        for_workers: `worker_init_fn` of a DataLoader that is read within the block.
    """

    def __init__(self) -> None:
        self.asked = False
        self._over = multiprocessing.Event()
        self.for_workers = partial(_stay, self._over)

    def __enter__(self) -> Ending:
        self._before = {number: signal.signal(number, self._note) for number in ENDINGS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


def _stay(over: Any, worker: int) -> None:
    """A signal to the whole process group is this worker's as well, and without it the last step could not be finished.
    Once the block is over SIGTERM ends it: that is how Python stops the workers that an exception has left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0) if over.is_set() else None)
