"""A folder of photos as training takes it: which files, what each shows in words, and whom."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from errors import RequestError
from face.photo import ENDINGS

OTHERS = (".avif", ".bmp", ".gif", ".jxl", ".tif", ".tiff")
"""Pictures of kinds that are not read here; they are listed, so that they are told with what was left out."""

METADATA = "metadata.jsonl"


@dataclass(frozen=True)
class Photo:
    """A file of the folder. caption: empty where there is none. person: name of its first folder, or None."""

    path: Path
    name: str
    caption: str
    person: str | None


def list_photos(folder: Path, *, people: bool = False) -> list[Photo]:
    """Every picture below a folder, in the order of its name, those that cannot be read among them.

    Captions come from a text file beside the picture (`portrait.jpg`, `portrait.txt`) or from `metadata.jsonl` in its
    folder or one above, with lines like {"file_name": "a/portrait.jpg", "text": "a portrait of a woman"}, the layout of
    the hub's image folders. The text file wins.

    Args:
        people: the first folder level names people.

    Raises:
        RequestError: no such folder, no picture in it, or a metadata file that cannot be read.
    """
    if not folder.is_dir():
        raise RequestError(f"There is no folder {folder}.", field="photos", cure="Give the folder of the photos.")
    told: dict[Path, str] = {}
    for file in sorted(folder.rglob(METADATA)):
        told |= _metadata(file)
    photos = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in ENDINGS + OTHERS or path.is_dir():
            continue
        inside = path.relative_to(folder)
        beside = path.with_suffix(".txt")
        caption = _text(beside) if beside.is_file() else told.get(path, "")
        person = inside.parts[0] if people and len(inside.parts) > 1 else None
        photos.append(Photo(path, inside.as_posix(), " ".join(caption.split()), person))
    if not photos:
        raise RequestError(f"{folder} holds no picture.", field="photos", cure=f"Pictures end in {', '.join(ENDINGS)}.")
    return photos


def _metadata(file: Path) -> dict[Path, str]:
    captions = {}
    for number, line in enumerate(_text(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise TypeError
            words = entry.get("text")
            if not isinstance(words, str | None):
                raise TypeError
            captions[file.parent / entry["file_name"]] = words or ""
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise RequestError(
                f"Line {number} of {file} is no caption.",
                field=METADATA,
                cure='Write lines like {"file_name": "portrait.jpg", "text": "a portrait of a woman"}.',
            ) from error
    return captions


def _text(file: Path) -> str:
    """UTF-8, or what older programs write, in which every byte is a letter."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise RequestError(f"{file} cannot be read.", field="photos", cure="Check that you may read it.") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
