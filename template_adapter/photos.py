"""Folders of photos as vectors: every photo run through one recogniser or two. A sub-folder is a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from errors import InputError, RequestError

Embed = Callable[[Path], np.ndarray | None]
"""A recogniser's (512,) raw embedding of the largest face of a photo, None when it has none."""

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif")


@dataclass(frozen=True, eq=False)
class Embedded:
    """rows: one (n, width) float32 for each recogniser; people: (n,) names; photos: (n,) files; left_out: how many."""

    rows: tuple[np.ndarray, ...]
    people: np.ndarray
    photos: tuple[Path, ...]
    left_out: int


def photos_of(folder: Path, *, name: str = "set") -> list[tuple[str, Path]]:
    """(person, photo) in the order of their names; a photo outside any sub-folder is a person of its own.

    name: of the option that errors are reported under. Raises RequestError for a folder without photos.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RequestError(f"There is no folder {folder.name}.", field=name, cure="Give a folder of photos.")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    if not found:
        raise RequestError(f"{folder.name} holds no photos.", field=name, cure="Give JPEG, PNG, WebP or HEIC files.")
    return [
        (path.parent.relative_to(folder).as_posix() if path.parent != folder else path.stem, path) for path in found
    ]


def embed_folder(
    folder: Path, *recognisers: Embed, name: str = "source", progress: Callable[[int, int], None] | None = None
) -> Embedded:
    """Runs every photo through all recognisers; one in which any of them finds no face, or no picture, is left out."""
    found, people, kept = [], [], []
    photos = photos_of(folder, name=name)
    for number, (person, photo) in enumerate(photos):
        try:
            vectors = [embed(photo) for embed in recognisers]
        except InputError:
            vectors = [None]
        if all(vector is not None for vector in vectors):
            found.append(vectors)
            people.append(person)
            kept.append(photo)
        if progress is not None:
            progress(number + 1, len(photos))
    if not found:
        raise RequestError("No photo of the folder shows a face.", field=name, cure="Give photos of faces.")
    rows = tuple(np.stack(column).astype(np.float32) for column in zip(*found, strict=True))
    return Embedded(rows, np.array(people), tuple(kept), len(photos) - len(kept))
