"""The sweep's numbers are true, and its pictures show them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from errors import RequestError
from template_adapter.charts import COLOURS, INK, PAPER, histogram_chart, sweep_chart
from template_adapter.fit import fit
from template_adapter.linear import unit
from template_adapter.pairs import Pairs
from template_adapter.report import _error, sweep
from template_adapter.vectors import Array

NAMES = {"source": "theirs", "target": "ours"}


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    """200 people in four pictures each; the second space is a turned, noisy copy of the first."""
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(200), 4)
    x = unit(rng.normal(size=(200, 48)))[codes] + 0.05 * rng.normal(size=(800, 48))
    y = x @ np.linalg.qr(rng.normal(size=(48, 48)))[0] + 0.05 * rng.normal(size=(800, 48))
    return Pairs(Array(x.astype(np.float32)), Array(y.astype(np.float32)), codes=codes, held_out=0.25)


def test_more_people_give_a_better_map_and_the_table_says_so(pairs, tmp_path):
    report = sweep(pairs, **NAMES, sizes=(20, 60, 10**6), threshold=0.5)
    assert [row.people for row in report.rows] == [20, 60, 150]
    held_out = [row.held_out_cosine for row in report.rows]
    assert held_out == sorted(held_out) and held_out[-1] > 0.75
    assert report.rows[0].cosine > report.rows[0].held_out_cosine + 0.05, "few people are learnt by heart"
    assert report.rows[0].held_out_mse > report.rows[-1].held_out_mse
    assert report.found.mean() == pytest.approx(held_out[-1], abs=1e-5)
    assert report.rows[-1].above == pytest.approx((report.found >= 0.5).mean())
    assert abs(report.strangers.mean()) < 0.1
    report.write(tmp_path / "out")
    kept = json.loads((tmp_path / "out" / "report.json").read_text())
    assert kept["rows"][-1]["held_out_cosine"] == pytest.approx(held_out[-1])
    assert kept["cosines_of_own_template"]["0.5"] == pytest.approx(np.median(report.found), abs=1e-6)
    assert list(kept["cosines_of_strangers"]) == ["0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99"]
    told = {name: kept[name] for name in ("bias", "alpha", "per_person", "seed", "held_out_people", "false_match_rate")}
    assert told == {
        "bias": True, "alpha": None, "per_person": "all", "seed": 0, "held_out_people": 50, "false_match_rate": None,
    }  # fmt: skip
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.startswith(report.table()) and "| 100 people | 0.47 |" in text
    for name, picture in report.pictures().items():
        assert (tmp_path / "out" / name).stat().st_size > 1000
        assert (np.asarray(picture) != PAPER).any(axis=2).mean() > 0.01


def test_the_threshold_is_set_among_strangers(pairs):
    report = sweep(pairs, **NAMES, sizes=(50,), threshold=None, false_match_rate=0.01)
    _, y = pairs.others().sample(10**6)
    codes = pairs.others().sampled_codes(10**6)
    cosines = (unit(y) @ unit(y).T)[codes[:, None] != codes]
    assert (cosines > report.threshold).mean() == pytest.approx(0.01, abs=0.002)


@pytest.mark.parametrize("per_person", ["all", "mean"])
def test_both_errors_are_on_the_scale_of_the_fit(pairs, per_person):
    """Over the very pairs of the fit the two ways of measuring agree, and strangers' error is near it."""
    some = replace(pairs, per_person=per_person, unit=True)
    row = sweep(some, **NAMES, threshold=0.5).rows[-1]
    fitted = fit(some, **NAMES)
    assert _error(fitted, *some.sample(10**6)) == pytest.approx(row.mse, rel=1e-3)
    assert row.held_out_mse == pytest.approx(_error(fitted, *some.others().sample(10**6)), rel=1e-3)
    assert row.mse < row.held_out_mse < 5 * row.mse


def test_pairs_that_do_not_determine_a_map_are_told(pairs, tmp_path):
    report = sweep(pairs, **NAMES, sizes=(5,), threshold=0.5)
    assert [row.rank for row in report.rows] == [19, 48]
    assert "The pairs of 5 people do not determine a map from 48 numbers" in report.notes()[0]
    report.write(tmp_path)
    assert report.notes()[0] in (tmp_path / "report.md").read_text()
    assert not sweep(pairs, **NAMES, sizes=(60,), threshold=0.5).notes()


