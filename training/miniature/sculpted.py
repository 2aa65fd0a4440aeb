"""Soft, shaded heads: a step from drawings towards photographs, for the detector alone.

A head is an ellipsoid with a relief (nose, brow, eye sockets, lips) and a painted skin, lit by one lamp and turned.
Nobody in particular is meant: every head is drawn at random, proportions spread around those of real people, so that
a detector that has seen no photograph of a face still finds one.
Head coordinates as in head.py: x right, y down, z to the viewer, crown at -1 and chin at 1.
"""

from typing import NamedTuple

import cv2
import numpy as np

from training.miniature.degrade import smooth_field
from training.miniature.sculpted_skin import AXIS, SIDE, SculptedFace, U, V


class Sculpted(NamedTuple):
    """image (side, side, 3) uint8 RGB, cover (side, side) uint8 where the person is, keypoints (5, 2) float32 px."""

    image: np.ndarray
    cover: np.ndarray
    keypoints: np.ndarray


def _rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    yaw, pitch, roll = np.radians([yaw, pitch, roll])
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    lean = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return lean @ nod @ turn


def sculpt(rng: np.random.Generator, side: int = 128) -> Sculpted:
    """One random head, turned by up to about 40 degrees, its height .55 to .7 of the side, with hair and shoulders."""
    face = SculptedFace(rng)
    turn = _rotation(rng.normal(0, 16), rng.normal(0, 9), rng.normal(0, 8))
    lamp = rng.normal(0, 1, 3) * (1, 0.8, 0.5) + (0, -0.5, 1.1)
    lamp = turn.T @ (lamp / np.linalg.norm(lamp))
    inside = 1 - (U / face.width) ** 2 - V**2
    surface = face.depth * np.sqrt(np.maximum(inside, 0.0)) + face.relief * (inside > 0.02)
    smooth = cv2.GaussianBlur(surface, (0, 0), 1.0)
    slope_y, slope_x = np.gradient(smooth, AXIS[1] - AXIS[0])
    normal = np.stack([-np.clip(slope_x, -6, 6), -np.clip(slope_y, -6, 6), np.ones_like(smooth)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    lit = normal @ lamp
    ambient = rng.uniform(0.25, 0.8)
    light = ambient + (1 - ambient) * np.clip(lit * 0.8 + 0.2, 0, None) * rng.uniform(1.0, 1.5)
    shine = rng.uniform(0, 45) * np.clip(lit, 0, 1) ** 12
    painted = np.clip(face.skin * light[..., None] + shine[..., None], 0, 255).astype(np.float32)

    unit = side * rng.uniform(0.275, 0.35)
    middle = np.array([side / 2, side * 0.47]) + rng.normal(0, 0.01 * side, 2)
    grid_x, grid_y = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32))
    x, y = (grid_x - middle[0]) / unit, (grid_y - middle[1]) / unit
    radii = 1 / np.array([face.width, 1.0, face.depth]) ** 2
    ray = turn.T @ np.array([0, 0, 1.0])
    start = np.stack([x, y, np.zeros_like(x)], -1) @ turn
    a = (radii * ray * ray).sum()
    b = (start * radii) @ ray
    c = (start * start * radii).sum(-1) - 1
    inner = b * b - a * c
    reach = (-b + np.sqrt(np.maximum(inner, 0))) / a
    to_skin = (SIDE - 1) / 2
    for _ in range(3):
        head = start + reach[..., None] * ray
        place = ((head[..., :2] + 1) * to_skin).astype(np.float32)
        height = cv2.remap(surface, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        front = head[..., 2] > 0.05
        reach = reach + np.where(front, np.clip(height - head[..., 2], -0.25, 0.25), 0) * 0.8
    head = start + reach[..., None] * ray
    place = ((head[..., :2] + 1) * to_skin).astype(np.float32)
    shown = cv2.remap(painted, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    back = np.clip((0.12 - head[..., 2]) * 8, 0, 1)[..., None]
    shown = shown * (1 - back) + face.hair * 0.8 * back
    skull = np.clip(inner * 12, 0, 1)[..., None]

    image, cover = _behind(rng, face, x, y, turn, side)
    image = image * (1 - skull) + shown * skull
    cover = np.maximum(cover, skull[..., 0])
    points = (face.keypoints() @ turn.T)[:, :2] * unit + middle
    return Sculpted(np.clip(image, 0, 255).astype(np.uint8), (cover * 255).astype(np.uint8), points.astype(np.float32))


def _behind(rng: np.random.Generator, face: SculptedFace, x: np.ndarray, y: np.ndarray, turn: np.ndarray, side: int):
    """Hair or a hood around the head, neck and shoulders: image (side, side, 3) float and cover (side, side)."""
    cloth = rng.uniform(10, 245, 3).astype(np.float32)
    image = np.broadcast_to(cloth, (side, side, 3)).astype(np.float32).copy()
    wave = 1 + 0.12 * smooth_field(rng, (side, side), 6)
    image *= wave[..., None]
    shoulders = (y > rng.uniform(1.15, 1.4) + 0.16 * x**2) & (np.abs(x) < rng.uniform(1.3, 2.3))
    neck = (np.abs(x - 0.1 * turn[0, 2]) < rng.uniform(0.35, 0.5)) & (y > 0.3) & ~shoulders & (y < 1.6)
    image = np.where(neck[..., None], face.tone * rng.uniform(0.45, 0.85), image)
    cover = (shoulders | neck).astype(np.float32)
    shift = -0.25 * turn[0, 2]
    volume = rng.uniform(1.0, 1.45)
    fall = rng.uniform(0.2, 1.6)
    hair = ((x - shift) / (face.width * volume)) ** 2 + (
        (y + 0.1) / np.where(y < -0.1, 1.0 * volume**0.5, fall)
    ) ** 2 < 1
    if face.hood:
        hair = ((x - shift) / (face.width * 1.6)) ** 2 + ((y + 0.05) / 1.45) ** 2 < 1
    strands = cv2.resize(face.strands, (side, side))
    colour = np.broadcast_to(rng.uniform(20, 250, 3).astype(np.float32), image.shape) if face.hood else strands * 0.85
    image = np.where(hair[..., None], colour, image)
    cover = np.maximum(cover, hair.astype(np.float32))
    return cv2.GaussianBlur(image, (0, 0), 0.8), cv2.GaussianBlur(cover, (0, 0), 0.8)
