"""A face goes out of a picture upright and comes back where it was, and nothing else moves."""

import numpy as np
import pytest
from PIL import Image

from errors import RequestError
from face.views import head_angles, view_keypoints
from generation.crops import around_face, covering, face_mask, match_colours

SIZE = (200, 160)


@pytest.fixture
def picture():
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    waves = np.stack([np.sin(columns / 9), np.cos(rows / 7), np.sin((rows + columns) / 11)], axis=-1)
    return Image.fromarray(np.uint8(127 + 100 * waves))


@pytest.mark.parametrize("view", ["front", "tilt_left", "tilt_right"])
def test_a_face_stands_upright_in_its_crop(view):
    points = view_keypoints(view, SIZE, face_size=0.3, centre=(0.4, 0.5))
    crop = around_face(points, (128, 128))
    carried = crop.carry(points)
    assert abs(head_angles(carried)[2]) < 1
    assert np.allclose(carried[:, 0].mean(), 64, atol=3)
    assert np.allclose(crop.back(carried), points, atol=1e-3)


def test_a_face_fills_its_share_of_the_crop():
    for face_size in (0.15, 0.6):
        crop = around_face(view_keypoints("front", SIZE, face_size=face_size), (128, 128), share=0.5)
        assert crop.scale == pytest.approx(0.5 * 128 / (face_size * 160), rel=0.02)


def test_what_was_not_changed_comes_back_the_same(picture):
    points = view_keypoints("tilt_left", SIZE, face_size=0.4)
    crop = around_face(points, (256, 256))
    mask = crop.mask_back(face_mask(crop.carry(points), crop.size), SIZE)
    back = np.int16(crop.paste(picture, crop.cut(picture), mask))
    assert np.abs(back - np.int16(picture)).max() <= 6


def test_outside_of_the_mask_no_pixel_changes(picture):
    points = view_keypoints("tilt_right", SIZE, face_size=0.4)
    crop = around_face(points, (64, 64))
    mask = crop.mask_back(face_mask(crop.carry(points), crop.size), SIZE)
    pasted = np.asarray(crop.paste(picture, Image.new("RGB", crop.size, "red"), mask))
    before = np.asarray(picture)
    assert 0.02 < (mask > 0).mean() < 0.6
    assert np.array_equal(pasted[mask == 0], before[mask == 0])
    assert (pasted[mask == 1] == (255, 0, 0)).all()


def test_a_window_is_covered_without_distortion(picture):
    crop = covering(picture.size, (64, 96))
    assert crop.cut(picture).size == (64, 96)
    assert crop.matrix[0, 0] == crop.matrix[1, 1] == 96 / 160
    assert crop.back(np.array([[31.5, 47.5]]))[0] == pytest.approx((99.5, 79.5))


def test_colours_are_matched_in_a_region_alone(picture):
    where = np.zeros((SIZE[1], SIZE[0]), np.float32)
    where[40:120, 40:120] = 1
    tinted = Image.fromarray(np.uint8(np.asarray(picture) * 0.8 + 20))
    matched = np.int16(match_colours(tinted, picture, where))
    assert np.abs(matched - np.int16(picture))[40:120, 40:120].max() <= 3


def test_a_face_on_one_spot_is_refused():
    with pytest.raises(RequestError):
        around_face(np.ones((5, 2)), (64, 64))
