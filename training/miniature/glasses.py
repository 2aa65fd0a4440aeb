"""Glasses: lenses, bridge and temples, a little before the face."""

from __future__ import annotations

import numpy as np

from training.miniature.brush import Brush, mix, path_of
from training.miniature.features import CIRCLE, Layout
from training.miniature.head import Head
from training.miniature.person import GLASSES_COLOURS


def _lens(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Outline of the right lens about its middle, for a size of 1."""
    c, s = np.cos(CIRCLE), np.sin(CIRCLE)
    if kind == "round":
        return 0.235 * c, 0.235 * s
    power = {"square": 0.45, "wide": 0.55, "cat-eye": 0.7, "half-rim": 0.5, "sunglasses": 0.6}[kind]
    x, y = np.sign(c) * np.abs(c) ** power, np.sign(s) * np.abs(s) ** power
    if kind == "square":
        return 0.245 * x, 0.2 * y
    if kind == "wide":
        return 0.275 * x, 0.145 * y
    if kind == "cat-eye":
        return 0.255 * x + 0.03 * (y < 0) * x, 0.165 * y - 0.11 * np.clip(x, 0, 1) * (y < 0.3)
    if kind == "half-rim":
        return 0.26 * x, 0.17 * y
    return 0.275 * x * (1 - 0.12 * y), 0.2 * y + 0.02


def draw_glasses(brush: Brush, head: Head, layout: Layout) -> None:
    person, u = head.person, head.unit
    if person.glasses == "none":
        return
    colour = GLASSES_COLOURS[person.glasses_colour]
    dx, dy = _lens(person.glasses)
    middle = max(layout.eye_x, 0.3 * person.glasses_size)
    width = {"round": 0.04, "half-rim": 0.035}.get(person.glasses, 0.058) * u
    raised = 0.17
    edges = []
    for sign in (-1, 1):
        x = sign * (middle + dx * person.glasses_size)
        y = layout.eye_y + 0.02 + dy * person.glasses_size
        flat = head.lift(np.clip(x, -head.person.face_width * 0.9, head.person.face_width * 0.9), y, raised)
        flat[:, 0] = x
        lens = head.project(flat)
        path = path_of(lens)
        if person.glasses == "sunglasses":
            brush.draw(path, mix(colour, (20, 20, 26), 0.72), alpha=0.93)
            brush.glow(lens.mean(axis=0) - np.array([0.06, 0.06]) * u, 0.13 * u, (255, 255, 255), 0.4)
        else:
            brush.draw(path, (225, 240, 255), alpha=0.13)
        if person.glasses == "half-rim":
            top = np.sin(CIRCLE) <= 0.25
            order = np.argsort(np.cos(CIRCLE[top]))
            brush.line(lens[top][order], colour, width * 1.9)
        else:
            brush.stroke(path, colour, width)
        edges.append((sign, float(np.abs(x).min()), float(np.abs(x).max())))
    inner = edges[0][1]
    bridge_x = np.array([-inner, 0, inner])
    brush.line(head.face(bridge_x, layout.eye_y + np.array([0.0, -0.06, 0.0]), raised), colour, width)
    for sign, _, outer in edges:
        if sign * head.yaw > 30:
            continue
        hinge = head.lift([sign * person.face_width * 0.9], [layout.eye_y - 0.03], raised)[0]
        hinge[0] = sign * outer
        ear = head.around(np.radians([sign * 92.0]), np.array([layout.eye_y - 0.02]), 0.03)[0]
        brush.line(head.project(np.stack([hinge, ear])), colour, width, smooth=False)
