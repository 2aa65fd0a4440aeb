"""How large a picture is and where its faces look: the fields of a request that say so, checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from errors import RequestError
from generation import into, ranges

if TYPE_CHECKING:
    from generation.request import GenerationRequest
    from weights.registry import Profile

Noted = Callable[[tuple[Any, str | None]], Any]
"""Takes a value with a note on what was changed of it, keeps the note, gives the value."""

SIDE_BY_SIDE = (0.5, 0.5)
"""Where several heads stand: in the middle of the height, one beside the other."""


def size_of(request: GenerationRequest, profile: Profile, noted: Noted) -> tuple[int, int]:
    like = profile.size
    if isinstance(request.start_picture, Image.Image) and request.width is None and request.height is None:
        like = into.size_like(request.start_picture, profile)
    step = profile.size_step
    longest = 2 * max(profile.size)
    width = noted(
        ranges.side("width", like[0] if request.width is None else request.width, profile.min_side, longest, step)
    )
    height = noted(
        ranges.side("height", like[1] if request.height is None else request.height, profile.min_side, longest, step)
    )
    largest = int(2.25 * profile.size[0] * profile.size[1])
    if width * height > largest:
        raise RequestError(
            f"{width} x {height} px is too large for these weights.",
            field="width",
            cure=f"Stay at or below {largest / 1e6:.2f} megapixels; {profile.size[0]} x {profile.size[1]} works best.",
        )
    return width, height


def pose_of(request: GenerationRequest, profile: Profile, width: int, height: int) -> dict[str, Any]:
    from face.keypoints import VIEWS

    given = [name for name in ("pose", "view", "keypoints") if getattr(request, name) is not None]
    if len(given) > 1:
        raise RequestError(
            f"{given[0]} and {given[1]} contradict each other.", field=given[1], cure="Give one of them."
        )
    if request.pose is not None and not isinstance(request.pose, Image.Image):
        raise RequestError("pose is no picture.", field="pose", cure="Give an opened picture.")
    if request.view is not None:
        ranges.one_of("view", request.view, VIEWS)
    of_its_own = given or request.start_picture is not None
    view = "front" if request.template is not None and not of_its_own else request.view
    usual = SIDE_BY_SIDE if request.others else profile.view_centre
    centre = usual if request.view_centre is None else request.view_centre
    if not isinstance(centre, tuple | list) or len(centre) != 2:
        raise RequestError("view_centre is no point.", field="view_centre", cure="Give x and y, each from 0 to 1.")
    centre = ranges.number("view_centre", centre[0], 0.0, 1.0), ranges.number("view_centre", centre[1], 0.0, 1.0)
    head = profile.view_size if request.view_size is None else request.view_size
    return {
        "pose_face": None if request.pose_face is None else ranges.whole("pose_face", request.pose_face, 0, 99),
        "view": view,
        "view_size": ranges.number("view_size", head, 0.1, 1.0),
        "view_centre": centre,
        "keypoints": None if request.keypoints is None else _faces(request, width, height),
    }


def _faces(request: GenerationRequest, width: int, height: int) -> tuple[Any, ...]:
    faces = request.keypoints.tolist() if isinstance(request.keypoints, np.ndarray) else request.keypoints
    count = len(request.others) + 1
    if count == 1:
        return _keypoints(faces, width, height)
    if not isinstance(faces, tuple | list) or len(faces) != count:
        raise RequestError(
            "keypoints does not fit the number of people.",
            field="keypoints",
            cure=f"Give five points for each of the {count} people, from left to right.",
        )
    return tuple(_keypoints(face, width, height) for face in faces)


def _keypoints(points: Any, width: int, height: int) -> tuple[tuple[float, float], ...]:
    cure = "Give five x, y pairs in pixels: left eye, right eye, nose, left and right mouth corner."
    if isinstance(points, np.ndarray):
        points = points.tolist()
    if not isinstance(points, tuple | list) or len(points) != 5:
        raise RequestError("keypoints are not five points.", field="keypoints", cure=cure)
    clean = []
    for point in points:
        if not isinstance(point, tuple | list) or len(point) != 2:
            raise RequestError("keypoints holds something that is no point.", field="keypoints", cure=cure)
        x = ranges.number("keypoints", point[0], -float(width), 2.0 * width)
        y = ranges.number("keypoints", point[1], -float(height), 2.0 * height)
        clean.append((x, y))
    if math.dist(clean[0], clean[1]) < 1:
        raise RequestError("keypoints has both eyes in one place.", field="keypoints", cure=cure)
    return tuple(clean)
