"""The sweep's numbers are true, and its pictures show them."""

import json

import numpy as np
import pytest

from errors import RequestError
from template_adapter.charts import COLOURS, PAPER, histogram_chart, sweep_chart
from template_adapter.linear import unit
from template_adapter.pairs import Pairs
from template_adapter.report import sweep
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


def test_without_held_out_people_there_is_no_report(pairs):
    with pytest.raises(RequestError, match="held out"):
        sweep(Pairs(pairs.source, pairs.target), **NAMES)


def test_a_line_stands_where_its_numbers_are():
    lines = {str(value): [(10, value), (1000, value)] for value in (0.9, 0.5, 0.2)}
    chart = np.asarray(sweep_chart(lines, title="t")).astype(int)[:, 100:500]
    heights = [np.flatnonzero((np.abs(chart - colour).sum(axis=2) < 120).sum(axis=1) > 300) for colour in COLOURS[:3]]
    high, middle, low = (float(rows.mean()) for rows in heights)
    assert (middle - high) / (low - middle) == pytest.approx(4 / 3, abs=0.05)


def test_one_value_can_be_drawn():
    assert histogram_chart({"a": np.array([0.5])}, title="t", threshold=0.661).size == (720, 420)
