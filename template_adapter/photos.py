"""Folders of photos as vectors: every photo run through one recogniser or two. A folder in it is a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from errors import InputError, RequestError
from template_adapter.vectors import evenly

Embed = Callable[[Path], np.ndarray | None]
"""A recogniser's (512,) raw embedding of the largest face of a photo, None when it has none."""

FACELESS = "photos without a face"
UNREADABLE = "files that cannot be read as photos"
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif")


@dataclass(frozen=True, eq=False)
class Embedded:
    """rows: one (n, width) float32 for each recogniser; people: (n,) names; photos: (n,) files; left_out: what is wrong
    with the others, of those that were looked at."""

    rows: tuple[np.ndarray, ...]
    people: np.ndarray
    photos: tuple[Path, ...]
    left_out: dict[Path, str]


def photos_of(folder: Path, *, name: str = "set") -> list[tuple[str, Path]]:
    """(person, photo) in the order of their names.

    Whatever lies in a folder of `folder`, however deep, is of the person whose name that folder bears; a photo outside
    any is a person of its own.

    name: of the option that errors are reported under. Raises RequestError for a folder without photos.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RequestError(f"There is no folder {folder.name}.", field=name, cure="Give a folder of photos.")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    if not found:
        raise RequestError(f"{folder.name} holds no photos.", field=name, cure="Give JPEG, PNG, WebP or HEIC files.")
    return [(path.relative_to(folder).parts[0] if path.parent != folder else path.stem, path) for path in found]


def embed_folder(
    folder: Path, *recognisers: Embed, name: str = "source", most: int | None = None, first_of: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Embedded:  # fmt: skip
    """Runs photos through all recognisers; one in which any of them finds no face, or no picture, is left out.

    most: at most so many photos, evenly spread. first_of: of at most so many people, and of each the first that serves.
    """
    found, people, kept, left_out = [], [], [], {}
    photos = photos_of(folder, name=name)
    if most is not None:
        photos = [photos[place] for place in evenly(len(photos), most)]
    for number, (person, photo) in enumerate(photos):
        if first_of is None or person not in people:
            try:
                vectors = [embed(photo) for embed in recognisers]
            except InputError:
                left_out[photo] = UNREADABLE
            else:
                if any(vector is None for vector in vectors):
                    left_out[photo] = FACELESS
                else:
                    found.append(vectors)
                    people.append(person)
                    kept.append(photo)
        done = len(photos) if len(people) == first_of else number + 1
        if progress is not None:
            progress(done, len(photos))
        if done == len(photos):
            break
    if not found:
        why = "; ".join(told_left_out(left_out))
        raise RequestError(f"No photo of {folder.name} shows a face: {why}", field=name, cure="Give photos of faces.")
    rows = tuple(np.stack(column).astype(np.float32) for column in zip(*found, strict=True))
    return Embedded(rows, np.array(people), tuple(kept), left_out)


def told_left_out(left_out: dict[Path, str]) -> list[str]:
    """Sentences on how many photos were left out, and why."""
    return [f"{count} {what} were left out." for what, count in sorted(Counter(left_out.values()).items())]
