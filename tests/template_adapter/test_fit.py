"""Least squares from sums: the same numbers as numpy's own, in one pass, and what is said about them."""

import tracemalloc

import numpy as np
import pytest

from errors import RequestError
from template_adapter.fit import fit, gather, solve
from template_adapter.linear import unit
from template_adapter.pairs import Pairs
from template_adapter.vectors import Array

NAMES = {"source": "theirs", "target": "ours"}


def data(people=900, width=24, target=20, noise=0.4, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(0.2, 1, (people, width)) @ rng.normal(size=(width, width))
    y = x @ rng.normal(size=(width, target)) + noise * rng.normal(size=(people, target)) + 3
    return x.astype(np.float32), y.astype(np.float32)


def pairs(x, y, **options):
    return Pairs(Array(x), Array(y), **{"unit": False, **options})


@pytest.mark.parametrize("bias", [True, False])
def test_ordinary_least_squares_is_numpys(bias):
    x, y = data()
    found = solve(gather(pairs(x, y)), "ols", bias=bias)
    wide = np.column_stack([x.astype(np.float64), np.ones(len(x))]) if bias else x.astype(np.float64)
    expected, residual, rank, _ = np.linalg.lstsq(wide, y.astype(np.float64), rcond=None)
    np.testing.assert_allclose(found.matrix, expected[: x.shape[1]], atol=1e-9)
    if bias:
        np.testing.assert_allclose(found.bias, expected[-1], atol=1e-8)
    assert found.rank == rank - bias
    assert found.mse == pytest.approx(residual.sum() / y.size, rel=1e-9)
    centred = x - x.mean(axis=0, dtype=np.float64) if bias else x
    assert found.condition == pytest.approx(np.linalg.cond(centred), rel=1e-6)


def test_fewer_people_than_numbers_give_the_shortest_solution():
    x, y = data(people=10)
    found = solve(gather(pairs(x, y)), "ols", bias=False)
    assert found.rank == 10
    np.testing.assert_allclose(found.matrix, np.linalg.pinv(x.astype(np.float64)) @ y, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_ridge_solves_its_own_equations(bias):
    x, y = data()
    found = solve(gather(pairs(x, y)), "ridge", alpha=50.0, bias=bias)
    x, y = x.astype(np.float64), y.astype(np.float64)
    middle = (x.mean(axis=0), y.mean(axis=0)) if bias else (0, 0)
    cx, cy = x - middle[0], y - middle[1]
    expected = np.linalg.solve(cx.T @ cx + 50 * np.eye(cx.shape[1]), cx.T @ cy)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-9)
    residual = x @ found.matrix + (found.bias if bias else 0) - y
    assert found.mse == pytest.approx(np.square(residual).mean(), rel=1e-9)


def test_procrustes_finds_the_rotation():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 16))
    turn = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    shift = rng.normal(size=16)
    found = solve(gather(pairs(x, x @ turn + shift)), "procrustes")
    np.testing.assert_allclose(found.matrix, turn, atol=1e-9)
    np.testing.assert_allclose(found.bias, shift, atol=1e-9)
    assert found.mse < 1e-18


def test_weighting_people_is_repeating_the_rare_ones():
    x, y = data(people=300)
    codes = np.repeat([0, 1, 2], [200, 50, 50])
    weighted = solve(gather(pairs(x, y, codes=codes, per_person="weight")))
    order = np.concatenate([np.arange(200), np.tile(np.arange(200, 300), 4)])
    repeated = solve(gather(pairs(x[order], y[order])))
    np.testing.assert_allclose(weighted.matrix, repeated.matrix, atol=1e-9)


def test_unit_vectors_forget_the_length_that_comes_in():
    x, y = data()
    fitted = fit(pairs(x, y, unit=True), **NAMES)
    np.testing.assert_allclose(fitted.apply(7 * x[:5]), fitted.apply(x[:5]), rtol=1e-4)
    lengths = np.linalg.norm(fitted.apply(x[:5]), axis=1)
    np.testing.assert_allclose(lengths, np.linalg.norm(y, axis=1).mean(), rtol=1e-5)
    expected = np.linalg.lstsq(np.column_stack([unit(x), np.ones(len(x))]), unit(y), rcond=None)[0]
    np.testing.assert_allclose(fitted.matrix, expected[:-1], atol=1e-4)


def test_what_is_said_of_a_fit_is_true():
    x, y = data()
    held = pairs(x, y, held_out=0.2)
    fitted = fit(held, **NAMES, created="2026-01-02")
    about = fitted.about
    assert (about.pairs, about.people, about.source, about.created) == (720, 720, "theirs", "2026-01-02")
    unseen_x, unseen_y = held.others().sample(10**6)
    assert len(unseen_x) == 180
    cosine = np.einsum("ij,ij->i", unit(fitted.apply(unseen_x)), unit(unseen_y)).mean()
    assert about.held_out_cosine == pytest.approx(cosine, abs=1e-6)
    seen_x, seen_y = held.sample(10**6)
    assert about.mse == pytest.approx(np.square(fitted.apply(seen_x) - seen_y).mean(), rel=1e-3)


def test_the_same_pairs_give_the_same_bits():
    x, y = data()
    first, second = (fit(pairs(x, y, held_out=0.1), **NAMES) for _ in range(2))
    assert first.matrix.tobytes() == second.matrix.tobytes()
    assert first.fingerprint == second.fingerprint
    assert first.about == second.about


