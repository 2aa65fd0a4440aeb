"""The form of five keypoints, checked once for every function that takes them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from errors import RequestError

FAR = 1e6
FIVE_PAIRS = "Give five x, y pairs in pixels, left eye first."


def as_faces(keypoints: Any) -> np.ndarray:
    """Keypoints of one face (5, 2) or of several (n, 5, 2), as (n, 5, 2) float64.

    Raises RequestError for another shape, for numbers that are not finite and for points a million pixels away.
    """
    try:
        faces = np.asarray(keypoints, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise RequestError(
            "Keypoints must be numbers, five points of x and y.", field="keypoints", cure=FIVE_PAIRS
        ) from error
    if faces.ndim == 2:
        faces = faces[None]
    if faces.ndim != 3 or faces.shape[1:] != (5, 2) or len(faces) == 0:
        raise RequestError(
            f"Keypoints must have the shape (5, 2), got {faces.shape}.", field="keypoints", cure=FIVE_PAIRS
        )
    if not np.isfinite(faces).all() or np.abs(faces).max() > FAR:
        raise RequestError("Keypoints must be finite and near the picture.", field="keypoints", cure=FIVE_PAIRS)
    return faces


def as_face(keypoints: Any) -> np.ndarray:
    """Keypoints of exactly one face as (5, 2) float64; RequestError as in `as_faces`."""
    faces = as_faces(keypoints)
    if len(faces) != 1:
        raise RequestError("Keypoints of exactly one face are needed here.", field="keypoints", cure=FIVE_PAIRS)
    return faces[0]


def as_size(size: Sequence[int]) -> tuple[int, int]:
    """A canvas size (width, height) in pixels, whole and positive; RequestError otherwise."""
    width, height = int(size[0]), int(size[1])
    if width < 1 or height < 1:
        raise RequestError(
            f"A canvas of {width} x {height} px has no pixels.", field="size", cure="Give at least 1 x 1 px."
        )
    return width, height


def interocular(keypoints: np.ndarray) -> float:
    """Distance between the two eyes in pixels; keypoints: (5, 2)."""
    return float(np.linalg.norm(keypoints[1] - keypoints[0]))
