"""The face region: soft, clipped, and never silently empty."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from errors import RequestError
from face.region import face_region
from face.views import VIEWS, view_keypoints


def test_the_box_is_one_and_the_far_corner_nothing():
    mask = face_region([40, 40, 80, 80], (200, 120), margin=0.1, feather=0.25)
    assert mask.shape == (120, 200) and mask.dtype == np.float32
    assert (mask[36:84, 36:84] == 1).all()
    assert mask[0, 199] == 0 and mask[60, 100] == 0
    edge = mask[60, 84:94]
    assert (np.diff(edge) < 0).all() and 0 < edge[5] < 1


@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(*[st.floats(-400, 400)] * 2),
    st.tuples(*[st.floats(0.01, 500)] * 2),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_the_largest_value_is_one_or_the_face_is_refused(size, corner, sides, margin, feather):
    box = np.array([*corner, corner[0] + sides[0], corner[1] + sides[1]])
    assume(box[2] > box[0] and box[3] > box[1])
    outside = box[0] >= size[0] or box[1] >= size[1] or box[2] <= 0 or box[3] <= 0
    if outside:
        with pytest.raises(RequestError, match="outside"):
            face_region(box, size, margin=margin, feather=feather)
    else:
        mask = face_region(box, size, margin=margin, feather=feather)
        assert mask.max() == 1 and mask.min() >= 0


@pytest.mark.parametrize("view", sorted(VIEWS))
def test_keypoints_give_a_region_that_holds_all_of_them(view):
    points = view_keypoints(view, (256, 192))
    mask = face_region(points, (256, 192))
    x, y = points.astype(int).T
    assert (mask[y, x] == 1).all()
    assert mask.mean() < 0.6


def test_several_faces_are_joined():
    left, right = [10, 10, 40, 40], [60, 10, 90, 40]
    both = face_region([left, right], (100, 50))
    assert np.array_equal(both, np.maximum(face_region(left, (100, 50)), face_region(right, (100, 50))))


@pytest.mark.parametrize(
    ("faces", "options"),
    [
        ([5, 5, 5, 9], {}),
        ([5, 5, float("nan"), 9], {}),
        (np.zeros((5, 2)), {}),
        (np.zeros((0, 4)), {}),
        ("face", {}),
        ([1, 1, 9, 9], {"margin": -1}),
        ([1, 1, 9, 9], {"feather": float("nan")}),
        ([[1, 1, 9, 9], [200, 1, 220, 9]], {}),
    ],
)
def test_regions_without_meaning_are_refused(faces, options):
    with pytest.raises(RequestError):
        face_region(faces, (64, 64), **options)
