"""The five-point head: proportions, the library of views, and the angles read back from five points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from insightface.utils.face_align import arcface_dst

from errors import RequestError
from face.views import HEAD, VIEWS, frontal_interocular, head_angles, rotation, view_keypoints


def _seen(yaw, pitch, roll, scale=80.0):
    return (HEAD @ rotation(yaw, pitch, roll).T)[:, :2] * scale + 300


def test_there_are_eleven_views_with_labels():
    assert len(VIEWS) == 11
    assert len({view.label for view in VIEWS.values()}) == 11
    assert {"front", "three_quarter_left", "profile_right", "up", "down", "tilt_left"} <= set(VIEWS)


def test_the_front_view_has_the_proportions_of_the_arcface_template():
    front = view_keypoints("front", (1024, 1024))
    template = arcface_dst.astype(np.float64)

    def shape(points):
        return (points - points[:2].mean(axis=0)) / np.linalg.norm(points[1] - points[0])

    assert np.abs(shape(front) - shape(template)).max() < 0.02


def test_directions_are_those_of_the_picture():
    def nose(view):
        points = view_keypoints(view, (1000, 1000))
        return (points[2] - points[[0, 1, 3, 4]].mean(axis=0)) / frontal_interocular(points)

    assert nose("three_quarter_right")[0] > 0.1 > -0.1 > nose("three_quarter_left")[0]
    assert nose("up")[1] < nose("front")[1] < nose("down")[1]
    tilted = view_keypoints("tilt_right", (1000, 1000))
    assert tilted[1, 1] > tilted[0, 1] and tilted[3:, 0].mean() < tilted[:2, 0].mean()


@given(
    st.sampled_from(sorted(VIEWS)),
    st.tuples(st.integers(64, 3000), st.integers(64, 3000)),
    st.floats(0.01, 50),
    st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
)
def test_all_five_points_are_always_inside(view, size, face_size, centre):
    points = view_keypoints(view, size, face_size=face_size, centre=centre)
    assert points.dtype == np.float32 and points.shape == (5, 2)
    assert (points >= 0).all() and (points <= np.array(size) - 1).all()


@pytest.mark.parametrize("view", sorted(VIEWS))
def test_the_size_is_the_height_of_the_face(view):
    small = view_keypoints(view, (1000, 800), face_size=0.2)
    large = view_keypoints(view, (1000, 800), face_size=0.4)
    assert frontal_interocular(large) == pytest.approx(2 * frontal_interocular(small), rel=1e-4)
    if view == "front":
        assert frontal_interocular(small) * 2.9 == pytest.approx(0.2 * 800, rel=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"view": "behind"},
        {"face_size": 0},
        {"face_size": float("nan")},
        {"centre": (float("inf"), 0)},
        {"size": (0, 9)},
    ],
)
def test_views_without_meaning_are_refused(wrong):
    with pytest.raises(RequestError):
        view_keypoints(**({"view": "front", "size": (512, 512)} | wrong))


@given(st.floats(-80, 80), st.floats(-60, 60), st.floats(-170, 170), st.floats(5, 500))
def test_angles_are_read_back_from_the_models_own_projections(yaw, pitch, roll, scale):
    found = head_angles(_seen(yaw, pitch, roll, scale))
    difference = (np.array(found) - (yaw, pitch, roll) + 180) % 360 - 180
    assert np.abs(difference).max() < 0.01


def test_yaw_is_monotone_and_near_for_other_peoples_noses():
    """A nose a fifth longer or shorter than the model's must not cost more than eight degrees up to 45."""
    for length in (0.8, 1.0, 1.2):
        person = HEAD.copy()
        person[2, 2] *= length
        angles = np.arange(-45, 46, 3)
        found = [head_angles((person @ rotation(float(yaw), 8, 5).T)[:, :2] * 90)[0] for yaw in angles]
        assert (np.diff(found) > 0).all()
        assert np.abs(np.array(found) - angles).max() < 8


def test_one_spot_has_no_angles():
    assert head_angles(np.full((5, 2), 7.0)) == (0.0, 0.0, 0.0)
