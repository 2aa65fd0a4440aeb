"""Many vectors on disk, row by row: .npy stays there and is mapped, Parquet is read a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from errors import RequestError

CURE = "Give a .npy, .npz or .parquet file of vectors, one a row."
COLUMNS = ("embedding", "embeddings", "template", "vector")
PEOPLE = ("person", "people", "identity", "label")


LARGEST = float(np.finfo(np.float32).max)


def row_lengths(values: np.ndarray, rows: np.ndarray, *, name: str) -> np.ndarray:
    """Lengths (n,) float64 of vectors (n, width), which must be of faces.

    rows: (n,) their places in the table, counted from 0. name: of the option that errors are reported under.

    Raises RequestError, naming side and row, for NaN, infinity, what float32 cannot hold, and a row of zeros.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(np.asarray(values, np.float64), axis=1)
        wrong = np.flatnonzero(~((lengths > 0) & (lengths <= LARGEST)))
    if not len(wrong):
        return lengths
    row = int(rows[wrong[0]])
    what = "is zero everywhere: no face was kept in it" if lengths[wrong[0]] == 0 else "holds NaN or infinite numbers"
    raise RequestError(
        f"Row {row} of {name}, counted from 0, {what}.", field=name, cure="Leave such rows out of both sides."
    )


@contextmanager
def damage_told(file: str, name: str) -> Iterator[None]:
    """Whatever the readers of a format raise over a damaged file becomes a RequestError under the option `name`."""
    try:
        yield
    except RequestError:
        raise
    except Exception as error:  # numpy, zipfile and pyarrow raise what their innards run into
        raise RequestError(f"{file} is damaged or holds no numbers.", field=name, cure=CURE) from error


class Vectors(Protocol):
    """Rows of numbers that need not fit into memory."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and width."""
        ...

    def rows(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, width), in the precision of the file."""
        ...

    def pick(self, indices: np.ndarray) -> np.ndarray:
        """(len(indices), width), in this order."""
        ...


class Array:
    """A plain array, in memory or mapped."""

    def __init__(self, values: np.ndarray, *, name: str = "array") -> None:
        """Raises RequestError unless it is (rows, width) of real numbers."""
        if values.ndim == 1 and values.dtype.kind in "fiu":
            raise RequestError(
                f"{name} is one vector, not a table of them.",
                field=name,
                cure="Save it as a row, values[None]; a picture from one template makes `template reconstruct`.",
            )
        if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in "fiu":
            raise RequestError(f"{name} is no table of vectors.", field=name, cure=CURE)
        self._values = values

    @property
    def shape(self) -> tuple[int, int]:
        return self._values.shape[0], self._values.shape[1]

    def rows(self, start: int, stop: int) -> np.ndarray:
        return self._values[start:stop]

    def pick(self, indices: np.ndarray) -> np.ndarray:
        return self._values[indices]


class Parquet:
    """One column of lists, or as many columns of numbers as the vectors are wide. The last row group read is kept."""

    def __init__(self, path: Path, *, name: str) -> None:
        import pyarrow.parquet as parquet

        self._path, self._name = path, name
        self._kept = (-1, np.empty((0, 0), np.float32))
        with damage_told(path.name, name):
            self._file = parquet.ParquetFile(path)
            self._schema = self._file.schema_arrow
            counts = [self._file.metadata.row_group(i).num_rows for i in range(self._file.metadata.num_row_groups)]
        lists = [one for one in COLUMNS if one in self._schema.names]
        self._columns = lists[:1] or _wide(self._schema, name)
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        if self._starts[-1] == 0:
            raise RequestError(f"{path.name} has no rows.", field=name, cure=CURE)
        self._width = self._group(0).shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        return int(self._starts[-1]), self._width

    def rows(self, start: int, stop: int) -> np.ndarray:
        return self.pick(np.arange(start, stop))

    def pick(self, indices: np.ndarray) -> np.ndarray:
        found = np.empty((len(indices), self._width), np.float32)
        groups = np.searchsorted(self._starts, indices, side="right") - 1
        for group in np.unique(groups):
            here = groups == group
            found[here] = self._group(int(group))[indices[here] - self._starts[group]]
        return found

    def people(self) -> np.ndarray | None:
        """The column that says whose each row is, when there is one."""
        named = [one for one in PEOPLE if one in self._schema.names]
        if not named:
            return None
        with damage_told(self._path.name, self._name):
            column = self._file.read(columns=named[:1]).column(0)
            people = column.to_numpy()
        if column.null_count:
            raise RequestError(
                f"The column {named[0]} of {self._name} names nobody in {column.null_count} rows.",
                field="people",
                cure="Fill it, or leave those rows out.",
            )
        return people

    def _group(self, number: int) -> np.ndarray:
        if self._kept[0] != number:
            self._kept = (number, self._read(number))
        return self._kept[1]

    def _read(self, number: int) -> np.ndarray:
        with damage_told(self._path.name, self._name):
            table = self._file.read_row_group(number, columns=self._columns)
        try:
            if len(self._columns) == 1:
                column: Any = table.column(0).combine_chunks()
                flat = column.flatten().to_numpy(zero_copy_only=False)
                values = flat.reshape(len(column), -1)
            else:
                values = np.stack([column.to_numpy() for column in table.columns], axis=1)
            with np.errstate(over="ignore"):
                values = values.astype(np.float32)
        except (AttributeError, ValueError, TypeError, ZeroDivisionError) as error:
            raise self._odd() from error
        if len(values) != self._starts[number + 1] - self._starts[number]:
            raise self._odd()
        if number and values.shape[1] != self._width:
            raise self._odd()
        return values

    def _odd(self) -> RequestError:
        return RequestError(
            "The Parquet file holds no vectors of one length.",
            field=self._name,
            cure=f"Name the column of lists one of: {', '.join(COLUMNS)}.",
        )


def _wide(schema: Any, name: str) -> list[str]:
    """The columns that are a vector's numbers, of a table without a column of lists. Raises RequestError."""
    from pyarrow import types

    columns = [one for one in schema if one.name not in PEOPLE]
    whole = [one.name for one in columns if types.is_integer(one.type)]
    counts = [one.name for one in columns if one.name.lower() in ("id", "index", "__index_level_0__")]
    odd = whole if 0 < len(whole) < len(columns) else counts
    if odd:
        raise RequestError(
            f"{name} has columns that do not look like numbers of a vector: {', '.join(odd[:3])}.",
            field=name,
            cure="Leave them out, or put each vector into one column of lists, embedding.",
        )
    return [one.name for one in columns]


