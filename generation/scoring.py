"""Which face of a picture is meant, and how far it is a person."""

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from face.face import Face, similarity
from face.keypoints import keypoint_error

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer


def face_at(image: Image.Image, wanted: np.ndarray, analyzer: "FaceAnalyzer") -> Face | None:
    """Of the faces of a picture (RGB) the one nearest to the wanted keypoints (5, 2) x, y px; None without a face."""
    return min(analyzer.find(image), key=lambda found: keypoint_error(found.keypoints, wanted), default=None)


def identity_of(face: Face | None, identity: np.ndarray) -> float | None:
    """Cosine of a face to a person (512,), None without a face.

    A profile is measured too, but recognisers know frontal faces better and give it less.
    """
    return None if face is None else similarity(face.embedding, identity)
