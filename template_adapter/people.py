"""Whose each row of a table is: rows are kept as numbers, and each person's name once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from errors import RequestError

CURE = "One name a row."
PART = 65_536


@dataclass(frozen=True, eq=False)
class People:
    """names: of the people, sorted; codes: (rows,) int64, whose each row is, as a place among them."""

    names: tuple[Any, ...]
    codes: np.ndarray

    def differing(self, others: People) -> np.ndarray:
        """The rows that are of one person here and of another in a list as long; numbers are compared as numbers."""
        plain = all(isinstance(name, int | float) for name in (*self.names, *others.names))
        own = {name if plain else str(name): code for code, name in enumerate(self.names)}
        there = np.array([own.get(name if plain else str(name), -1) for name in others.names])
        return np.flatnonzero(there[others.codes] != self.codes)


def numbered(parts: Iterable[Iterable[Any]], *, of: str, lines: bool = False) -> People:
    """Names or numbers of people, a part of the rows at a time.

    of: what holds them, and lines: whether its rows are lines, for errors. Raises RequestError, naming the first, for
    rows that name nobody.
    """
    known: dict[Any, int] = {}
    codes = [np.fromiter((known.setdefault(name, len(known)) for name in part), np.int32) for part in parts]
    if not known:
        raise RequestError(f"{of} names nobody.", field="people", cure=CURE)
    nobody = [code for name, code in known.items() if name is None or name != name or not str(name).strip()]
    if nobody:
        row = int(np.flatnonzero(np.isin(np.concatenate(codes), nobody))[0])
        place = f"line {row + 1}" if lines else f"row {row}, counted from 0"
        raise RequestError(f"{of} names nobody in {place}.", field="people", cure="Fill it, or leave that row out.")
    names = sorted(known)
    rank = np.empty(len(known), np.int64)
    rank[[known[name] for name in names]] = np.arange(len(names))
    return People(tuple(names), rank[np.concatenate(codes)])


def people_of(values: np.ndarray, *, of: str) -> People:
    """An array of names or whole numbers, (rows,). Raises RequestError for another."""
    plain = values.ndim == 1 and len(values) and values.dtype.kind in "iufSU"
    if not plain or (values.dtype.kind == "f" and (values != np.floor(values)).any()):
        raise RequestError(f"{of} is no list of people.", field="people", cure=CURE)
    parts = (values[start : start + PART] for start in range(0, len(values), PART))
    if values.dtype.kind == "S":
        parts = (np.char.decode(part, "utf-8", "backslashreplace") for part in parts)
    return numbered((part.tolist() for part in parts), of=of)


def read_people(path: Path) -> People:
    """A .npy of numbers or names, or a text file with one name a line. Raises RequestError."""
    path = Path(path)
    if not path.is_file():
        raise RequestError(f"There is no file {path.name}.", field="people", cure=CURE)
    try:
        if path.suffix.lower() != ".npy":
            return numbered([_lines(path)], of=path.name, lines=True)
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except RequestError:
        raise
    except Exception as error:  # a damaged .npy raises whatever the reader of its header runs into
        raise RequestError(f"{path.name} does not say whose the rows are.", field="people", cure=CURE) from error
    return people_of(values, of=path.name)


def agreed(of_source: People | None, of_target: People | None) -> People | None:
    """Whose each row is. Raises RequestError where the files name two people for one row."""
    if of_source is None or of_target is None:
        return of_target if of_source is None else of_source
    counts = len(of_source.codes), len(of_target.codes)
    if counts[0] != counts[1]:
        raise RequestError(
            f"The source says of {counts[0]} rows whose they are, the target of {counts[1]}.",
            field="people",
            cure="Name one person a row on both sides, or give --people.",
        )
    differing = of_source.differing(of_target)
    if len(differing):
        raise RequestError(
            f"Row {differing[0]}, counted from 0, is of one person in the source and of another in the target.",
            field="people",
            cure="Bring both files into one order; --people says whose the rows are where the names differ alone.",
        )
    return of_source


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            yield line.strip()
