"""How far a finished picture is the person, and in the pose, that was asked for."""

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from face.face import similarity
from face.keypoints import keypoint_error

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer


def score(
    image: Image.Image, identity: np.ndarray, wanted: np.ndarray, analyzer: "FaceAnalyzer"
) -> tuple[float | None, float | None]:
    """Identity and pose of the face in a picture.

    Args:
        image: RGB.
        identity: (512,) raw embedding of the person.
        wanted: (5, 2) keypoints x, y px that the picture was asked to have.

    Returns:
        cosine to the person, and mean keypoint distance over the wanted inter-ocular distance. Of several faces the
        one nearest to the wanted place counts. (None, None): no face was found, so nothing can be measured. A profile
        is measured too, but recognisers know frontal faces better and give it less.
    """
    faces = analyzer.find(image)
    if not faces:
        return None, None
    face = min(faces, key=lambda found: keypoint_error(found.keypoints, wanted))
    return similarity(face.embedding, identity), keypoint_error(face.keypoints, wanted)
