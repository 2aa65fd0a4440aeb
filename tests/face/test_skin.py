"""Skin tone on the cheeks, against colours whose CIELAB values are known."""

import math

import cv2
import numpy as np
import pytest
from PIL import Image

from face.face import Face
from face.skin import cheeks, skin_angle, tone_of, typology_angle

POINTS = np.array([[70, 80], [130, 80], [100, 112], [75, 145], [125, 145]], np.float32)


def face(points=POINTS) -> Face:
    return Face(np.zeros(512, np.float32), points, np.array([40, 30, 160, 180], np.float32), 0.9, (200, 200))


def portrait(lightness: float, a: float, b: float, *, angle: float = 0.0) -> Image.Image:
    """A plain skin colour with a mole, hair over one edge and a gleam."""
    lab = np.full((200, 200, 3), (lightness, a, b), np.float32)
    rgb = np.clip(np.round(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255), 0, 255).astype(np.uint8)
    left = cheeks(POINTS)[0].astype(int)
    rgb[left[1] - 1 : left[1] + 2, left[0] - 1 : left[0] + 2] = (60, 30, 20)
    rgb[left[1] + 4 : left[1] + 6, left[0] : left[0] + 4] = 255
    return Image.fromarray(rgb)


@pytest.mark.parametrize(
    ("lightness", "b", "tone"),
    [
        (75, 13, "very light"),
        (68, 16, "light"),
        (62, 18, "intermediate"),
        (56, 20, "tan"),
        (45, 18, "brown"),
        (32, 12, "dark"),
    ],
)
def test_each_class_is_measured_within_three_degrees(lightness, b, tone) -> None:
    angle = skin_angle(portrait(lightness, 11, b), face())
    assert angle == pytest.approx(math.degrees(math.atan2(lightness - 50, b)), abs=3)
    assert tone_of(angle) == tone


def test_the_published_bounds_hold() -> None:
    assert [tone_of(angle) for angle in (55.1, 55, 41, 28, 10, -30)] == [
        "very light",
        "light",
        "intermediate",
        "tan",
        "brown",
        "dark",
    ]
    assert typology_angle(50, 15) == 0


def test_a_face_too_small_or_cut_off_has_no_tone() -> None:
    picture = portrait(65, 11, 16)
    assert skin_angle(picture, face(POINTS / 40)) is None
    assert skin_angle(picture, face(POINTS - 500)) is None
