"""The head in space: a stack of ellipses turned by yaw, pitch and roll and weakly projected.

Head coordinates: x to the right of the picture, y down, z towards the viewer; crown at y = -1, chin at y = 1.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike

from training.miniature.person import Person
from training.miniature.shot import Shot

_WIDEST = -0.12
_PERSPECTIVE = 0.09


_TABLE_Y = np.linspace(-1, 1, 161)


def _profiles(person: Person) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half width, depth in front and depth behind of the head's cross sections, at the heights of the table."""
    y = _TABLE_Y
    up = np.clip((_WIDEST - y) / (1 + _WIDEST), 0, 1)
    down = np.clip((y - _WIDEST) / (1 - _WIDEST), 0, 1)
    crown = (1 - up**2.3) ** 0.5
    jaw = (1 - down ** (2.2 + person.jaw)) ** (0.66 - 0.16 * person.jaw)
    cheek = 1 + 0.1 * person.jaw_width * np.sin(np.pi * down) - 0.05 * person.forehead * (1 - up) * (y < 0)
    width = person.face_width * np.where(y < _WIDEST, crown, jaw * cheek)
    above, below = np.clip(-y, 0, 1), np.clip(y, 0, 0.93)
    dome = (1 - above**2.3) ** 0.5
    front = 0.6 * np.where(y < 0, dome, (1 - below**5) ** 0.5)
    back = 0.92 * np.where(y < 0, dome, (1 - np.clip(y, 0, 1) ** 1.4) ** 0.6)
    return width, front, back


def convex(points: np.ndarray) -> np.ndarray:
    """Convex outline (m, 2) of points (n, 2)."""
    return cv2.convexHull(points.astype(np.float32))[:, 0].astype(np.float64)


class Head:
    """Geometry of one person's head in one shot. All ``points`` are (n, 2) float64 in sides of the picture (0..1)."""

    def __init__(self, person: Person, shot: Shot) -> None:
        self.person = person
        self.unit = shot.face_size / 2
        self.centre = np.array(shot.centre, dtype=np.float64)
        self.yaw = shot.yaw
        yaw, pitch, roll = np.radians([shot.yaw, shot.pitch, shot.roll])
        turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        nod = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        lean = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        self.rotation = lean @ nod @ turn
        self._width, self._front, self._back = _profiles(person)
        y = np.concatenate([np.linspace(-1, -0.8, 5), np.linspace(-0.7, 0.7, 11), np.linspace(0.8, 1, 7)])
        azimuth = np.radians(np.arange(-180, 180, 12.0))
        grid_y, grid_a = np.meshgrid(y, azimuth, indexing="ij")
        self.mesh_y, self.mesh_azimuth = grid_y.ravel(), grid_a.ravel()
        self.mesh = self.around(self.mesh_azimuth, self.mesh_y)

    def half_width(self, y: np.ndarray) -> np.ndarray:
        """Half width of the head at height y."""
        return np.interp(y, _TABLE_Y, self._width)

    def front_depth(self, y: np.ndarray) -> np.ndarray:
        return np.interp(y, _TABLE_Y, self._front)

    def back_depth(self, y: np.ndarray) -> np.ndarray:
        return np.interp(y, _TABLE_Y, self._back)

    def around(self, azimuth: ArrayLike, y: ArrayLike, raised: float | np.ndarray = 0.0) -> np.ndarray:
        """(n, 3) points of the head at an azimuth (radians, 0 in front, positive to the right) and height."""
        azimuth, y = np.broadcast_arrays(np.asarray(azimuth, float), np.asarray(y, float))
        x, z = np.sin(azimuth), np.cos(azimuth)
        ahead = z > 0
        depth = np.where(ahead, self.front_depth(y), self.back_depth(y))
        z = np.where(ahead, np.sqrt(1 - np.minimum(np.abs(x), 1) ** 2.4), z)
        return np.stack([(self.half_width(y) + raised) * x, y, (depth + raised) * z], axis=-1)

    def lift(self, x: ArrayLike, y: ArrayLike, raised: float | np.ndarray = 0.0) -> np.ndarray:
        """(n, 3) points of the face at frontal coordinates x, y, ``raised`` above the skin."""
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        share = np.minimum(np.abs(x) / np.maximum(self.half_width(y), 0.05), 0.995)
        z = self.front_depth(y) * np.sqrt(1 - share**2.4) + raised
        return np.stack([x, y, z], axis=-1)

    def project(self, points: np.ndarray) -> np.ndarray:
        """(n, 3) head coordinates -> (n, 2) x, y in sides of the picture."""
        turned = np.asarray(points) @ self.rotation.T
        nearness = 1 / (1 - _PERSPECTIVE * turned[..., 2:])
        return self.centre + self.unit * nearness * turned[..., :2]

    def face(self, x: ArrayLike, y: ArrayLike, raised: float | np.ndarray = 0.0) -> np.ndarray:
        """Frontal face coordinates -> (n, 2) points of the picture."""
        return self.project(self.lift(x, y, raised))

    def band(self, azimuth_degrees: np.ndarray, y: np.ndarray, raised: float | np.ndarray = 0.0) -> np.ndarray:
        """Points around the head, kept from running over the visible edge to the far side."""
        azimuth = np.minimum(np.maximum(azimuth_degrees, -94 - self.yaw), 94 - self.yaw)
        return self.project(self.around(np.radians(azimuth), y, raised))

    def hull(
        self, where: np.ndarray | None = None, scale: float = 1.0, shift: tuple[float, float, float] = (0, 0, 0)
    ) -> np.ndarray:
        """Convex outline (n, 2) of the mesh, or of the part of it ``where`` is true, scaled about the head's middle."""
        points = self.mesh if where is None else self.mesh[where]
        return convex(self.project(points * scale + np.asarray(shift)))
