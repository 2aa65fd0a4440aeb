"""The landmark picture: five keypoints drawn as coloured sticks and dots, the way IdentityNet was taught to read them.

Keypoints are (5, 2) x, y in pixels: left eye, right eye, nose, left mouth corner, right mouth corner, left and right
as seen in the picture.
"""

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image

from errors import RequestError
from face.points import as_face, as_faces, as_size, interocular
from face.region import face_region
from face.views import VIEWS, View, view_keypoints

__all__ = [
    "VIEWS",
    "View",
    "carry_keypoints",
    "draw_keypoints",
    "face_region",
    "keypoint_error",
    "view_keypoints",
]

# Red, green, blue, yellow, magenta in the order of the points; the nose (blue) has no stick of its own.
POINT_COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255))
NOSE = 2
STICK_ORDER = (0, 1, 3, 4)
STICK_HALF_WIDTH = 4
DOT_RADIUS = 10
STICK_BRIGHTNESS = 0.6
SUPERSAMPLING = 4
FIXED_POINT_BITS = 4


def draw_keypoints(keypoints: Any, size: tuple[int, int], *, scale: float = 1.0) -> Image.Image:
    """Draws the landmark picture that conditions IdentityNet.

    Args:
        keypoints: (5, 2) x, y in pixels of the canvas, or several faces (n, 5, 2); points outside are cut off.
        size: (width, height) of the canvas.
        scale: thickness against the official drawing, which has fixed sizes meant for 1024 px. 1.0 gives the
            official drawing pixel for pixel (OpenCV's whole-number coordinates included); any other value is drawn
            with fractions of a pixel, below 1.0 at four times the size and shrunk by area.

    Returns:
        RGB picture, black where nothing is drawn. Sticks of all faces lie under the dots of all faces.

    Raises RequestError for keypoints, a size or a scale without meaning.
    """
    faces, (width, height) = as_faces(keypoints), as_size(size)
    if not math.isfinite(scale) or scale <= 0:
        raise RequestError(
            f"The scale of the landmark picture must be positive, got {scale}.",
            field="scale",
            cure="Give 1.0 for the official drawing.",
        )
    if scale == 1.0:
        return Image.fromarray(_draw_whole_pixels(faces, width, height))
    return Image.fromarray(_draw_fractions(faces, width, height, scale))


def _draw_whole_pixels(faces: np.ndarray, width: int, height: int) -> np.ndarray:
    canvas = np.zeros((height, width, 3), np.uint8)
    for points in faces:
        for index in STICK_ORDER:
            point, nose = points[index], points[NOSE]
            dx, dy = point - nose
            middle = (int((point[0] + nose[0]) / 2), int((point[1] + nose[1]) / 2))
            half_length = int(math.sqrt(dx**2 + dy**2) / 2)
            angle = int(math.degrees(math.atan2(dy, dx)))
            outline = np.array(cv2.ellipse2Poly(middle, (half_length, STICK_HALF_WIDTH), angle, 0, 360, 1))
            cv2.fillConvexPoly(canvas, outline, POINT_COLOURS[index])
    canvas = _dimmed(canvas)
    for points in faces:
        for point, colour in zip(points, POINT_COLOURS, strict=True):
            cv2.circle(canvas, (int(point[0]), int(point[1])), DOT_RADIUS, colour, cv2.FILLED)
    return canvas


def _draw_fractions(faces: np.ndarray, width: int, height: int, scale: float) -> np.ndarray:
    factor = SUPERSAMPLING if scale < 1 else 1
    canvas = np.zeros((height * factor, width * factor, 3), np.uint8)
    # The middle of pixel 0 is coordinate 0 before and after the shrinking.
    enlarged = (faces + 0.5) * factor - 0.5
    # OpenCV fills the pixels on an outline too, half a pixel more on each side: so a radius of 10 is truly 10.5.
    stick, dot = ((whole + 0.5) * scale * factor - 0.5 for whole in (STICK_HALF_WIDTH, DOT_RADIUS))
    turn = np.radians(np.arange(0, 360, 4))
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    for points in enlarged:
        for index in STICK_ORDER:
            along = points[index] - points[NOSE]
            half_length = math.hypot(*along) / 2
            direction = along / (2 * half_length) if half_length > 0 else np.array([1.0, 0.0])
            axes = np.stack([direction * half_length, np.array([-direction[1], direction[0]]) * stick])
            _fill(canvas, (points[index] + points[NOSE]) / 2 + circle @ axes, POINT_COLOURS[index])
    canvas = _dimmed(canvas)
    for points in enlarged:
        for point, colour in zip(points, POINT_COLOURS, strict=True):
            _fill(canvas, point + circle * dot, colour)
    return canvas if factor == 1 else cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)


def _fill(canvas: np.ndarray, outline: np.ndarray, colour: tuple[int, int, int]) -> None:
    fixed_point = np.round(outline * (1 << FIXED_POINT_BITS)).astype(np.int32)
    cv2.fillConvexPoly(canvas, fixed_point, colour, cv2.LINE_8, FIXED_POINT_BITS)


def _dimmed(canvas: np.ndarray) -> np.ndarray:
    return (canvas * STICK_BRIGHTNESS).astype(np.uint8)


def carry_keypoints(keypoints: Any, from_size: Sequence[int], to_size: Sequence[int]) -> np.ndarray:
    """Carries keypoints from one canvas to another without distorting the face.

    The whole first canvas is fitted into the second with one factor for both axes and centred (letterbox).
    keypoints: (5, 2) x, y in pixels of `from_size` (width, height); returns (5, 2) float32 in pixels of `to_size`.
    """
    (from_width, from_height), (to_width, to_height) = as_size(from_size), as_size(to_size)
    factor = min(to_width / from_width, to_height / from_height)
    offset = np.array([to_width - from_width * factor, to_height - from_height * factor]) / 2
    return (as_face(keypoints) * factor + offset).astype(np.float32)


def keypoint_error(found: Any, wanted: Any) -> float:
    """Mean distance of five found keypoints from the wanted ones, over the wanted inter-ocular distance.

    Both (5, 2) in pixels of the same canvas. In a profile the eyes come near each other, so the same miss in pixels
    counts for more. RequestError when the wanted eyes are one point.
    """
    found, wanted = as_face(found), as_face(wanted)
    eyes = interocular(wanted)
    if eyes <= 0:
        raise RequestError(
            "The wanted keypoints have both eyes at one point.",
            field="keypoints",
            cure="Give five points that lie apart.",
        )
    return float(np.linalg.norm(found - wanted, axis=1).mean() / eyes)
