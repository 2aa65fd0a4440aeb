"""Whether a file is what it should be: held against the pinned hash, the hub's announced hash, or the lock file."""

from __future__ import annotations

from pathlib import Path

from errors import WeightsCorrupt
from weights.hashing import SHA256, announced_hash_of, sha256_of
from weights.lock import Record
from weights.places import blob_name
from weights.published import File, Weight
from weights.registry import PROFILES


def stamp(path: Path) -> tuple[int, int]:
    """Size in bytes and time of last change in nanoseconds."""
    told = path.stat()
    return told.st_size, told.st_mtime_ns


def command_for(weight: Weight) -> str:
    """What brings a weight to this machine, as words for a cure."""
    users = [name for name, profile in PROFILES.items() if weight in profile.weights]
    return f"`python cli.py download {f'--profile {users[0]}' if users else f'--weight {weight.name}'}`"


def check_size(weight: Weight, file: File, path: Path) -> None:
    """Raises WeightsCorrupt when the size alone condemns a file."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        raise WeightsCorrupt(
            f"{weight.name}: {path} has {size} bytes, expected {file.size}: cut off, or another version.",
            field=file.path,
            cure=f"Delete the file and run {command_for(weight)}.",
        )


def accept(weight: Weight, file: File, path: Path, record: Record | None) -> Record:
    """Hashes a file and returns what to remember of it.

    Args:
        record: what the lock file says of it; None when nothing.

    Raises:
        WeightsCorrupt: with the expected and the actual hash.
    """
    check_size(weight, file, path)
    size, mtime_ns = stamp(path)
    actual = sha256_of(path)
    announced = blob_name(path)
    cure = f"Delete the file and run {command_for(weight)}; a version of your own belongs into another folder."
    if file.sha256 is not None:
        expected, source = file.sha256, "registry"
    elif announced is not None:
        expected, source = announced, "hub"
    elif record is not None:
        expected, source = record.sha256, record.source
        if source == "hand":
            cure = f"Restore it, or, if you changed it on purpose, delete the entry of {weight.name} in the lock file."
    else:
        expected, source = actual, "hand"
    told = actual if SHA256.fullmatch(expected) else announced_hash_of(path, expected)
    if told != expected:
        raise WeightsCorrupt(
            f"{weight.name}: {path} is damaged or another version: its sha256 is {told}, expected {expected}.",
            field=file.path,
            cure=cure,
        )
    return Record(actual, size, mtime_ns, source, record.commit if record and record.sha256 == actual else "")
