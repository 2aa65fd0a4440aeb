"""The lock file: which bytes were accepted once, so that every later start can hold the files against it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from errors import WeightsError

NAME = "weights.lock.json"
_VERSION = 1


@dataclass(frozen=True)
class Record:
    """One accepted file.

    Args:
        sha256: its hash, lower-case hexadecimal.
        size: bytes.
        mtime_ns: time of last change in nanoseconds when it was last hashed; with the size, it is the quick check.
        source: "hub" when the hub's announced hash was verified, "registry" when the pinned one was, "hand" when the
            file was laid there by the user and neither was known.
        commit: the hub's commit, empty when unknown.
    """

    sha256: str
    size: int
    mtime_ns: int
    source: str
    commit: str = ""


Records = dict[str, dict[str, Record]]
"""weight name -> file path -> record"""


def read(directory: Path) -> Records:
    """All records of a models directory; empty when it has no lock file.

    Raises:
        WeightsError: the file is there and cannot be understood.
    """
    path = directory / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        told = json.loads(text)
        if told["version"] != _VERSION:
            raise ValueError(f"version {told['version']}")
        return {
            weight: {name: Record(**record) for name, record in files.items()}
            for weight, files in told["weights"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path} cannot be read ({error}).",
            field=NAME,
            cure="Delete it; files with a known hash are verified against that, the others are accepted anew.",
        ) from error


def update(directory: Path, weight: str, made: dict[str, Record]) -> None:
    """Adds records of one weight; several processes may do so at once."""
    from filelock import FileLock

    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / f".{NAME}"):
        records = read(directory)
        _write(directory, {**records, weight: {**records.get(weight, {}), **made}})


def _write(directory: Path, records: Records) -> None:
    """Replaces the lock file whole: a reader sees the old one or the new one, also after a power cut."""
    told = {
        "version": _VERSION,
        "weights": {
            weight: {name: asdict(record) for name, record in sorted(files.items())}
            for weight, files in sorted(records.items())
        },
    }
    fresh = directory / f"{NAME}.{os.getpid()}.tmp"
    fresh.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    settle(fresh, directory / NAME)


def settle(source: Path, target: Path) -> None:
    """Moves a finished file into place on the same disk, once its bytes are truly on the disk."""
    with source.open("rb+") as stream:
        os.fsync(stream.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    if os.name == "posix":
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
