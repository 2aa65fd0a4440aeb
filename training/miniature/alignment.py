"""Face alignment: five keypoints to the 112 px crop that every ArcFace recogniser reads."""

import cv2
import numpy as np

CROP = 112

# The template of the ArcFace family (x, y in a 112 px crop): left eye, right eye, nose, left and right mouth corner.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The least-squares similarities that carry point sets onto others.

    A point as a complex number turns rotation and scale into one factor, so the fit is one division
    (equal to Umeyama 1991 wherever no reflection would fit better).

    Args:
        source: (n, points, 2) x, y.
        target: (n, points, 2) or (points, 2) x, y.
    Returns:
        (n, 2, 3) float64 matrices for `cv2.warpAffine`.
    """
    source = np.asarray(source, np.float64)
    target = np.broadcast_to(np.asarray(target, np.float64), source.shape)
    middle, wanted = source.mean(axis=1, keepdims=True), target.mean(axis=1, keepdims=True)
    a = (source - middle) @ np.array([1, 1j])
    b = (target - wanted) @ np.array([1, 1j])
    factor = (a.conj() * b).sum(axis=1) / np.maximum((np.abs(a) ** 2).sum(axis=1), 1e-9)
    matrices = np.empty((len(source), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = factor.real
    matrices[:, 1, 0] = factor.imag
    matrices[:, 0, 1] = -factor.imag
    matrices[:, :, 2] = wanted[:, 0] - np.einsum("nij,nj->ni", matrices[:, :, :2], middle[:, 0])
    return matrices


def crop_face(image: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """The aligned face of a picture.

    Args:
        image: (h, w, 3) uint8.
        keypoints: (5, 2) x, y in pixels.
    Returns:
        (112, 112, 3) uint8, the same colour order, black outside the picture.
    """
    matrix = similarity(np.asarray(keypoints)[None], TEMPLATE)[0]
    return cv2.warpAffine(image, matrix, (CROP, CROP), borderValue=(0, 0, 0))


def interocular(keypoints: np.ndarray) -> np.ndarray:
    """Distance of the two eyes, (..., 5, 2) -> (...) pixels."""
    return np.linalg.norm(keypoints[..., 1, :] - keypoints[..., 0, :], axis=-1)
