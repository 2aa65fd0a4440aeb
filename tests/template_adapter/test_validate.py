"""The numbers of an end-to-end check, and its sheet."""

import json
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from errors import RequestError
from template_adapter.linear import About, LinearMap, unit
from template_adapter.validate import Case, check_threshold, summary, threshold_at, validate, write

TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(512, 512)))[0].astype(np.float32)


def case(number: int) -> Case:
    source = np.random.default_rng(number).normal(size=512).astype(np.float32)
    return Case(f"person {number}", Image.new("RGB", (90, 120), (10 * number, 90, 90)), source, source @ TURN)


def test_pictures_are_made_from_both_templates_and_measured_against_the_genuine_one(tmp_path):
    """A generator that loses nothing: the picture is its template, and the analysis turns it back."""
    fitted = LinearMap(TURN, None, About("a", "b", target_length=512**0.5))
    pictures: dict[int, np.ndarray] = {}

    def make(template, _):
        picture = Image.new("RGB", (64, 64))
        pictures[id(picture)] = template.embedding
        kept.append(picture)
        return picture

    def analyse(picture):
        if len(kept) > 5:
            return None
        return pictures[id(picture)] @ TURN.T

    kept: list[Image.Image] = []
    outcomes = validate([case(number) for number in range(3)], fitted, make=make, analyse=analyse)
    assert [one.mapped_cosine for one in outcomes[:2]] == pytest.approx([1, 1], abs=1e-4)
    assert outcomes[2].true_cosine is None
    text = write(outcomes, 0.5, tmp_path / "out", provenance={"adapter": fitted.fingerprint}, save=Image.Image.save)
    assert "66.7 %" in text
    told = json.loads((tmp_path / "out" / "validation.json").read_text())
    assert told["from the mapped template"]["without_face"] == 1
    assert "person" not in json.dumps(told["cosines"])
    with Image.open(tmp_path / "out" / "contact.jpg") as sheet:
        assert sheet.width > 3 * 3 * 160


def test_a_picture_without_a_face_is_a_failure_and_no_number():
    found = summary([0.9, None, 0.3, 0.6], 0.5)
    assert (found.people, found.without_face, found.share) == (4, 1, 0.5)
    assert (found.minimum, found.median, found.maximum) == (0.3, 0.6, 0.9)
    assert found.mean == pytest.approx(0.6)


def test_without_any_face_there_are_no_numbers(tmp_path):
    fitted = LinearMap(TURN, None, About("a", "b", target_length=512**0.5))
    picture = Image.new("RGB", (64, 64))
    outcomes = validate([case(0)], fitted, make=lambda *_: picture, analyse=lambda _: None)
    assert "| 1 | none | none | none | none | **0.0 %** | 1 |" in write(
        outcomes, 0.5, tmp_path, provenance={}, save=Image.Image.save
    )
    told = json.loads((tmp_path / "validation.json").read_text(), parse_constant=pytest.fail)
    assert told["from the true template"]["mean"] is None


@pytest.mark.parametrize(("threshold", "rate"), [(np.nan, 0.01), (1.5, 0.01), (None, 0), (None, 2), (None, np.nan)])
def test_a_threshold_is_a_cosine_and_a_rate_a_share(threshold, rate):
    with pytest.raises(RequestError) as told:
        check_threshold(threshold, rate)
    assert told.value.field == ("false_match_rate" if threshold is None else "threshold")


def test_the_threshold_of_many_costs_no_more_than_that_of_two_thousand():
    rng = np.random.default_rng(0)
    vectors, people = rng.normal(size=(12_000, 8)).astype(np.float32), np.arange(12_000)
    tracemalloc.start()
    limit = threshold_at(vectors, people, 0.01)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000**2 * 12, "twelve thousand would be 36 times that"
    assert limit == pytest.approx(threshold_at(vectors[:2_000], people[:2_000], 0.01), abs=0.02)


def test_the_threshold_counts_strangers_alone():
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(60), 3)
    vectors = rng.normal(size=(60, 32))[people] + 0.1 * rng.normal(size=(180, 32))
    limit = threshold_at(vectors, people, 0.01)
    cosines = unit(vectors) @ unit(vectors).T
    strangers = people[:, None] != people
    assert (cosines[strangers] > limit).mean() == pytest.approx(0.01, abs=0.003)
    assert cosines[~strangers].min() > limit
    with pytest.raises(RequestError, match="too few"):
        threshold_at(vectors[:9], people[:9], 0.01)
