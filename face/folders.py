"""Files of a folder of photos."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def files_below(folder: Path, closed: Callable[[Path], None] = lambda path: None) -> Iterator[Path]:
    """Every file below a folder, in no order.

    Folders behind links count as well, each folder once, and under its own name where it has one here.

    closed: called with each folder that cannot be read.
    """
    seen: set[str] = set()
    starts = [folder]
    for start in starts:  # grows by the links that are found
        for place, folders, names in os.walk(start, onerror=lambda error: closed(Path(error.filename))):
            real = os.path.realpath(place)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders.sort()
            starts += [path for name in folders if (path := Path(place, name)).is_symlink()]
            yield from (Path(place, name) for name in names)
