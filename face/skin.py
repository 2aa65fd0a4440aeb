"""Skin tone measured on the cheeks: the individual typology angle in CIELAB.

A photo's light is not known, so what is measured is the skin as the photo shows it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image

from face.face import Face
from face.points import interocular

TONES: tuple[tuple[float, str], ...] = (
    (55.0, "very light"),
    (41.0, "light"),
    (28.0, "intermediate"),
    (10.0, "tan"),
    (-30.0, "brown"),
    (-math.inf, "dark"),
)
"""Lower bounds in degrees and names: the six classes of Chardon et al. 1991 and Del Bino et al. 2013."""

PATCH = 0.16
"""Half side of the square that is looked at on each cheek, in inter-ocular distances."""

FEWEST_PIXELS = 9


def typology_angle(lightness: float, blue_to_yellow: float) -> float:
    """Degrees: atan2(L* - 50, b*), 90 for the lightest grey, -90 for the darkest."""
    return math.degrees(math.atan2(lightness - 50, blue_to_yellow))


def skin_angle(image: Image.Image, face: Face) -> float | None:
    """The individual typology angle of a face in degrees; None when the face is too small or its cheeks are cut off.

    image: RGB, taken for sRGB under D65. The median colour of each cheek counts, so that a mole, a strand of
    hair or a gleam does not, and the mean of both.
    """
    pixels = np.asarray(image.convert("RGB"))
    eyes = interocular(face.keypoints)
    patches = [_patch(pixels, place, PATCH * eyes) for place in cheeks(face.keypoints)]
    seen = [patch for patch in patches if patch.shape[0] * patch.shape[1] >= FEWEST_PIXELS]
    if not seen:
        return None
    lab = [
        np.median(cv2.cvtColor(patch.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).reshape(-1, 3), axis=0)
        for patch in seen
    ]
    lightness, _, yellow = np.mean(lab, axis=0)
    return typology_angle(float(lightness), float(yellow))


def tone_of(angle: float) -> str:
    """The name of an angle's class."""
    return next(name for bound, name in TONES if angle > bound)


def cheeks(keypoints: np.ndarray) -> np.ndarray:
    """(2, 2) x, y px: between nose and the outer edge of the face, at the height of the nose's tip.

    keypoints: (5, 2) x, y px.
    """
    eyes, nose, mouth = keypoints[:2], keypoints[2], keypoints[3:]
    beside = (eyes + mouth) / 2
    return beside + 0.15 * (beside - nose)


def _patch(pixels: np.ndarray, centre: np.ndarray, half: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    left, top = np.floor(centre - half).astype(int)
    right, bottom = np.ceil(centre + half).astype(int) + 1
    if left < 0 or top < 0 or right > width or bottom > height:
        return pixels[:0, :0]
    return pixels[top:bottom, left:right]
