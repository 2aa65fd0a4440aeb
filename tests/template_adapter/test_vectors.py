"""Parquet row by row: every row is whole, and a pass decodes every batch once."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from errors import RequestError
from template_adapter.pairs import Pairs
from template_adapter.vectors import BATCH, Array, Parquet, open_vectors

X = np.random.default_rng(0).normal(size=(64, 9)).astype(np.float32)
KINDS = {"list": pa.list_(pa.float32()), "large": pa.large_list(pa.float64()), "fixed": pa.list_(pa.float32(), 9)}


def stored(path, rows, kind="list", **options):
    parquet.write_table(pa.table({"embedding": pa.array(rows, KINDS[kind])}), path, **options)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", [7, 64])
def test_a_row_of_nothing_is_named(tmp_path, kind, group):
    rows = X.tolist()
    for missing in ([40], list(range(40, 49))):
        some = [None if number in missing else row for number, row in enumerate(rows)]
        path = stored(tmp_path / "x.parquet", some, kind, row_group_size=group)
        with pytest.raises(RequestError, match="Row 40 of source, counted from 0, is empty") as told:
            open_vectors(path, name="source")[0].rows(0, 64)
        assert told.value.field == "source"


def test_rows_of_two_lengths_are_named_also_where_the_total_divides(tmp_path):
    rows = X.tolist()
    rows[5], rows[6] = rows[5] + [1.0], rows[6][:-1]
    with pytest.raises(RequestError, match="Row 5 of target, counted from 0, holds 10 numbers, the first 9"):
        open_vectors(stored(tmp_path / "x.parquet", rows), name="target")


def test_sixty_four_rows_without_one_are_not_sixty_four_shorter_ones(tmp_path):
    rows = [None if number == 3 else row for number, row in enumerate(np.ones((64, 64)).tolist())]
    with pytest.raises(RequestError, match="Row 3 of source"):
        open_vectors(stored(tmp_path / "x.parquet", rows), name="source")


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_that_is_missing_in_a_row_is_named(tmp_path, kind):
    rows = X.tolist()
    rows[33][4] = None
    table, _ = open_vectors(stored(tmp_path / "x.parquet", rows, kind), name="source")
    with pytest.raises(RequestError, match="Row 33 of source, counted from 0, holds NaN"):
        list(Pairs(table, Array(X)).parts())


def counted(monkeypatch) -> list[int]:
    decoded, plain = [], Parquet._decoded
    monkeypatch.setattr(Parquet, "_decoded", lambda self, batch: decoded.append(len(batch)) or plain(self, batch))
    return decoded


@pytest.mark.parametrize("group", [1000, 20_000])
def test_a_pass_decodes_every_row_once_and_never_many_together(tmp_path, monkeypatch, group):
    values = np.random.default_rng(1).normal(size=(20_000, 3)).astype(np.float32)
    path = stored(tmp_path / "x.parquet", values.tolist(), row_group_size=group)
    decoded = counted(monkeypatch)
    table, _ = open_vectors(path, name="source")
    np.testing.assert_array_equal(table.rows(0, 20_000), values)
    assert sum(decoded) == 20_000 and max(decoded) <= BATCH
    some = np.random.default_rng(2).integers(0, 20_000, 500)
    np.testing.assert_array_equal(table.pick(some), values[some])


def test_people_scattered_over_a_file_are_averaged_in_one_pass(tmp_path, monkeypatch):
    values = np.random.default_rng(1).normal(size=(20_000, 3)).astype(np.float32)
    path = stored(tmp_path / "x.parquet", values.tolist(), row_group_size=1000)
    codes = np.random.default_rng(2).permutation(20_000) // 2
    decoded = counted(monkeypatch)
    table, _ = open_vectors(path, name="source")
    from_file, from_array = (
        np.concatenate([part.x for _, part in Pairs(one, Array(values), codes=codes, per_person="mean").parts()])
        for one in (table, Array(values))
    )
    np.testing.assert_array_equal(from_file, from_array)
    assert sum(decoded) <= 20_000 + BATCH
