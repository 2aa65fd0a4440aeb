"""What is seen in a picture: the face, by the recogniser that conditions the pictures and by one that never does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from evaluation.cases import Take, Wish
from face.keypoints import keypoint_error
from face.views import head_angles

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer
    from face.recogniser import Recogniser

JUDGES = ("conditioning", "neutral")


@dataclass(frozen=True, eq=False)
class Look:
    """A face as it was found.

    Attributes:
        keypoints: (5, 2) x, y px.
        embeddings: of each of the JUDGES, (512,) float32.
    """

    keypoints: np.ndarray
    embeddings: dict[str, np.ndarray]

    @property
    def angles(self) -> np.ndarray:
        """(3,) yaw, pitch, roll in degrees."""
        return np.array(head_angles(self.keypoints))


@dataclass(frozen=True, eq=False)
class Sample:
    """A finished picture with everything that was seen in it.

    Attributes:
        wanted: (5, 2) keypoints x, y px that were asked for.
        look: None when no face was found.
        true, true_look: the true picture of the person as asked for, where there is one.
    """

    take: Take
    wish: Wish
    image: Image.Image
    seconds: float
    wanted: np.ndarray
    look: Look | None
    true: Image.Image | None = None
    true_look: Look | None = None

    @property
    def keypoint_error(self) -> float | None:
        """Mean distance to the wanted keypoints in inter-ocular distances."""
        return None if self.look is None else keypoint_error(self.look.keypoints, self.wanted)


class Eyes:
    """Finds the face of a picture once and shows it to both recognisers.

    Args:
        analyzer: the engine's own.
        neutral: the recogniser that judges and never conditions.
    """

    def __init__(self, analyzer: FaceAnalyzer, neutral: Recogniser) -> None:
        self._analyzer = analyzer
        self._neutral = neutral

    def look(self, image: Image.Image, wanted: np.ndarray | None = None) -> Look | None:
        """The face nearest to the wanted keypoints (5, 2), or the largest; None when there is none."""
        faces = self._analyzer.find(image)
        if not faces:
            return None
        face = faces[0] if wanted is None else min(faces, key=lambda one: keypoint_error(one.keypoints, wanted))
        neutral = self._neutral.embed(image, face.keypoints)
        return Look(face.keypoints, {"conditioning": face.embedding, "neutral": neutral})
