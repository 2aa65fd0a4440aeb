"""Whose each row is, from every kind of list, in little memory."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from errors import RequestError
from template_adapter.people import People, numbered, people_of, read_people
from template_adapter.vectors import open_vectors


def listed(people: People) -> list:
    return [people.names[code] for code in people.codes]


def test_people_are_numbered_by_name():
    assert people_of(np.array(["b", "a", "b"]), of="x").codes.tolist() == [1, 0, 1]
    assert people_of(np.array([10, 9, 9]), of="x").codes.tolist() == [1, 0, 0]
    many = np.random.default_rng(0).integers(0, 999, 200_000)
    np.testing.assert_array_equal(people_of(many, of="x").codes, np.unique(many, return_inverse=True)[1])


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_people_come_from_text(tmp_path, start, end):
    (tmp_path / "names.txt").write_bytes(start + end.join([b"anna", b"ben", b"anna", "j\u00f6rg".encode()]) + end)
    assert listed(read_people(tmp_path / "names.txt")) == ["anna", "ben", "anna", "j\u00f6rg"]


@pytest.mark.parametrize("values", [np.array([5, 5, 7]), np.array([0.0, 1.0, 0.0]), np.array([b"ada", b"bob", b"ada"])])
def test_people_come_from_numbers_and_names(tmp_path, values):
    np.save(tmp_path / "people.npy", values)
    expected = np.unique(values, return_inverse=True)[1]
    np.testing.assert_array_equal(read_people(tmp_path / "people.npy").codes, expected)


def test_a_list_of_no_people_is_refused(tmp_path):
    np.save(tmp_path / "table.npy", np.ones((3, 2)))
    np.save(tmp_path / "halves.npy", np.arange(4) / 2)
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY broken")
    (tmp_path / "latin.txt").write_bytes(b"J\xf6rg\n")
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for name in ("table.npy", "halves.npy", "broken.npy", "latin.txt", "empty.txt", "folder"):
        with pytest.raises(RequestError) as told:
            read_people(tmp_path / name)
        assert told.value.field == "people" and told.value.cure
    with pytest.raises(RequestError, match=r"There is no file missing\.txt"):
        read_people(tmp_path / "missing.txt")


def test_rows_of_nobody_are_told(tmp_path):
    (tmp_path / "names.txt").write_text("anna\n\nben\n \n")
    with pytest.raises(RequestError, match=r"names\.txt names nobody in line 2\."):
        read_people(tmp_path / "names.txt")
    names = [None if row == 3 else "ada" for row in range(9)]
    parquet.write_table(pa.table({"person": names, "embedding": np.ones((9, 6)).tolist()}), tmp_path / "x.parquet")
    with pytest.raises(RequestError, match="person of source names nobody in row 3") as told:
        open_vectors(tmp_path / "x.parquet", name="source")
    assert told.value.field == "people"


def test_lists_are_compared_as_numbers_where_both_are_and_else_as_words():
    whole, halves = people_of(np.array([0, 7, 7, 10]), of="x"), people_of(np.array([0.0, 7.0, 8.0, 10.0]), of="y")
    assert whole.differing(halves).tolist() == [2]
    words = numbered([["0", "7", "7", "10"]], of="z")
    assert whole.differing(words).tolist() == words.differing(whole).tolist() == []


def test_names_are_kept_once_a_person(tmp_path):
    peaks = []
    for rows in (50_000, 200_000):
        (tmp_path / "names.txt").write_text("".join(f"a person called {row % 500}\n" for row in range(rows)))
        tracemalloc.start()
        read_people(tmp_path / "names.txt")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 30 * 150_000
