"""A long command watched from the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on stderr, told (what, done, of); where that is no terminal, a line for each."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what, done, of: print(f"{done}/{of} {what}", file=sys.stderr, flush=True)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("opening", total=None)
        yield lambda what, done, of: bars.update(task, description=what, completed=done, total=of)
