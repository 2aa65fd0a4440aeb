"""Who takes part: people, not rows, are held out, averaged and counted."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from errors import RequestError
from template_adapter.fit import gather, solve
from template_adapter.linear import unit
from template_adapter.pairs import Pairs
from template_adapter.people import people_of
from template_adapter.vectors import Array, open_vectors

RNG = np.random.default_rng(3)
X = RNG.normal(size=(400, 6)).astype(np.float32)
Y = RNG.normal(size=(400, 5)).astype(np.float32)
CODES = people_of(RNG.integers(0, 90, 400), of="CODES").codes


def table(**options) -> Pairs:
    return Pairs(Array(X), Array(Y), **{"codes": CODES, "unit": False, **options})


def rows_of(pairs: Pairs, size: int = 64) -> np.ndarray:
    return np.concatenate([part.x for _, part in pairs.parts(size)])


def in_order(codes: np.ndarray) -> list[int]:
    """People in the order of their first rows."""
    return list(dict.fromkeys(codes.tolist()))


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
    expected = np.stack([X[code == CODES].astype(np.float64).mean(axis=0) for code in in_order(CODES)])
    np.testing.assert_allclose(rows_of(table(per_person="mean"), size), expected, atol=1e-12)


def test_people_are_averaged_a_crowd_at_a_time_with_the_same_result(monkeypatch):
    whole = rows_of(table(per_person="mean", held_out=0.2))
    monkeypatch.setattr("template_adapter.pairs.CROWD", 7)
    some = table(per_person="mean", held_out=0.2)
    np.testing.assert_array_equal(rows_of(some), whole)
    assert [done for done, _ in some.parts()][-1] == len(rows_of(table(held_out=0.2)))


@pytest.mark.parametrize("bias", [True, False])
def test_averages_are_fitted_on_the_scale_that_the_map_is_applied_on(bias):
    """Least squares on averages of length 1 are those of a table of such averages."""
    averaged = table(per_person="mean", unit=True)
    x, y = (np.stack([unit(side[code == CODES]).mean(axis=0) for code in in_order(CODES)]) for side in (X, Y))
    assert np.linalg.norm(x, axis=1).mean() < 0.8, "these people's vectors differ"
    found = solve(gather(averaged), bias=bias)
    expected = solve(gather(Pairs(Array(x), Array(y))), bias=bias)
    np.testing.assert_allclose(found.matrix, expected.matrix, atol=1e-4)
    assert found.mse == pytest.approx(expected.mse, rel=1e-4)


def test_vectors_of_a_person_that_cancel_are_told():
    pairs = Pairs(Array(np.stack([X[0], -X[0]])), Array(Y[:2]), codes=np.zeros(2, int), per_person="mean")
    with pytest.raises(RequestError, match="a person in source cancel") as told:
        rows_of(pairs)
    assert told.value.field == "source"


def test_averages_of_unit_vectors_keep_the_length_of_the_originals():
    lengths = np.concatenate([part.lengths for _, part in table(per_person="mean", unit=True).parts(50)])
    expected = [np.linalg.norm(Y[code == CODES], axis=1).mean() for code in in_order(CODES)]
    np.testing.assert_allclose(lengths, expected, rtol=1e-6)


def test_the_sample_is_of_averages_where_they_are_the_pairs():
    pairs = table(per_person="mean", held_out=0.2, unit=True)
    for side in (pairs, pairs.others()):
        x, y = side.sample(10**6)
        np.testing.assert_array_equal(x, rows_of(side).astype(np.float32))
        assert len(x) == len(y) == side.people == len(side.sampled_codes(10**6))
        assert len(side.sample(7)[0]) == len(side.sampled_codes(7)) == 7
    expected = np.stack([unit(X[code == CODES].astype(np.float64)).mean(axis=0) for code in pairs.sampled_codes(5)])
    np.testing.assert_allclose(pairs.sample(5)[0], unit(expected), atol=1e-7)


def test_the_sample_is_as_the_fit_takes_it():
    x, y = table(unit=True).sample(7)
    rows = np.linspace(0, 399, 7).astype(int)
    np.testing.assert_allclose(x, unit(X[rows]), atol=1e-7)
    np.testing.assert_allclose(y, unit(Y[rows]), atol=1e-7)


@pytest.mark.parametrize(
    "options",
    [
        {"per_person": "some"}, {"held_out": 1.0}, {"held_out": 0.6}, {"codes": CODES[:-1]}, {"seed": -1},
        {"codes": None, "per_person": "mean"},
    ],
)  # fmt: skip
def test_impossible_wishes_are_refused(options):
    with pytest.raises(RequestError) as told:
        table(**options)
    assert told.value.field in ("per_person", "held_out", "people", "seed")


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
        assert people is None or [str(people.names[code]) for code in people.codes] in (
            list(names),
            list(map(str, CODES)),
        )


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


def damaged(path, places):
    """The file with one wrong byte, at each of `places` in turn."""
    whole = path.read_bytes()
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        yield
    path.write_bytes(whole)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "deflated.npz", "lists.parquet", "columns.parquet"])
def test_a_wrong_byte_anywhere_is_told_when_it_is_met(tmp_path, name):
    path = tmp_path / name
    lists = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 6)
    columns = {f"f{i}": X[:, i] for i in range(6)}
    {
        "x.npy": lambda: np.save(path, X),
        "x.npz": lambda: np.savez(path, embeddings=X, person=CODES),
        "deflated.npz": lambda: np.savez_compressed(path, embeddings=X, person=CODES),
        "lists.parquet": lambda: parquet.write_table(pa.table({"person": CODES, "embedding": lists}), path, 90),
        "columns.parquet": lambda: parquet.write_table(pa.table({"person": CODES, **columns}), path, 90),
    }[name]()
    size = path.stat().st_size
    refused = 0
    for _ in damaged(path, [*range(0, min(size, 160)), *range(160, size - 300, 97), *range(size - 300, size, 3)]):
        try:
            table, people = open_vectors(path, name="source")
            assert table.rows(0, table.shape[0]).shape == table.shape
            assert people is None or len(people.codes) == table.shape[0]
        except RequestError as told:
            refused += 1
            assert told.field in ("source", "people") and told.cure
    assert refused > 20


def test_a_table_is_asked_for_and_not_one_vector_or_a_folder(tmp_path):
    np.save(tmp_path / "one.npy", X[0])
    np.savez(tmp_path / "one.npz", embedding=X[0])
    for name in ("one.npy", "one.npz"):
        with pytest.raises(RequestError, match="one vector") as told:
            open_vectors(tmp_path / name, name="input")
        assert "values[None]" in (told.value.cure or "")
    with pytest.raises(RequestError, match="is a folder, not a file") as told:
        open_vectors(tmp_path, name="input")
    assert "photos" not in (told.value.cure or "")


def test_files_of_another_form_are_refused(tmp_path):
    np.save(tmp_path / "flat.npy", X[0])
    np.save(tmp_path / "objects.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "two.npz", a=X, b=Y)
    parquet.write_table(pa.table({"embedding": [[1.0, 2.0], [1.0]]}), tmp_path / "ragged.parquet")
    parquet.write_table(pa.table({"embedding": ["a", "b"]}), tmp_path / "words.parquet")
    for name in ("flat.npy", "objects.npy", "two.npz", "ragged.parquet", "words.parquet", "missing.npy"):
        with pytest.raises(RequestError):
            open_vectors(tmp_path / name, name="source")


@pytest.mark.parametrize(("kind", "extra"), [(np.float32, "id"), (np.float32, "row"), (np.int8, "id")])
def test_a_column_that_counts_rows_is_no_number_of_the_vectors(tmp_path, kind, extra):
    columns = {f"f{i}": X[:, i].astype(kind) for i in range(6)}
    parquet.write_table(pa.table(columns), tmp_path / "plain.parquet")
    assert open_vectors(tmp_path / "plain.parquet", name="source")[0].shape == (400, 6)
    parquet.write_table(pa.table({extra: np.arange(400), **columns}), tmp_path / "counted.parquet")
    with pytest.raises(RequestError, match=rf"vector: {extra}\.") as told:
        open_vectors(tmp_path / "counted.parquet", name="source")
    assert told.value.field == "source"
