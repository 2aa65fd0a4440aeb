"""What is done to pictures and their keypoints before the detector sees them: cut, mirror, warp, soften, photograph."""

from collections.abc import Callable

import cv2
import numpy as np

from training.miniature import degrade


def random_crop(picture: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A random square of a picture, mirrored half of the time, at `side` pixels."""
    height, width = picture.shape[:2]
    length = int(rng.uniform(0.25, 1.0) * min(height, width))
    y, x = int(rng.integers(height - length + 1)), int(rng.integers(width - length + 1))
    crop = np.ascontiguousarray(picture[y : y + length, x : x + length])
    crop = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA if length > side else cv2.INTER_LINEAR)
    return crop[:, ::-1].copy() if rng.random() < 0.5 else crop


def mirrored(faces: np.ndarray, width: int) -> np.ndarray:
    """Keypoints of a picture flipped left to right: left and right change names."""
    flipped = faces[:, [1, 0, 2, 4, 3]].copy()
    flipped[..., 0] = width - 1 - flipped[..., 0]
    return flipped


def warped(picture: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Other proportions: a soft random displacement of a few per cent of the side; the keypoints go along."""
    side = picture.shape[0]
    strength = side * rng.uniform(0.004, 0.022)
    move = np.stack([degrade.smooth_field(rng, (side, side), 4) for _ in range(2)], -1) * strength
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).astype(np.float32)
    image = cv2.remap(picture, grid + move.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # The map says where each new pixel comes from; a point's new place solves new + move(new) = old.
    new = points.astype(np.float64).copy()
    for _ in range(3):
        at = np.clip(new.round().astype(int), 0, side - 1)
        new = points - move[at[:, 1], at[:, 0]]
    return image, new


def softened(picture: np.ndarray, rng: np.random.Generator, photographs: list[np.ndarray]) -> np.ndarray:
    """A drawing made less like a drawing: blurred edges, uneven light, the texture of a photograph."""
    side = picture.shape[0]
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.8, 2.0) * side / 128)
    picture = degrade.relight(picture, rng, rng.uniform(0.2, 0.6))
    if rng.random() < 0.6:
        texture = random_crop(photographs[int(rng.integers(len(photographs)))], side, rng).astype(np.float32)
        detail = texture - cv2.GaussianBlur(texture, (0, 0), 6)
        picture = np.clip(picture + rng.uniform(0.1, 0.5) * detail, 0, 255).astype(np.uint8)
    return picture


def photographed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What the way to the detector does to a picture; a third stays as it is."""
    if rng.random() < 0.33:
        return image
    steps: list[tuple[float, Callable[[np.ndarray], np.ndarray]]] = [
        (0.15, lambda x: _occluded(x, rng)),
        (0.3, lambda x: degrade.relight(x, rng, 0.35)),
        (0.7, lambda x: degrade.recolour(x, rng, 1.2)),
        (0.15, degrade.grey),
        (0.25, lambda x: degrade.shrink(x, rng, 0.3)),
        (0.2, lambda x: degrade.blur(x, rng, 2.2)),
        (0.3, lambda x: degrade.grain(x, rng, 18)),
        (0.2, lambda x: degrade.compress(x, rng)),
    ]
    for share, step in steps:
        if rng.random() < share:
            image = step(image)
    return image


def _occluded(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A few small things in front."""
    image = image.copy()
    for _ in range(int(rng.integers(1, 4))):
        start = rng.uniform(0, image.shape[0], 2).astype(int)
        colour = rng.integers(0, 256, 3).tolist()
        if rng.random() < 0.5:
            cv2.line(
                image,
                start.tolist(),
                rng.uniform(0, image.shape[0], 2).astype(int).tolist(),
                colour,
                int(rng.integers(1, 6)),
            )
        else:
            end = start + rng.uniform(6, 45, 2).astype(int)
            cv2.rectangle(image, start.tolist(), end.tolist(), colour, -1)
    return image
