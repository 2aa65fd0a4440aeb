"""Shapes of pictures, and the order of a run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from training.buckets import Batches, Order, cut, nearest_bucket

BUCKETS = ((64, 64), (48, 80), (80, 48))


def order(unit=4, seed=0, photos=50) -> Order:
    random = np.random.default_rng(9)
    return Order(np.arange(photos) + 100, random.integers(0, 3, photos), np.arange(photos) // 7, unit=unit, seed=seed)


def test_the_nearest_shape_is_taken():
    sizes = np.array([[500, 500], [300, 500], [1000, 610], [640, 600]])
    assert nearest_bucket(sizes, BUCKETS).tolist() == [0, 1, 2, 0]


@settings(max_examples=60, deadline=None)
@given(st.integers(40, 300), st.integers(40, 300), st.sampled_from(BUCKETS), st.floats(0, 1), st.floats(0, 1))
def test_a_cut_picture_keeps_its_face_in_place(width, height, size, x, y):
    """A white spot stays under its keypoint, and the face is inside whenever the shape allows it."""
    spot = np.array([x * (width - 1), y * (height - 1)])
    canvas = np.zeros((height, width, 3), np.uint8)
    rows, columns = np.ogrid[:height, :width]
    canvas[np.hypot(columns - spot[0], rows - spot[1]) < 0.12 * min(width, height)] = 255
    picture, keypoints = cut(Image.fromarray(canvas), np.tile(spot, (5, 1)).astype(np.float32), size)
    assert picture.size == size and keypoints.shape == (5, 2)
    assert (keypoints >= -1).all() and (keypoints <= np.array(size) + 1).all()
    column, row = np.clip(np.round(keypoints[0]), 0, np.array(size) - 1).astype(int)
    assert np.asarray(picture)[row, column].mean() > 127


def test_a_picture_of_the_right_size_is_left_alone():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    points = np.random.default_rng(1).uniform(0, 64, (5, 2)).astype(np.float32)
    same, kept = cut(picture, points, (64, 64))
    assert np.array_equal(np.asarray(same), np.asarray(picture)) and np.array_equal(kept, points)


def test_every_epoch_has_every_photo_in_units_of_one_shape():
    run = order()
    for epoch in range(3):
        places = range(epoch * run.epoch_length, (epoch + 1) * run.epoch_length)
        seen = [run.at(place) for place in places]
        assert {row for row, _ in seen} == set(range(100, 150))
        for start in range(0, len(seen), 4):
            assert len({bucket for _, bucket in seen[start : start + 4]}) == 1


def test_the_order_is_a_function_of_the_seed():
    run = order()
    forwards = [run.at(place) for place in range(150)]
    assert [order().at(place) for place in range(149, -1, -1)] == forwards[::-1]
    assert [order(seed=1).at(place) for place in range(150)] != forwards
    assert forwards[:52] != forwards[run.epoch_length : run.epoch_length + 52]


def test_a_set_smaller_than_a_batch_is_repeated():
    run = Order(np.array([5, 6]), np.zeros(2, int), np.zeros(2, int), unit=8, seed=0)
    rows = [run.at(place)[0] for place in range(8)]
    assert rows.count(5) == rows.count(6) == 4


@pytest.mark.parametrize("start", [0, 12])
def test_batches_begin_anywhere(start):
    batches = Batches(start, 24, 4)
    assert len(batches) == (24 - start) // 4
    assert [place for batch in batches for place in batch] == list(range(start, 24))