def held_out_people(people, rows, held_out):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(people * rows, 8)).astype(np.float32)
    return Pairs(Array(x), Array(x), codes=np.repeat(np.arange(people), rows), held_out=held_out)


@pytest.mark.parametrize("threshold", [0.661, None])
def test_held_out_pairs_of_one_person_are_not_enough(threshold):
    with pytest.raises(RequestError, match="two held-out people") as told:
        sweep(held_out_people(8, 200, 0.1), **NAMES, threshold=threshold)
    assert told.value.field == "held_out"
    with pytest.raises(RequestError, match="1 pairs of strangers are too few"):
        sweep(held_out_people(20, 1, 0.1), **NAMES, threshold=None)


def test_two_people_of_thousands_of_pairs_have_strangers():
    report = sweep(held_out_people(4, 2500, 0.5), **NAMES)
    assert len(report.strangers) > 0 and report.pictures()


def test_without_held_out_people_there_is_no_report(pairs):
    with pytest.raises(RequestError, match="held out"):
        sweep(Pairs(pairs.source, pairs.target), **NAMES)


def test_a_line_stands_where_its_numbers_are():
    lines = {str(value): [(10, value), (1000, value)] for value in (0.9, 0.5, 0.2)}
    chart = np.asarray(sweep_chart(lines, title="t")).astype(int)[:, 100:500]
    heights = [np.flatnonzero((np.abs(chart - colour).sum(axis=2) < 120).sum(axis=1) > 300) for colour in COLOURS[:3]]
    high, middle, low = (float(rows.mean()) for rows in heights)
    assert (middle - high) / (low - middle) == pytest.approx(4 / 3, abs=0.05)


def near(chart: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(chart.astype(int) - colour).sum(axis=2) < 120


def test_nothing_is_painted_over_what_is_measured():
    """All of one sample lie in the last bin: its line reaches the top there, above which the legend stands."""
    samples = {"mapped, own template": np.full(9, 0.99), "mapped, another person's": np.linspace(-0.2, 0.5, 9)}
    chart = np.asarray(histogram_chart(samples, title="t", threshold=0.661))
    rows, columns = np.nonzero(near(chart, COLOURS[0])[58:372, 66:])
    assert rows.min() < 30 and columns.max() > 620, "the peak"
    side = near(chart, COLOURS[0])[:, 680:700].any(axis=1)[90:360]
    assert side.all(), "and all of its side"
    line = near(chart, INK)[60:372, 66:702].sum(axis=0)
    assert (line > 300).any(), "the threshold from top to bottom"
    legend = chart[24:44]
    assert near(legend, COLOURS[0]).any() and near(legend, COLOURS[1]).any() and near(legend, INK).any()


def test_cosines_of_one_are_counted():
    chart = histogram_chart({"a": np.array([1, 1.0000001])}, title="t", threshold=None)
    assert near(np.asarray(chart), COLOURS[0])[90:360, 66:].any(axis=1).all()


def test_every_size_of_the_sweep_is_marked_where_there_is_room():
    def marks(*sizes):
        chart = np.asarray(sweep_chart({"a": [(size, 0.5) for size in sizes]}, title="t"))
        below = near(chart, INK)[376:394, 60:].any(axis=0)
        words = np.convolve(below, np.ones(9), "same") > 0
        return np.count_nonzero(words[1:] & ~words[:-1]) + words[0]

    assert marks(100, 300, 1000, 3000, 10_000) == 5
    assert marks(600, 700) == 2
    assert marks(1000, 1001, 10_000) == 2


def test_one_value_can_be_drawn():
    assert histogram_chart({"a": np.array([0.5])}, title="t", threshold=0.661).size == (720, 420)


def test_a_threshold_below_all_cosines_is_drawn_inside_the_frame():
    chart = np.asarray(histogram_chart({"a": np.linspace(0.5, 0.9, 9)}, title="t", threshold=-0.5))
    assert (near(chart, INK)[60:372, 72:700].sum(axis=0) > 300).any()


def test_a_long_name_stays_inside_the_picture():
    def title(name: str) -> np.ndarray:
        chart = np.asarray(histogram_chart({"a": np.array([0.5])}, title=name, threshold=None))
        return near(chart, INK)[4:24].any(axis=0)

    drawn = title(f"Cosines: {'templates_of_another_recogniser_' * 5} to ours, ols")
    assert drawn[600:700].any() and not drawn[704:].any()
    np.testing.assert_array_equal(drawn[66:120], title("Cosines: templates to ours")[66:120], "its beginning is there")
