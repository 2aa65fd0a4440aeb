"""The landmark picture against pictures of the official drawing, stored as hashes of their pixels."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from errors import RequestError
from face.keypoints import POINT_COLOURS, carry_keypoints, draw_keypoints, keypoint_error, view_keypoints

OFFICIAL = json.loads((Path(__file__).parent / "official_drawings.json").read_text())


@pytest.mark.parametrize("case", OFFICIAL, ids=lambda case: "x".join(map(str, case["size"])))
def test_scale_one_is_the_official_drawing_pixel_for_pixel(case):
    picture = draw_keypoints(case["keypoints"], tuple(case["size"]))
    assert picture.mode == "RGB" and picture.size == tuple(case["size"])
    assert hashlib.sha256(np.asarray(picture).tobytes()).hexdigest() == case["sha256"]


def test_the_small_drawing_is_the_official_one_seen_from_afar():
    points = view_keypoints("three_quarter_right", (1024, 1024))
    large = np.asarray(draw_keypoints(points, (1024, 1024)).resize((128, 128), Image.Resampling.BOX), np.float32)
    small = np.asarray(draw_keypoints((points + 0.5) / 8 - 0.5, (128, 128), scale=1 / 8), np.float32)
    assert np.abs(large - small).mean() < 0.6
    assert np.corrcoef(large.ravel(), small.ravel())[0, 1] > 0.97
    lit = (small.max(axis=2) > 0).mean()
    assert lit == pytest.approx((large.max(axis=2) > 0).mean(), rel=0.25)


def test_every_dot_keeps_its_colour_and_place_at_128_px():
    points = view_keypoints("front", (128, 128), face_size=0.7)
    pixels = np.asarray(draw_keypoints(points, (128, 128), scale=1 / 8)).astype(int)
    for point, colour in zip(points, POINT_COLOURS, strict=True):
        x, y = np.round(point).astype(int)
        assert np.abs(pixels[y, x] - colour).max() < 60


@pytest.mark.parametrize("scale", [0.125, 0.5, 0.81, 1.0, 2.0])
def test_the_thickness_follows_the_scale(scale):
    size = (round(1024 * scale), round(1024 * scale))
    picture = draw_keypoints(view_keypoints("front", size), size, scale=scale)
    lit = (np.asarray(picture).sum(axis=2) / 255).sum() / size[0] ** 2
    official = draw_keypoints(view_keypoints("front", (1024, 1024)), (1024, 1024))
    assert lit == pytest.approx((np.asarray(official).sum(axis=2) / 255).sum() / 1024**2, rel=0.06)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_several_faces_are_drawn_into_one_picture(scale):
    left = view_keypoints("front", (512, 512), face_size=0.3, centre=(0.25, 0.5))
    right = view_keypoints("tilt_left", (512, 512), face_size=0.3, centre=(0.75, 0.5))
    both = np.asarray(draw_keypoints(np.stack([left, right]), (512, 512), scale=scale))
    alone = [np.asarray(draw_keypoints(points, (512, 512), scale=scale)) for points in (left, right)]
    assert np.array_equal(both, np.maximum(*alone))


@pytest.mark.parametrize(
    "keypoints",
    [[[0, 0]] * 4, [[float("nan"), 0]] * 5, [[float("inf"), 0]] * 5, [[1e9, 0]] * 5, "five", [], None, [[1, 2, 3]] * 5],
)
def test_keypoints_without_meaning_are_refused(keypoints):
    with pytest.raises(RequestError):
        draw_keypoints(keypoints, (64, 64))


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_a_scale_without_meaning_is_refused(scale):
    with pytest.raises(RequestError):
        draw_keypoints(np.zeros((5, 2)), (64, 64), scale=scale)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=5, max_size=5),
    st.sampled_from([1.0, 0.125, 1.5]),
)
def test_any_finite_points_can_be_drawn(points, scale):
    assert draw_keypoints(points, (96, 64), scale=scale).size == (96, 64)


@given(st.tuples(*[st.integers(1, 4000)] * 2), st.tuples(*[st.integers(1, 4000)] * 2))
def test_carrying_keeps_the_shape_of_the_face_and_the_middle_of_the_picture(from_size, to_size):
    points = view_keypoints("up_left", (512, 512)) * (np.array(from_size) / 512).min()
    carried = carry_keypoints(points, from_size, to_size)
    factor = min(to_size[0] / from_size[0], to_size[1] / from_size[1])
    assert np.allclose(carried - carried[2], (points - points[2]) * factor, atol=1e-2)
    middle = carry_keypoints([[from_size[0] / 2, from_size[1] / 2]] * 5, from_size, to_size)
    assert np.allclose(middle, np.array(to_size) / 2, atol=1e-2)
    assert carried.dtype == np.float32


def test_keypoint_error_is_the_mean_miss_over_the_wanted_eye_distance():
    wanted = np.array([[0, 0], [100, 0], [50, 50], [20, 90], [80, 90]], np.float32)
    assert keypoint_error(wanted, wanted) == 0
    assert keypoint_error(wanted + np.array([30, 40]), wanted) == pytest.approx(0.5)
    assert keypoint_error(wanted * 2, wanted * 2 + np.array([0, 10])) == pytest.approx(0.05)
    with pytest.raises(RequestError):
        keypoint_error(wanted, np.zeros((5, 2)))
