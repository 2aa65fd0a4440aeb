"""Which face of a picture is meant, and how far it is a person."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from face.face import Face, similarity
from face.keypoints import keypoint_error
from face.views import FACE_HEIGHT, frontal_interocular

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer


def faces_at(
    image: Image.Image, places: np.ndarray, analyzer: "FaceAnalyzer", where: np.ndarray | None = None
) -> list[Face | None]:
    """The face in each place, the best fitting pairs first, no face in two; None where none is left.

    With several places, or in a larger picture, a face further from a place than its own height is somebody else's.

    Args:
        image: RGB.
        places: (people, 5, 2) x, y px wanted.
        where: (height, width), 0 where the picture was not made: faces there are nobody who was asked for.
    """
    faces: Sequence[Face] = analyzer.find(image)
    if where is not None:
        faces = [face for face in faces if _nose_in(face, where)]
    at: list[Face | None] = [None] * len(places)
    left = set(range(len(faces)))
    errors = {
        (number, place): keypoint_error(faces[number].keypoints, wanted)
        for number in left
        for place, wanted in enumerate(places)
        if (where is None and len(places) == 1) or _near(faces[number].keypoints, wanted)
    }
    for number, place in sorted(errors, key=lambda pair: errors[pair]):
        if number in left and at[place] is None:
            at[place] = faces[number]
            left.remove(number)
    return at


def _near(found: np.ndarray, wanted: np.ndarray) -> bool:
    height = FACE_HEIGHT * frontal_interocular(wanted)
    return float(np.linalg.norm(found.mean(axis=0) - wanted.mean(axis=0))) <= height


def _nose_in(face: Face, where: np.ndarray) -> bool:
    column, row = np.rint(face.keypoints[2]).astype(int)
    return 0 <= row < where.shape[0] and 0 <= column < where.shape[1] and bool(where[row, column] > 0)


def identity_of(face: Face | None, identity: np.ndarray) -> float | None:
    """Cosine of a face to a person (512,), None without a face.

    A profile is measured too, but recognisers know frontal faces better and give it less.
    """
    return None if face is None else similarity(face.embedding, identity)
