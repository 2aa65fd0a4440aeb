"""The colours of a portrait: behind the head, of the skin, of what is worn; and its edges, to draw around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from face.skin import cheeks

Colour = tuple[int, int, int]

SHIRT: Colour = (96, 124, 160)
"""Of somebody whose clothes are not seen."""

ALIKE = 45.0
"""Distance of two colours in RGB below which they are taken for one."""

SOFT = 12
"""Pixels over which a portrait goes over into what is drawn around it."""


@dataclass(frozen=True)
class Colours:
    ground: Colour
    shadow: Colour
    skin: Colour
    garment: Colour

    @classmethod
    def of(cls, portrait: Image.Image, keypoints: np.ndarray) -> Colours:
        """What a portrait shows: behind the head, on the cheeks, at its lower edge where that is neither of both."""
        pixels = np.asarray(portrait.convert("RGB"), np.float32)
        height, width = pixels.shape[:2]
        ground = np.median(np.concatenate([pixels[: height // 2, :4], pixels[: height // 2, -4:]], axis=1), axis=(0, 1))
        places = np.clip(np.rint(cheeks(keypoints)).astype(int), 3, (width - 4, height - 4))
        skin = np.median(np.concatenate([pixels[y - 3 : y + 4, x - 3 : x + 4] for x, y in places]), axis=(0, 1))
        hair = np.median(pixels[: height // 6, width * 2 // 5 : width * 3 // 5], axis=(0, 1))
        edge = pixels[-max(4, height // 24) :].reshape(-1, 3)
        known = np.stack([ground, skin, hair])
        far = _apart(edge[:, None], known).min(axis=1) > ALIKE
        garment = np.median(edge[far], axis=0) if far.mean() > 0.1 else np.array(SHIRT)
        return cls(*map(_colour, (ground, ground * 0.9, skin, garment)))


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = (int(value) for value in np.rint(values))
    return red, green, blue


def on_ground(portrait: Image.Image, ground: Colour) -> Image.Image:
    """The portrait with what is behind its head brought to one colour: all that is like its sides or its upper edge."""
    pixels = np.asarray(portrait.convert("RGB"), np.float32)
    share = np.linspace(0, 1, pixels.shape[1])[:, None]
    sides = pixels[:, :3].mean(axis=1)[:, None] * (1 - share) + pixels[:, -3:].mean(axis=1)[:, None] * share
    above = np.broadcast_to(pixels[:3].mean(axis=0), pixels.shape)
    whole = np.broadcast_to(np.array(ground, np.float32), pixels.shape)
    choices = np.stack([sides, above, whole])
    # hair and shoulders reach the sides too
    away = np.where(_apart(choices, whole) < 2 * ALIKE, _apart(choices, pixels), np.inf)
    behind = np.take_along_axis(choices, away.argmin(axis=0)[None, ..., None], axis=0)[0]
    alike = np.exp(-np.square(away.min(axis=0) / ALIKE))[..., None]
    return Image.fromarray(np.clip(np.rint(pixels + alike * (whole - behind)), 0, 255).astype(np.uint8))


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distances in RGB."""
    return np.linalg.norm(one - other, axis=-1)


def soft_edge(size: tuple[int, int]) -> Image.Image:
    """A mask that is white inside and goes over into black at its edges."""
    width, height = size
    near = [
        np.clip((np.minimum(np.arange(side), np.arange(side)[::-1]) + 0.5) / SOFT, 0, 1) for side in (width, height)
    ]
    return Image.fromarray(np.rint(255 * np.minimum(near[0][None, :], near[1][:, None])).astype(np.uint8))
