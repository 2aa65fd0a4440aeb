"""Where in the picture a face works: a feathered mask around one face or several."""

from typing import Any

import numpy as np

from errors import RequestError
from face.points import FAR, as_faces, as_size
from face.views import frontal_interocular

# Half sides of the box around a head, in frontal inter-ocular distances, and how far its middle lies below the eyes.
HALF_WIDTH = 1.15
HALF_HEIGHT = 1.45
BELOW_EYES = 0.4
SMALLEST_FEATHER = 1.5


def face_region(faces: Any, size: tuple[int, int], *, margin: float = 0.15, feather: float = 0.25) -> np.ndarray:
    """The region of one or several faces as a mask.

    Args:
        faces: keypoints (5, 2) or (n, 5, 2), or boxes (4,) or (n, 4) x1, y1, x2, y2; pixels of the canvas.
        size: (width, height) of the canvas.
        margin: how far the region reaches beyond the box on each side, over the box's longer side.
        feather: width of the soft edge outside of the region, over the box's longer side; at least 1.5 px.

    Returns:
        (height, width) float32: 1 within a region, falling smoothly to 0 over its feather. The largest value is
        always exactly 1: a face that lies outside of the canvas is refused, never turned into an empty mask.

    Raises RequestError for a face outside of the canvas, a box without area, and numbers without meaning.
    """
    width, height = as_size(size)
    if not (np.isfinite([margin, feather]).all() and 0 <= margin <= 10 and 0 <= feather <= 10):
        raise RequestError(
            "Margin and feather of the face region must be between 0 and 10.",
            field="face_region",
            cure="Leave them out to have the usual ones.",
        )
    mask = np.zeros((height, width), np.float32)
    for box in _boxes(faces):
        if box[0] >= width or box[1] >= height or box[2] <= 0 or box[3] <= 0:
            raise RequestError(
                "The face lies outside of the picture, so its region would be empty.",
                field="face_region",
                cure="Move the face into the picture or switch the face region off.",
            )
        side = max(box[2] - box[0], box[3] - box[1])
        reach = margin * side
        soft = max(feather * side, SMALLEST_FEATHER)
        across = _distance(np.arange(width) + 0.5, box[0] - reach, box[2] + reach)
        down = _distance(np.arange(height) + 0.5, box[1] - reach, box[3] + reach)
        near = np.clip(1 - np.hypot(across[None, :], down[:, None]) / soft, 0, 1)
        smooth = near * near * (3 - 2 * near)
        mask = np.maximum(mask, smooth / smooth.max())
    return mask.astype(np.float32)


def _distance(places: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.maximum(np.maximum(low - places, places - high), 0)


def _boxes(faces: Any) -> np.ndarray:
    try:
        numbers = np.asarray(faces, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RequestError(
            "A face region needs keypoints or boxes.",
            field="face_region",
            cure="Give x1, y1, x2, y2 in pixels or five x, y pairs.",
        ) from error
    if numbers.shape[-1:] != (4,) or numbers.ndim > 2:
        return np.stack([_head_box(points) for points in as_faces(faces)])
    boxes = numbers.reshape(-1, 4)
    if len(boxes) == 0 or not np.isfinite(boxes).all() or np.abs(boxes).max() > FAR:
        raise RequestError(
            "The box of a face must be finite and near the picture.",
            field="face_region",
            cure="Give x1, y1, x2, y2 in pixels.",
        )
    if (boxes[:, 2:] <= boxes[:, :2]).any():
        raise RequestError("The box of a face has no area.", field="face_region", cure="Give x1 < x2 and y1 < y2.")
    return boxes


def _head_box(points: np.ndarray) -> np.ndarray:
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    unit = frontal_interocular(points)
    if unit <= 0:
        raise RequestError(
            "Five keypoints on one spot have no region.", field="face_region", cure="Give five points that lie apart."
        )
    drop = np.linalg.norm(mouth - eyes)
    below = (mouth - eyes) / drop if drop > 0 else np.array([0.0, 1.0])
    middle = eyes + below * BELOW_EYES * unit
    half = np.array([HALF_WIDTH, HALF_HEIGHT]) * unit
    return np.concatenate([middle - half, middle + half])
