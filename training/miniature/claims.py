"""What a run's files were made of is kept beside them, so that nothing goes on with, or reads, another run's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from errors import RequestError

SAMPLED = 32 * 2**20  # bytes; of larger files only pieces are read
PIECES, PIECE = 256, 2**16


def fingerprint(path: Path) -> str:
    """16 hexadecimal digits of a file's contents; of a large one, of its length and of pieces from all over it.

    Raises:
        RequestError: there is no such file.
    """
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if size <= SAMPLED:
                digest.update(file.read())
            else:
                digest.update(str(size).encode())
                for piece in range(PIECES):
                    file.seek((size - PIECE) * piece // (PIECES - 1))
                    digest.update(file.read(PIECE))
    except FileNotFoundError as error:
        raise RequestError(f"{path} is not there.", field="out", cure="Run the stages before this one.") from error
    return digest.hexdigest()[:16]


def made_of(value: Any, name: str) -> dict[str, Any]:
    """A dataclass as flat, JSON-able items: numbers and words as they are, files by their contents.

    A field that is a folder stands for the files that the class names in ``READS``, by the field's name.
    """
    if isinstance(value, Path):
        return {name: fingerprint(value)}
    if not is_dataclass(value):
        return {name: value}
    flat: dict[str, Any] = {}
    for field in fields(value):
        part, inside = getattr(value, field.name), f"{name}.{field.name}"
        if field.name in (reads := getattr(value, "READS", {})):
            flat |= {f"{inside}/{file}": fingerprint(part / file) for file in reads[field.name]}
        else:
            flat |= made_of(part, inside)
    return flat


def claim(file: Path, told: Mapping[str, Any], *, taken: Path | None, cure: str) -> None:
    """Write down in ``file`` what something is made of, or where it is there already hold it against that.

    Args:
        taken: what is there already, None where it has yet to be made.

    Raises:
        RequestError: what is there was made of something else; names what differs.
    """
    told = json.loads(json.dumps(told))
    if taken is None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        return
    try:
        before = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise RequestError(f"Nothing says what {taken} was made of.", field="out", cure=cure) from error
    except ValueError as error:
        raise RequestError(f"{file} is damaged.", field="out", cure=cure) from error
    if other := sorted(name for name in told.keys() | before.keys() if told.get(name) != before.get(name)):
        raise RequestError(f"{taken} was made otherwise ({', '.join(other)}).", field="out", cure=cure)


def once(result: Path, told: Mapping[str, Any], make: Callable[[], object]) -> None:
    """Make a file or folder that is kept, unless it is there and made of the same.

    One that nothing is written down of was put there as it is, and is taken so.

    Raises:
        RequestError: it is there, but was made of something else; names what differs.
    """
    there = result if result.exists() else None
    cure = f"Give --out another folder, or remove {result} to have it made again."
    note = result.with_name(f"{result.name}.made_of.json")
    if there is None or note.exists():
        claim(note, told, taken=there, cure=cure)
    if there is None:
        make()
