"""A five-point head in space: the library of views, and the way back from five keypoints to the angles of a head.

Lengths are in inter-ocular distances. x grows to the right of the picture, y downwards, z towards the viewer; the
origin is the middle between the eyes. Angles are degrees: yaw > 0 turns the nose towards the right of the picture,
pitch > 0 looks up, roll > 0 tips the head clockwise.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from errors import RequestError
from face.points import as_face, as_size, interocular

# x and y are the ArcFace alignment template (112 px, insightface face_align.arcface_dst) made symmetric. Depths are
# adult averages over an inter-pupillary distance of 63 mm: the nose tip about 26 mm and the mouth corners about 4 mm
# in front of the pupils.
HEAD = np.array(
    [
        [-0.5, 0.0, 0.0],
        [0.5, 0.0, 0.0],
        [0.0, 0.571, 0.42],
        [-0.414, 1.154, 0.06],
        [0.414, 1.154, 0.06],
    ]
)
# Hairline to chin is about 185 mm, of which 66 mm lie above the eyes; the neck turns the head well behind the eyes.
FACE_HEIGHT = 2.9
PIVOT = np.array([0.0, 0.4, -0.8])
EDGE = 0.03


@dataclass(frozen=True)
class View:
    """One direction in which a head can be seen; angles in degrees as at the top of this file."""

    name: str
    label: str
    yaw: float
    pitch: float
    roll: float


VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        View("front", "Front", 0, 0, 0),
        View("three_quarter_left", "Three-quarter, to the left", -35, 0, 0),
        View("three_quarter_right", "Three-quarter, to the right", 35, 0, 0),
        View("profile_left", "Profile, to the left", -65, 0, 0),
        View("profile_right", "Profile, to the right", 65, 0, 0),
        View("up", "Looking up", 0, 22, 0),
        View("down", "Looking down", 0, -22, 0),
        View("tilt_left", "Head tilted left", 0, 0, -18),
        View("tilt_right", "Head tilted right", 0, 0, 18),
        View("up_left", "Up and to the left", -28, 16, -4),
        View("down_right", "Down and to the right", 28, -16, 4),
    )
}


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(3, 3) rotation of a head: first pitch, then yaw, then roll in the plane of the picture. Degrees."""
    y, p, r = (math.radians(angle) for angle in (yaw, pitch, roll))
    turn = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    nod = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    tip = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    return tip @ turn @ nod


def view_keypoints(
    view: str,
    size: tuple[int, int],
    *,
    face_size: float = 0.45,
    centre: tuple[float, float] = (0.5, 0.42),
) -> np.ndarray:
    """Five keypoints of a head seen from one of the `VIEWS`, in parallel projection.

    Args:
        view: a name in `VIEWS`.
        size: (width, height) of the canvas in pixels.
        face_size: height of the face from hairline to chin, over the short side of the canvas.
        centre: where the middle of the head lies, as fractions of width and height.

    Returns:
        (5, 2) float32 x, y in pixels. All five lie inside the canvas, a little away from its edges: a face too
        large is made smaller, one too near an edge is moved in.

    Raises RequestError for an unknown view or numbers without meaning.
    """
    if view not in VIEWS:
        raise RequestError(f"There is no view {view!r}.", field="view", cure=f"Choose one of: {', '.join(VIEWS)}.")
    if not math.isfinite(face_size) or face_size <= 0:
        raise RequestError(
            f"The size of the face must be positive, got {face_size}.",
            field="view_size",
            cure="Give a fraction of the short side, such as 0.45.",
        )
    if len(centre) != 2 or not all(math.isfinite(value) for value in centre):
        raise RequestError(
            "The centre of the face must be two fractions of the canvas.",
            field="view_centre",
            cure="Give x and y, each from 0 to 1.",
        )
    canvas = np.array(as_size(size), dtype=np.float64)
    angles = VIEWS[view]
    projected = ((HEAD - PIVOT) @ rotation(angles.yaw, angles.pitch, angles.roll).T)[:, :2]
    edge = EDGE * canvas.min()
    room = canvas - 1 - 2 * edge
    eyes_px = min(face_size * canvas.min() / FACE_HEIGHT, float((room / np.ptp(projected, axis=0)).min()))
    points = projected * eyes_px + np.array(centre) * canvas
    points += np.maximum(0, edge - points.min(axis=0))
    points -= np.maximum(0, points.max(axis=0) - (canvas - 1 - edge))
    return points.astype(np.float32)


def head_angles(keypoints: Any) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of the head whose five keypoints (5, 2) are given.

    The least-squares affine projection of `HEAD` onto the points, brought to the nearest scaled rotation (POS of
    DeMenthon and Davis 1995, without its iterations). Exact for parallel projections of `HEAD`; a real face has its
    own nose, so expect a few degrees of error, and more beyond 45. Five points on one spot give zeros.
    """
    points = as_face(keypoints)
    affine, *_ = np.linalg.lstsq(HEAD - HEAD.mean(axis=0), points - points.mean(axis=0), rcond=None)
    left, stretch, right = np.linalg.svd(affine.T, full_matrices=False)
    if stretch[0] < 1e-6:
        return 0.0, 0.0, 0.0
    first, second = left @ right
    third = np.cross(first, second)
    yaw = math.asin(max(-1.0, min(1.0, -third[0])))
    pitch = math.atan2(third[1], third[2])
    roll = math.atan2(second[0], first[0])
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def frontal_interocular(keypoints: Any) -> float:
    """The inter-ocular distance in pixels that this head, turned to the front, would have; keypoints (5, 2).

    The larger of the eye distance, which yaw shortens, and the eye-to-mouth distance, which pitch shortens.
    """
    points = as_face(keypoints)
    eyes_to_mouth = np.linalg.norm(points[3:].mean(axis=0) - points[:2].mean(axis=0))
    return max(interocular(points), float(eyes_to_mouth) / float(HEAD[3, 1]))
