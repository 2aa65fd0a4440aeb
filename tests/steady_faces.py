"""Faces that need no model to be found."""

import hashlib
from pathlib import Path

import numpy as np

from face.analyzer import FaceAnalyzer
from face.face import Face

PACK = Path(__file__).parents[1] / "assets" / "miniature" / "face"
"""Whoever borrows a detector from this analyzer gets the miniature's."""
POINTS = np.array([[0.4, 0.4], [0.6, 0.4], [0.5, 0.5], [0.42, 0.62], [0.58, 0.62]], np.float32)
BOX = np.array([0.3, 0.25, 0.7, 0.75], np.float32)


class SteadyAnalyzer(FaceAnalyzer):
    """Finds one face in the middle of every picture, with an embedding that depends on the pixels alone."""

    def __init__(self) -> None:
        self.folder = PACK
        self.blind = False
        self.other_sizes = ()
        self._attributes = None

    def find(self, image):
        if self.blind:
            return []
        digest = hashlib.sha256(np.asarray(image).tobytes()).digest()
        embedding = np.random.default_rng(list(digest)).standard_normal(512).astype(np.float32)
        size = np.array(image.size, np.float32)
        return [Face(embedding, POINTS * size, BOX * np.tile(size, 2), 0.9, image.size)]
