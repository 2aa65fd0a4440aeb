"""The measures of following: a picture follows itself, and another one less."""

import numpy as np
from PIL import Image

from benchmarks import following
from benchmarks.following import likeness
from training.miniature.tone import cyanotype


def test_a_picture_has_its_own_edges() -> None:
    (first, _), (second, _) = following.followed(2)
    assert following.edges_found(first, first) == 1
    assert following.edges_found(second, first) < 0.7
    moved = Image.fromarray(np.roll(np.asarray(first), 1, axis=1))
    assert following.edges_found(moved, first) > 0.95


def test_prints_lie_on_the_line_between_their_colours() -> None:
    (picture,) = following.references(1)
    assert following.off_the_ramp(cyanotype(np.asarray(picture))) < 1
    assert following.off_the_ramp(np.asarray(picture)) > 20


def test_agreement_is_with_ones_own_and_with_the_next() -> None:
    own, other = following._own_and_other(lambda one, two: float(one == two), [1, 2, 3], [1, 2, 4])
    assert abs(own - 2 / 3) < 1e-9 and other == 0


def test_lost_faces_count_and_are_counted():
    assert likeness([0.8, 0.4]) == "0.600"
    assert likeness([0.8, None]) == "0.400, 1 of 2 lost"
    assert likeness([None]) == "0.000, 1 of 1 lost"
