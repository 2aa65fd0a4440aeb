"""Beards and moustaches, painted in two layers: under the cheeks and around the mouth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.miniature.brush import Brush, mix
from training.miniature.hair import hair_colour
from training.miniature.head import Head, convex


def draw_beard(brush: Brush, head: Head, mouth_y: float, repaint_skin: Callable[[np.ndarray], None]) -> None:
    """The part of a beard that lies on jaw and chin; ``repaint_skin(outline)`` repaints the cheeks above it."""
    person = head.person
    kind = person.beard
    if kind in ("none", "moustache", "goatee"):
        return
    colour = mix(hair_colour(person), (50, 34, 28), 0.15)
    lower = (head.mesh_y > 0.02) & (np.abs(head.mesh_azimuth) < np.radians(88))
    if kind == "stubble":
        brush.fill(head.hull(lower, 1.0), colour, alpha=0.42, edge=0)
    elif kind == "chin strap":
        brush.fill(head.hull(lower, 1.03), colour)
    else:
        hanging = 0.05 + 0.1 * person.beard_length if kind == "full" else 0.3 + 0.45 * person.beard_length
        points = head.mesh[lower] * 1.05
        y = points[:, 1]
        points[:, 1] = y + hanging * np.clip((y - 0.5) / 0.5, 0, 1) ** 1.5
        brush.fill(convex(head.project(points)), colour)
    depth = 0.92 if kind == "chin strap" else mouth_y - 0.12
    turn = np.linspace(0, 2 * np.pi, 26, endpoint=False)
    wide = 0.84 if kind == "chin strap" else 0.86
    x = wide * person.face_width * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.75
    middle, half = (depth - 0.5) / 2, (depth + 0.5) / 2
    cheeks = head.face(x * np.where(np.sin(turn) > 0.6, 0.92, 1), middle + half * np.sin(turn))
    repaint_skin(cheeks)


def draw_moustache(brush: Brush, head: Head, nose_y: float, mouth_y: float, mouth_x: float) -> None:
    """Hair around the mouth, painted after the cheeks and before the lips."""
    person = head.person
    if person.beard in ("none", "stubble", "chin strap"):
        return
    colour = mix(hair_colour(person), (50, 34, 28), 0.15)
    if person.beard == "goatee":
        turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        long = 0.16 + 0.25 * person.beard_length
        y = mouth_y + 0.14 + np.where(np.sin(turn) > 0, long + 0.1, 0.2) * np.sin(turn)
        chin = head.lift(0.26 * np.cos(turn), np.minimum(y, 0.78), 0.05)
        chin[:, 1] = y
        brush.fill(head.project(chin), colour)
    t = np.linspace(-1, 1, 13)
    top = (nose_y + mouth_y) / 2 + 0.01
    middle, end = mouth_y - 0.02, mouth_y + (0.05 if person.beard == "moustache" else 0.1)
    reach = max(mouth_x * 1.15, 0.28)
    upper = head.face(reach * t, top + (end - top) * np.abs(t) ** 2.4, 0.07)
    lower = head.face(reach * t[::-1], middle + (end - middle) * np.abs(t[::-1]) ** 1.6, 0.07)
    brush.fill(np.concatenate([upper, lower]), colour)
