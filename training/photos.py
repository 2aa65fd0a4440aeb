"""A folder of photos as training takes it: which files, what each shows in words, and whom."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from errors import RequestError
from face.folders import files_below
from face.photo import ENDINGS

OTHERS = (".avif", ".bmp", ".gif", ".jxl", ".tif", ".tiff")
"""Pictures of kinds that are not read here; they are listed, so that they are told with what was left out."""

METADATA = "metadata.jsonl"
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Photo:
    """A file of the folder. caption: empty where there is none. person: name of its first folder, or None."""

    path: Path
    name: str
    caption: str
    person: str | None


@dataclass(frozen=True)
class Slip:
    """A caption or a folder that is passed over. where: its path, and the line. reason: a few words to be counted."""

    where: str
    reason: str


def list_photos(
    folder: Path, *, people: bool = False, slipped: Callable[[Slip], None] = lambda slip: None
) -> list[Photo]:
    """Every picture below a folder, in the order of its name, those that cannot be read among them.

    Folders behind links count as well, each folder once, and under its own name where it has one here.

    Captions come from a text file beside the picture (`portrait.jpg`, `portrait.txt`) or from `metadata.jsonl` in its
    folder or one above, with lines like {"file_name": "a/portrait.jpg", "text": "a portrait of a woman"}, the layout of
    the hub's image folders. The text file wins.

    Args:
        people: the first folder level names people.
        slipped: called with each caption that cannot be read, or that is of no picture here.

    Raises:
        RequestError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise RequestError(f"There is no folder {folder}.", field="photos", cure="Give the folder of the photos.")
    files = sorted(files_below(folder, closed=lambda path: slipped(Slip(str(path), "closed folder"))))
    paths = [path for path in files if path.suffix.lower() in ENDINGS + OTHERS]
    if not paths:
        raise RequestError(f"{folder} holds no picture.", field="photos", cure=f"Pictures end in {', '.join(ENDINGS)}.")
    listed, there, told = set(paths), set(files), {}
    for file in files:
        if file.name == METADATA:
            told |= _metadata(file, listed, slipped)
    photos = []
    for path in paths:
        inside, beside = path.relative_to(folder), path.with_suffix(".txt")
        caption = told.get(path, "")
        if beside in there:
            try:
                caption = _text(beside)
            except (OSError, ValueError):
                slipped(Slip(str(beside), "unreadable caption"))
        person = inside.parts[0] if people and len(inside.parts) > 1 else None
        photos.append(Photo(path, inside.as_posix(), " ".join(caption.split()), person))
    return photos


def _metadata(file: Path, listed: set[Path], slipped: Callable[[Slip], None]) -> dict[Path, str]:
    try:
        lines = _text(file).split("\n")
    except (OSError, ValueError):
        slipped(Slip(str(file), "unreadable caption"))
        return {}
    captions = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            path, words = file.parent / entry["file_name"], entry.get("text", "")
            words = "" if words is None else words
            _check_words(words)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            slipped(Slip(f"{file}:{number}", "no caption line"))
            continue
        if path in listed:
            captions[path] = words
        else:
            slipped(Slip(f"{file}:{number}", "caption of no picture here"))
    return captions


def _text(file: Path) -> str:
    """UTF-8, what a byte-order mark says, or what older programs write, in which every byte is a letter.

    Raises:
        OSError, ValueError: it cannot be read, or is no text.
    """
    data = file.read_bytes()
    marked = next((name for mark, name in MARKS.items() if data.startswith(mark)), None)
    try:
        text = data.decode(marked or "utf-8-sig")
    except UnicodeDecodeError:
        if marked:
            raise
        text = data.decode("latin-1")
    _check_words(text)
    return text


def _check_words(text: str) -> None:
    """Raises ValueError for what no text has: a NUL, or half of a surrogate pair."""
    if "\0" in text:
        raise ValueError
    text.encode()
