"""The shipped miniature as a whole: figures of a few pictures above bars, and the pictures near the recorded ones.

The bars and the pictures belong to the weights. After these were replaced: `python -m scripts.set_bars`, which also
says how far each of some faults would fall below.
"""

import json

import pytest

from generation.loading import load_engine
from generation.settings import Settings
from tests.evaluation import shipped

TOLD = json.loads(shipped.BARS.read_text())


@pytest.fixture(scope="module")
def measured():
    return shipped.measure(load_engine("miniature", Settings(device="cpu")))


@pytest.mark.parametrize("name", TOLD["figures"])
def test_no_figure_falls_below_its_bar(measured, name):
    assert measured.figures[name] >= TOLD["figures"][name], f"was {TOLD['measured'][name]} when the bar was set"


def test_the_pictures_are_those_that_were_recorded(measured):
    assert shipped.differences(measured.pictures).mean() < TOLD["levels"], "levels of 255 on average"
