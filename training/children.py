"""Processes that end with the one that started them: whoever is killed leaves nobody working behind."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


def end_with_parent(threads: int | None = None) -> None:
    """Ends this process as soon as the one that started it has ended, however that ended.

    To be called first in a process that multiprocessing started; in any other it ends nothing.

    Args:
        threads: of libraries that are loaded after this.
    """
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
