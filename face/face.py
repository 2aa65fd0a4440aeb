"""One face in one picture, as the analyzer found it."""

from dataclasses import dataclass

import numpy as np

from face.views import head_angles


@dataclass(frozen=True, eq=False)
class Face:
    """A face with everything the path needs of it.

    embedding: (512,) float32, raw as the recogniser gives it, not normalised; personal data, never to be logged.
    keypoints: (5, 2) float32 x, y in pixels of the picture as given: left eye, right eye, nose, left mouth corner,
        right mouth corner, left and right as seen in the picture of an upright face.
    box: (4,) float32 x1, y1, x2, y2 in pixels, clipped to the picture.
    det_score: confidence of the detector, 0 to 1.
    size: (width, height) of the picture in pixels.
    """

    embedding: np.ndarray
    keypoints: np.ndarray
    box: np.ndarray
    det_score: float
    size: tuple[int, int]

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))

    @property
    def yaw(self) -> float:
        """Degrees by which the head is turned, estimated from the keypoints; positive = nose towards the right."""
        return head_angles(self.keypoints)[0]


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Cosine of two embeddings of any length, -1 to 1; 0 when one of them has no direction."""
    first, second = np.asarray(first, np.float64).ravel(), np.asarray(second, np.float64).ravel()
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths > 0 else 0.0
