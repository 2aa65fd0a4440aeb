"""The drawn world's depth: how near each pixel is, from the head's own geometry and the person's outline.

Near is white, stretched to the whole range, as annotators of depth draw it. Behind the person lies a far plane, whose
ground comes nearer towards the bottom where there is any. Clothes and hair are rounded slabs around the head's middle;
the head's surface stands in front of them, with its nose.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from training.miniature.dataset import Drawings
from training.miniature.draw import render_mask
from training.miniature.features import Layout
from training.miniature.head import Head
from training.miniature.person import Person
from training.miniature.shot import Shot

FAR = 0.0
GROUND = 0.22  # nearness of the ground at the picture's bottom
HORIZON = 0.45  # from the top, over the side
SLAB = (0.40, 0.62)  # nearness of clothes and hair at their outline and far inside of it
ROUNDING = 0.16  # how far inside, over the side
HEAD = (0.66, 0.44)  # nearness of the head's axis, and what half a head's height towards the viewer adds
NOSE = (0.2, 0.13, 0.2)  # how far it stands out; half widths across and along; in half head heights

_ROWS, _COLUMNS = 100, 150


def render_depth(person: Person, shot: Shot, size: int = 128) -> np.ndarray:
    """(size, size) uint8: the nearness of what `draw.render` draws, 255 for the nearest point, 0 for the farthest."""
    down = np.linspace(0, 1, size, dtype=np.float32)
    slope = 0.0 if shot.place.startswith("plain ") else GROUND
    near = np.repeat((FAR + slope * np.clip((down - HORIZON) / (1 - HORIZON), 0, 1))[:, None], size, axis=1)
    outline = (render_mask(person, shot, size) > 0.5).astype(np.uint8)
    inside = np.minimum(cv2.distanceTransform(np.pad(outline, 1, mode="edge"), cv2.DIST_L2, 3)[1:-1, 1:-1], size)
    rounded = np.sqrt(1 - (1 - np.clip(inside / (ROUNDING * size), 0, 1)) ** 2)
    near = np.where(outline, SLAB[0] + (SLAB[1] - SLAB[0]) * rounded, near)
    near = np.maximum(near, _head(Head(person, shot), Layout.of(person, shot.expression), size))
    near = near - near.min()
    return np.rint(near / near.max() * 255).astype(np.uint8)


def _head(head: Head, layout: Layout, size: int) -> np.ndarray:
    """(size, size) float32 nearness of the head's surface, 0 where it is not."""
    y, azimuth = np.meshgrid(np.linspace(-1, 1, _ROWS), np.linspace(-np.pi, np.pi, _COLUMNS), indexing="ij")
    y, azimuth = y.ravel(), azimuth.ravel()
    across = head.half_width(y) * np.sin(azimuth)
    ahead = np.cos(azimuth) > 0
    height, width, length = NOSE
    bridge = np.exp(-((across / width) ** 2) - ((y - layout.nose_y + 0.5 * length) / length) ** 2)
    points = head.around(azimuth, y)
    points[:, 2] += ahead * height * bridge
    where = np.floor(head.project(points) * size).astype(int)
    near = HEAD[0] + HEAD[1] * (points @ head.rotation.T)[:, 2]
    seen = ((where >= 0) & (where < size)).all(axis=1)
    found = np.zeros((size, size), np.float32)
    np.maximum.at(found, (where[seen, 1], where[seen, 0]), near[seen].astype(np.float32))
    return cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))


def draw_depths(drawings: Drawings, path: Path, count: int) -> None:
    """Write the depth pictures of the first `count` drawings: (count, side, side) uint8 npy, whole or not at all."""
    side, count = drawings.images.shape[1], min(count, len(drawings))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".partial")
    pictures = np.lib.format.open_memmap(unfinished, "w+", np.uint8, (count, side, side))
    for row, seed in enumerate(drawings.people[:count]):
        pictures[row] = render_depth(Person.from_seed(int(seed)), drawings.shot(row), side)
    pictures.flush()
    unfinished.replace(path)
