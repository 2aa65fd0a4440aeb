"""Standard errors against what they claim: how far a figure moves when the people are drawn again."""

import numpy as np
import pytest

from evaluation.spread import error_of_ratio, mean_of, said, standard_error, stratified_error

RUNS = 600


def drawn(random, counts, shift=0.0):
    """Pictures of people who differ by one on average, of `counts[k]` pictures each, which differ as much again."""
    return [(who, shift + person + random.normal()) for who, count in enumerate(counts)
            for person in [random.normal()] for _ in range(count)]  # fmt: skip


def test_with_as_many_pictures_of_everybody_it_is_that_of_their_means():
    assert standard_error([(0, 1.0), (0, 3.0), (1, 4.0), (1, 6.0), (2, 9.0), (2, 7.0)]) == pytest.approx(
        np.std([2.0, 5.0, 8.0], ddof=1) / np.sqrt(3)
    )
    assert standard_error([(0, 1.0), (0, 3.0)]) is None
    assert standard_error([]) is None


def test_people_with_more_pictures_weigh_more():
    found = standard_error([(0, 0.0), (0, 0.0), (0, 0.0), (1, 4.0)])
    assert found == pytest.approx(np.sqrt(2 * (3.0**2 + 3.0**2)) / 4)


def test_it_is_how_far_the_mean_moves_with_other_people():
    random, counts = np.random.default_rng(0), [11, 11, 11] + 36 * [2]
    runs = [drawn(random, counts) for _ in range(RUNS)]
    moved = np.std([mean_of(run) for run in runs])
    assert np.mean([standard_error(run) for run in runs]) == pytest.approx(moved, rel=0.12)


def test_kinds_of_a_fixed_number_are_no_spread():
    """66 people with a kind each in turn, three of them with every kind; kinds differ by far more than people."""
    random, kinds = np.random.default_rng(1), 11
    asked = [(who, who % kinds) for who in range(66)] + [(who, kind) for who in range(3) for kind in range(kinds)]

    def run():
        people = random.normal(size=66)
        return [(who, kind, 10.0 * kind + people[who] + random.normal()) for who, kind in asked]

    runs = [run() for _ in range(RUNS)]
    moved = np.std([np.mean([value for *_, value in one]) for one in runs])
    assert np.mean([stratified_error(one) for one in runs]) == pytest.approx(moved, rel=0.12)
    assert np.mean([standard_error([(who, value) for who, _, value in one]) for one in runs]) > 5 * moved


def test_kinds_of_one_picture_each_tell_nothing():
    assert stratified_error([(0, "front", 1.0), (1, "up", 2.0)]) is None


def test_of_one_kind_it_is_the_plain_error():
    values = [(0, 1.0), (0, 5.0), (1, 2.0), (2, 4.0)]
    assert stratified_error([(who, "front", value) for who, value in values]) == pytest.approx(standard_error(values))


def test_a_ratio_of_pictures_of_the_same_people():
    random = np.random.default_rng(2)

    def run():
        below = drawn(random, 40 * [1], 8.0)
        above = [(who, 0.9 * value + 0.2 * random.normal()) for who, value in below]
        return above, below

    runs = [run() for _ in range(RUNS)]
    moved = np.std([mean_of(above) / mean_of(below) for above, below in runs])
    assert np.mean([error_of_ratio(*run) for run in runs]) == pytest.approx(moved, rel=0.12)
    strangers = [error_of_ratio([(who + 99, value) for who, value in above], below) for above, below in runs]
    assert np.mean(strangers) > 3 * moved, "what the same people have in common has to fall out"
    assert error_of_ratio([], [(0, 1.0)]) is None
    assert error_of_ratio([(0, 1.0), (1, 1.0)], [(0, 1.0), (1, -1.0)]) is None


def test_words():
    assert said(0.5, 0.0123) == "0.500 ± 0.012"
    assert said(1.0, 0.0) == said(1.0, None) == "1.000"
    assert said(None, None) is None
