"""Many vectors on disk, row by row: .npy stays there and is mapped, Parquet is read forwards, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from errors import RequestError
from template_adapter.people import People, numbered, people_of

CURE = "Give a .npy, .npz or .parquet file of vectors, one a row."
COLUMNS = ("embedding", "embeddings", "template", "vector")
PEOPLE = ("person", "people", "identity", "label")
BATCH = 4096
"""Rows of a Parquet file that are decoded at a time: 512 numbers in float32 are 8 MB."""

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


def evenly(count: int, most: int) -> np.ndarray:
    """At most so many of `count` places, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


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
    """One column of lists, or as many columns of numbers as the vectors are wide.

    Rows are decoded forwards and the last batch is kept, so that rows in ascending order are one pass over the file and
    memory depends neither on their number nor on the size of the row groups; going back starts at a row group again.
    """

    def __init__(self, path: Path, *, name: str) -> None:
        import pyarrow.parquet as parquet

        self._path, self._name = path, name
        with damage_told(path.name, name):
            self._file = parquet.ParquetFile(path, buffer_size=2**16, pre_buffer=False)
            self._schema = self._file.schema_arrow
            counts = [self._file.metadata.row_group(i).num_rows for i in range(self._file.metadata.num_row_groups)]
        lists = [one for one in COLUMNS if one in self._schema.names]
        self._columns = lists[:1] or _wide(self._schema, name)
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        if self._starts[-1] == 0:
            raise RequestError(f"{path.name} has no rows.", field=name, cure=CURE)
        self._width = 0
        self._batches: Iterator[Any] = iter(())
        self._first, self._kept = 0, np.empty((0, 0), np.float32)
        self._seek(0)
        self._width = self._kept.shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        return int(self._starts[-1]), self._width

    def rows(self, start: int, stop: int) -> np.ndarray:
        return self.pick(np.arange(start, stop))

    def pick(self, indices: np.ndarray) -> np.ndarray:
        found = np.empty((len(indices), self._width), np.float32)
        order = np.argsort(indices, kind="stable")
        rising = indices[order]
        done = 0
        while done < len(order):
            self._seek(int(rising[done]))
            stop = int(np.searchsorted(rising, self._first + len(self._kept)))
            found[order[done:stop]] = self._kept[rising[done:stop] - self._first]
            done = stop
        return found

    def people(self) -> People | None:
        """The column that says whose each row is, when there is one."""
        named = [one for one in PEOPLE if one in self._schema.names]
        if not named:
            return None
        with damage_told(self._path.name, self._name):
            parts = (batch.column(0).to_pylist() for batch in self._file.iter_batches(columns=named[:1]))
            return numbered(parts, of=f"The column {named[0]} of {self._name}")

    def _seek(self, row: int) -> None:
        """Decodes until the batch with this row is the one that is kept."""
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        if row < self._first or self._starts[group] > self._first + len(self._kept) or not len(self._kept):
            groups = range(group, len(self._starts) - 1)
            self._first, self._kept = int(self._starts[group]), self._kept[:0]
            self._batches = self._file.iter_batches(BATCH, row_groups=groups, columns=self._columns)
        while row >= self._first + len(self._kept):
            self._first += len(self._kept)
            self._kept = self._kept[:0]
            with damage_told(self._path.name, self._name):
                batch = next(self._batches)
            self._kept = self._decoded(batch)

    def _decoded(self, batch: Any) -> np.ndarray:
        """The vectors of a batch that begins at row `_first`. Raises RequestError unless all are of one length."""
        try:
            if len(self._columns) == 1:
                values = self._of_lists(batch.column(0))
            else:
                values = np.stack([column.to_numpy(zero_copy_only=False) for column in batch.columns], axis=1)
            with np.errstate(over="ignore"):
                return values.astype(np.float32)
        except (ValueError, TypeError) as error:
            raise self._odd() from error

    def _of_lists(self, column: Any) -> np.ndarray:
        from pyarrow import compute, types

        if not any(kind(column.type) for kind in (types.is_list, types.is_large_list, types.is_fixed_size_list)):
            raise self._odd()
        lengths = compute.fill_null(compute.call_function("list_value_length", [column]), 0).to_numpy(
            zero_copy_only=False
        )
        width = self._width or int(lengths[0])
        wrong = np.flatnonzero((lengths != width) | (lengths == 0))
        if len(wrong):
            row, found = self._first + int(wrong[0]), int(lengths[wrong[0]])
            what = f"holds {found} numbers, the first {width}" if found else "is empty"
            raise RequestError(
                f"Row {row} of {self._name}, counted from 0, {what}.",
                field=self._name,
                cure="Leave such rows out of both sides.",
            )
        return column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)

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


def open_vectors(path: Path, *, name: str) -> tuple[Vectors, People | None]:
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
            table, whose = Array(tables[0], name=name), next((arrays[one] for one in PEOPLE if one in arrays), None)
            return table, None if whose is None else people_of(whose, of=path.name)
    if kind == ".parquet":
        opened = Parquet(path, name=name)
        return opened, opened.people()
    raise RequestError(f"{path.name} is of a kind that is not read here.", field=name, cure=CURE)