def open_vectors(path: Path, *, name: str) -> tuple[Vectors, np.ndarray | None]:
    """A file of vectors, and whose each row is when the file says so.

    name: of the option that errors are reported under. An .npz holds one table of two axes and perhaps one of one
    axis, the people; it is read into memory. Raises RequestError.
    """
    path = Path(path)
    if path.is_dir():
        raise RequestError(f"{path.name} is a folder, not a file of vectors.", field=name, cure=CURE)
    if not path.is_file():
        raise RequestError(f"There is no file {path.name}.", field=name, cure=CURE)
    kind = path.suffix.lower()
    with damage_told(path.name, name):
        if kind == ".npy":
            return Array(np.load(path, mmap_mode="r", allow_pickle=False), name=name), None
        if kind == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = {one: archive[one] for one in archive.files}
            tables = [array for array in arrays.values() if array.ndim == 2 or len(arrays) == 1]
            if len(tables) != 1:
                raise RequestError(f"{path.name} does not hold exactly one table of vectors.", field=name, cure=CURE)
            people = next((arrays[one] for one in PEOPLE if one in arrays), None)
            return Array(tables[0], name=name), people
    if kind == ".parquet":
        opened = Parquet(path, name=name)
        return opened, opened.people()
    raise RequestError(f"{path.name} is of a kind that is not read here.", field=name, cure=CURE)


def read_people(path: Path) -> np.ndarray:
    """Whose each row is: a .npy of numbers or names, or a text file with one name a line. Raises RequestError."""
    path = Path(path)
    try:
        if path.suffix.lower() == ".npy":
            people = np.load(path, allow_pickle=False)
        else:
            people = np.array(path.read_text(encoding="utf-8").split("\n"))
            people = people[:-1] if len(people) and people[-1] == "" else people
    except Exception as error:  # a damaged .npy raises whatever the reader of its header runs into
        raise RequestError(
            f"{path.name} does not say whose the rows are.", field="people", cure="One name a row."
        ) from error
    if people.ndim != 1 or people.dtype.kind not in "iuSU":
        raise RequestError(f"{path.name} is no list of people.", field="people", cure="One name a row.")
    return people
