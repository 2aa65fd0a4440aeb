"""Who takes part: people, not rows, are held out, averaged and counted."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from errors import RequestError
from template_adapter.pairs import Pairs, number_people
from template_adapter.vectors import Array, open_vectors, read_people

RNG = np.random.default_rng(3)
X = RNG.normal(size=(400, 6)).astype(np.float32)
Y = RNG.normal(size=(400, 5)).astype(np.float32)
CODES = number_people(RNG.integers(0, 90, 400))


def table(**options) -> Pairs:
    return Pairs(Array(X), Array(Y), **{"codes": CODES, "unit": False, **options})


def rows_of(pairs: Pairs, size: int = 64) -> np.ndarray:
    return np.concatenate([part.x for _, part in pairs.parts(size)])


def places(rows: np.ndarray) -> np.ndarray:
    return np.array([np.flatnonzero((row == X).all(axis=1))[0] for row in rows.astype(np.float32)])


def test_nobody_is_on_both_sides():
    pairs = table(held_out=0.3)
    seen, unseen = places(rows_of(pairs)), places(rows_of(pairs.others()))
    assert not set(CODES[seen]) & set(CODES[unseen])
    assert len(seen) + len(unseen) == 400
    assert pairs.people + pairs.others().people == len(np.unique(CODES))
    assert set(places(pairs.others().sample(1000)[0])) == set(unseen)


def test_a_smaller_fit_is_part_of_a_larger_one_with_the_same_people_held_out():
    few, more = table(held_out=0.2, limit=10), table(held_out=0.2, limit=40)
    assert few.people == 10 and more.people == 40
    assert set(places(rows_of(few))) < set(places(rows_of(more)))
    np.testing.assert_array_equal(rows_of(few.others()), rows_of(more.others()))


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_averages_do_not_depend_on_the_parts(size):
    expected = np.stack([X[code == CODES].astype(np.float64).mean(axis=0) for code in np.unique(CODES)])
    np.testing.assert_allclose(rows_of(table(per_person="mean"), size), expected, atol=1e-12)


def test_averages_of_unit_vectors_keep_the_length_of_the_originals():
    lengths = np.concatenate([part.lengths for _, part in table(per_person="mean", unit=True).parts(50)])
    expected = [np.linalg.norm(Y[code == CODES], axis=1).mean() for code in np.unique(CODES)]
    np.testing.assert_allclose(lengths, expected, rtol=1e-6)


@pytest.mark.parametrize("options", [{"per_person": "some"}, {"held_out": 1.0}, {"codes": CODES[:-1]}])
def test_impossible_wishes_are_refused(options):
    with pytest.raises(RequestError) as told:
        table(**options)
    assert told.value.field in ("per_person", "held_out", "people")


def test_every_kind_of_file_reads_the_same(tmp_path):
    names = np.array([f"p{code}" for code in CODES])
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", embeddings=X, person=names)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 6)
    parquet.write_table(pa.table({"person": names, "embedding": lists}), tmp_path / "lists.parquet", row_group_size=90)
    columns = {f"f{i}": X[:, i] for i in range(6)}
    parquet.write_table(pa.table({"person": CODES, **columns}), tmp_path / "columns.parquet", row_group_size=128)
    for name in ("x.npy", "x.npz", "lists.parquet", "columns.parquet"):
        found, people = open_vectors(tmp_path / name, name="source")
        assert found.shape == (400, 6), name
        np.testing.assert_array_equal(found.rows(85, 200), X[85:200])
        np.testing.assert_array_equal(found.pick(np.array([399, 3, 100, 3])), X[[399, 3, 100, 3]])
        assert (people is None) == (name == "x.npy")
        assert people is None or list(map(str, people)) in (list(names), list(map(str, CODES)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.npy", b"\x93NUMPY broken"),
        ("x.npz", b"PK broken"),
        ("x.parquet", b"PAR1 broken PAR1"),
        ("x.csv", b"1,2,3"),
    ],
)
def test_damaged_files_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError) as told:
        open_vectors(tmp_path / name, name="target")
    assert told.value.field == "target" and told.value.cure


def test_files_of_another_form_are_refused(tmp_path):
    np.save(tmp_path / "flat.npy", X[0])
    np.save(tmp_path / "objects.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "two.npz", a=X, b=Y)
    parquet.write_table(pa.table({"embedding": [[1.0, 2.0], [1.0]]}), tmp_path / "ragged.parquet")
    parquet.write_table(pa.table({"embedding": ["a", "b"]}), tmp_path / "words.parquet")
    for name in ("flat.npy", "objects.npy", "two.npz", "ragged.parquet", "words.parquet", "missing.npy"):
        with pytest.raises(RequestError):
            open_vectors(tmp_path / name, name="source")


def test_people_come_from_text_or_numbers(tmp_path):
    (tmp_path / "names.txt").write_text("anna\nben\nanna\n")
    assert read_people(tmp_path / "names.txt").tolist() == ["anna", "ben", "anna"]
    np.save(tmp_path / "codes.npy", CODES)
    np.testing.assert_array_equal(read_people(tmp_path / "codes.npy"), CODES)
    np.save(tmp_path / "table.npy", X)
    for name in ("table.npy", "missing.txt"):
        with pytest.raises(RequestError):
            read_people(tmp_path / name)