def test_a_mean_far_from_zero_takes_no_digits_away():
    rng = np.random.default_rng(0)
    few = (rng.normal(size=(100, 512)) + 10).astype(np.float32)
    found = solve(gather(pairs(few, few[:, :4])))
    sizes = np.linalg.svd(few - few.mean(axis=0, dtype=np.float64), compute_uv=False)[:99]
    assert found.rank == 99
    assert found.condition == pytest.approx(sizes[0] / sizes[-1], rel=1e-6)
    x = rng.normal(size=(9000, 8)) + 1e4 * np.linspace(1, 2, 9000)[:, None]
    y = x @ rng.normal(size=(8, 3)) + 5e4
    found = solve(gather(pairs(x, y)))
    for bias, expected in ((found.bias, y.mean(axis=0) - x.mean(axis=0) @ found.matrix), (found.mse, 0)):
        np.testing.assert_allclose(bias, expected, atol=1e-4)
    np.testing.assert_allclose(x @ found.matrix + found.bias, y, rtol=1e-9)
    plain = np.linalg.lstsq(x, y, rcond=None)[0]
    np.testing.assert_allclose(solve(gather(pairs(x, y)), bias=False).matrix, plain, rtol=1e-4)


@pytest.mark.parametrize("unit", [True, False])
def test_one_vector_many_times_determines_nothing(unit):
    x = np.repeat(np.random.default_rng(0).normal(5, 1, (1, 512)), 50, axis=0).astype(np.float32)
    with pytest.raises(RequestError, match="All vectors of the source are the same"):
        fit(pairs(x, x, unit=unit), **NAMES)


def test_memory_does_not_grow_with_the_pairs(tmp_path):
    most = []
    for rows in (30_000, 90_000):
        x = np.lib.format.open_memmap(tmp_path / f"{rows}.npy", mode="w+", dtype=np.float32, shape=(rows, 32))
        x[:] = np.random.default_rng(0).standard_normal((rows, 32), np.float32)
        table = Array(np.load(tmp_path / f"{rows}.npy", mmap_mode="r"))
        tracemalloc.start()
        gather(Pairs(table, table))
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most[1] < 1.1 * most[0]
    assert most[1] < 4 * 8192 * 32 * 8 * 2


@pytest.mark.parametrize(
    ("options", "most"),
    [({}, 0.2), ({"held_out": 0.1}, 11), ({"per_person": "weight"}, 20), ({"per_person": "mean"}, 33)],
)
def test_choosing_among_people_keeps_a_few_bytes_a_row(options, most):
    peaks = []
    for rows in (100_000, 400_000):
        table = Array(np.broadcast_to(np.float32(1), (rows, 2)) + np.arange(2, dtype=np.float32))
        codes = np.arange(rows) // 2 if "per_person" in options else None
        tracemalloc.start()
        with pytest.raises(RequestError, match="are the same"):
            fit(Pairs(table, table, codes=codes, **options), **NAMES)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < most * 300_000


def test_progress_reaches_the_end():
    x, y = data()
    told = []
    codes = np.arange(900) // 3
    for options in ({}, {"limit": 4}, {"codes": codes, "per_person": "mean", "held_out": 0.1}):
        gather(pairs(x, y, **options), progress=lambda done, of: told.append((done, of)))
        assert told[-1] == (900, 900) and told.count((900, 900)) == 1
        told.clear()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda x, y: (x[:-1], y), "target"),
        (lambda x, y: (np.where(np.arange(x.size).reshape(x.shape) == 5, np.nan, x), y), "source"),
        (lambda x, y: (x, np.where(np.arange(y.size).reshape(y.shape) == 5, np.inf, y)), "target"),
        (lambda x, y: (np.ones_like(x), y), "source"),
        (lambda x, y: (x[:1], y[:1]), "source"),
        (lambda x, y: (x[0], y[0]), "array"),
        (lambda x, y: (x.astype(str), y), "array"),
    ],
)
def test_impossible_pairs_are_refused(change, field):
    x, y = change(*data())
    with pytest.raises(RequestError) as told:
        fit(pairs(x, y), **NAMES)
    assert told.value.field == field and told.value.cure


@pytest.mark.parametrize("value", [np.nan, np.inf, 0])
@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("options", [{}, {"unit": True}, {"codes": np.arange(20_000) // 2, "per_person": "mean"}])
def test_a_row_without_a_face_is_told_by_side_and_number_before_the_pass_is_over(value, side, options):
    table = {name: np.ones((20_000, 4), np.float32) for name in ("source", "target")}
    table[side][77] = value
    seen = []
    with pytest.raises(RequestError, match=f"Row 77 of {side}") as told:
        fit(pairs(*table.values(), **options), **NAMES, progress=lambda done, of: seen.append(done))
    assert told.value.field == side and seen == []


def test_a_row_without_a_face_is_found_among_people_held_out():
    x, y = data()
    held = pairs(x, y, held_out=0.3)
    row = int(np.flatnonzero((x == held.others().sample(1)[0][0]).all(axis=1))[0])
    y[row] = 0
    with pytest.raises(RequestError, match=f"Row {row} of target"):
        fit(held, **NAMES)


@pytest.mark.parametrize(
    ("options", "field"),
    [({"method": "magic"}, "method"), ({"method": "procrustes"}, "method"), ({"method": "ridge", "alpha": 0}, "alpha")],
)
def test_impossible_methods_are_refused_before_the_pass(options, field):
    seen = []
    with pytest.raises(RequestError) as told:
        fit(pairs(*data()), **NAMES, **options, progress=lambda done, of: seen.append(done))
    assert told.value.field == field and seen == []
