"""Neck, shoulders and clothes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.miniature.brush import Brush, Colour, path_of, shade
from training.miniature.features import skin_colour
from training.miniature.head import Head
from training.miniature.shot import CLOTHES_COLOURS, Shot


class Torso:
    """Coordinates of the body: ``at(x, y)`` in head units below and beside the head's middle; it leans a little."""

    def __init__(self, head: Head, shot: Shot) -> None:
        self.head = head
        lean = np.radians(shot.roll * 0.25)
        self._turn = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
        self._aside = np.sin(np.radians(shot.yaw)) * 0.12

    def at(self, x: ArrayLike, y: ArrayLike) -> np.ndarray:
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        return self.head.centre + self.head.unit * (np.stack([x - self._aside, y], -1) @ self._turn.T)


def draw_body(brush: Brush, head: Head, shot: Shot) -> None:
    """Neck and garment, down to the picture's lower edge."""
    person, u = head.person, head.unit
    torso = Torso(head, shot)
    colour = CLOTHES_COLOURS[shot.clothes_colour]
    skin = skin_colour(person)
    w, s = person.neck_width, person.shoulders
    floor = max(3.0, (1.1 - shot.centre[1]) / u)
    if shot.clothes == "hoodie":
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        brush.fill(torso.at(1.05 * np.cos(turn), 0.98 + 0.5 * np.sin(turn)), shade(colour, -0.3))
    jaw = head.project(np.array([[-w, 0.45, -0.25], [w, 0.45, -0.25]]))
    base = torso.at([w * 1.12, w * 1.4, -w * 1.4, -w * 1.12], [1.2, 1.75, 1.75, 1.2])
    brush.fill(np.concatenate([jaw, base]), shade(skin, -0.1), smooth=False)
    under_chin = np.concatenate([jaw, torso.at([w, 0, -w], [1.12, 1.32, 1.12])])
    blur = 0.05 * u if brush.soft else 0.0
    brush.fill(under_chin, shade(skin, -0.55), alpha=0.4, smooth=False, blur=blur)
    slope = np.array(
        [[w * 1.0, 1.22], [w * 1.5, 1.36], [s * 0.72, 1.5], [s * 0.97, 1.66], [s * 1.08, 2.1], [s * 1.15, floor]]
    )
    right, left = slope, slope[::-1] * [-1, 1]
    outline = np.concatenate([right, left])
    shader = None
    if brush.soft:
        across = np.cos(np.radians(shot.light)) * s
        start, end = torso.at([across, -across], [1.2, 2.8])
        shader = brush.graded(start, end, [shade(colour, 0.14), colour, shade(colour, -0.32)])
    body = path_of(torso.at(outline[:, 0], outline[:, 1]), True, True)
    brush.draw(body, colour, shader=shader)
    for side in (-1, 1):
        brush.line(
            torso.at(side * s * np.array([0.86, 0.83, 0.84]), [2.05, 2.6, floor]), shade(colour, -0.35), 0.035 * u, 0.8
        )
    brush.canvas.save()
    brush.canvas.clipPath(body, True)
    _DETAILS[shot.clothes](brush, torso, colour, skin, w, s, u, floor)
    brush.canvas.restore()


def _opening(
    brush: Brush, torso: Torso, skin: Colour, x: list[float], y: list[float], trim: Colour, width: float
) -> None:
    points = np.array(list(zip(x, y, strict=True)))
    whole = np.concatenate([points, points[-2::-1] * [-1, 1]])
    brush.fill(torso.at(whole[:, 0], whole[:, 1]), shade(skin, -0.04), edge=0)
    brush.line(torso.at(whole[:, 0], whole[:, 1]), trim, width)


def _t_shirt(brush, torso, colour, skin, w, s, u, floor) -> None:
    _opening(
        brush, torso, skin, [w * 1.15, w * 1.05, w * 0.6, 0], [1.1, 1.42, 1.6, 1.64], shade(colour, -0.25), 0.07 * u
    )


def _shirt(brush, torso, colour, skin, w, s, u, floor) -> None:
    _opening(brush, torso, skin, [w * 1.2, w * 0.7, 0.02, 0], [1.1, 1.4, 1.75, 1.8], shade(colour, -0.2), 0.03 * u)
    for side in (-1, 1):
        x = side * np.array([w * 1.05, w * 1.35, w * 0.85, 0.0])
        brush.fill(torso.at(x, [1.15, 1.5, 1.85, 1.66]), shade(colour, 0.3), smooth=False, edge=0)
        brush.line(torso.at(x[[0, 1, 2, 3]], [1.15, 1.5, 1.85, 1.66]), shade(colour, -0.4), 0.03 * u, smooth=False)
    brush.line(torso.at([0, 0], [1.75, floor]), shade(colour, -0.4), 0.03 * u, smooth=False)
    for button in torso.at(0.06, np.arange(2.0, min(floor, 5), 0.42)):
        brush.circle(button, 0.045 * u, (245, 245, 240) if sum(colour) < 500 else (90, 90, 100), edge=0)


def _suit(brush, torso, colour, skin, w, s, u, floor) -> None:
    brush.fill(torso.at([-w * 1.2, w * 1.2, 0.0], [1.1, 1.1, 2.75]), (246, 246, 248), smooth=False, edge=0)
    tie = (176, 28, 44) if colour[0] < 150 else (34, 42, 92)
    brush.fill(
        torso.at([-0.13, 0.13, 0.08, 0.17, 0, -0.17, -0.08], [1.52, 1.52, 1.74, 2.6, 2.8, 2.6, 1.74]),
        tie,
        smooth=False,
        edge=0,
    )
    for side in (-1, 1):
        brush.fill(
            torso.at(side * np.array([w * 0.95, w * 1.3, w * 0.5, 0.02]), [1.14, 1.42, 1.76, 1.54]),
            (255, 255, 255),
            smooth=False,
            edge=0.6,
        )
        x = side * np.array([w * 1.15, w * 1.95, w * 1.6, w * 2.1, 0.0])
        brush.fill(torso.at(x, [1.2, 1.62, 1.82, 1.98, 2.8]), shade(colour, -0.28), smooth=False, edge=0.6)
        brush.line(torso.at(x, [1.2, 1.62, 1.82, 1.98, 2.8]), shade(colour, -0.55), 0.025 * u, smooth=False)


def _hoodie(brush, torso, colour, skin, w, s, u, floor) -> None:
    _opening(
        brush, torso, shade(colour, -0.5), [0.95, 0.75, 0.4, 0], [1.1, 1.45, 1.66, 1.74], shade(colour, -0.2), 0.12 * u
    )
    _opening(brush, torso, skin, [w, w * 0.9, w * 0.5, 0], [1.1, 1.36, 1.5, 1.54], shade(colour, -0.35), 0.03 * u)
    for side in (-1, 1):
        brush.line(torso.at(side * np.array([0.22, 0.25, 0.22]), [1.68, 2.0, 2.3]), (246, 244, 238), 0.055 * u)
    brush.line(torso.at([-0.75, -0.6, 0.6, 0.75], [3.3, 2.75, 2.75, 3.3]), shade(colour, -0.35), 0.04 * u, smooth=False)


def _jumper(brush, torso, colour, skin, w, s, u, floor) -> None:
    light = shade(colour, 0.45) if sum(colour) < 480 else shade(colour, -0.35)
    for y in np.arange(1.85, min(floor, 6), 0.5):
        brush.line(torso.at(np.linspace(-s * 1.2, s * 1.2, 3), [y - 0.04, y + 0.06, y - 0.04]), light, 0.16 * u)
    roll = np.array([[-w * 1.12, 1.1], [w * 1.12, 1.1], [w * 1.25, 1.5], [0, 1.62], [-w * 1.25, 1.5]])
    brush.fill(torso.at(roll[:, 0], roll[:, 1]), shade(colour, 0.12), smooth=False, edge=0.7)
    brush.line(torso.at([-w * 1.1, 0, w * 1.1], [1.3, 1.4, 1.3]), shade(colour, -0.3), 0.03 * u)


def _dress(brush, torso, colour, skin, w, s, u, floor) -> None:
    wide = s * 0.74
    x = [wide, wide * 0.86, wide * 0.55, 0.06, 0]
    _opening(brush, torso, skin, x, [1.1, 1.62, 1.92, 2.02, 2.1], shade(colour, 0.35), 0.05 * u)
    for side in (-1, 1):
        cap = np.array([[s * 1.2, 1.3], [s * 0.92, 1.3], [s * 0.86, 2.0], [s * 0.9, floor], [s * 1.3, floor]])
        brush.fill(torso.at(side * cap[:, 0], cap[:, 1]), shade(skin, -0.06), edge=0.6)
    for bead in torso.at(np.linspace(-w * 1.05, w * 1.05, 9), 1.34 + 0.28 * np.cos(np.linspace(-1.5, 1.5, 9))):
        brush.circle(bead, 0.05 * u, (250, 244, 228), edge=0.4)


def _coat(brush, torso, colour, skin, w, s, u, floor) -> None:
    inner = (226, 220, 206) if sum(colour) < 560 else (70, 84, 112)
    brush.fill(torso.at([-0.34, 0.34, 0.3, -0.3], [1.1, 1.1, floor, floor]), inner, smooth=False, edge=0)
    _opening(brush, torso, skin, [w * 0.95, w * 0.8, w * 0.4, 0], [1.1, 1.36, 1.5, 1.52], shade(inner, -0.25), 0.05 * u)
    for side in (-1, 1):
        collar = np.array([[w * 0.85, 1.12], [w * 1.7, 1.22], [w * 2.0, 1.75], [0.34, 2.3], [0.28, 1.8]])
        brush.fill(torso.at(side * collar[:, 0], collar[:, 1]), shade(colour, -0.22), smooth=False, edge=0.6)
        brush.line(torso.at(side * np.array([0.34, 0.3]), [2.3, floor]), shade(colour, -0.5), 0.05 * u, smooth=False)
        for button in torso.at(side * 0.52, np.arange(2.45, min(floor, 5), 0.45)):
            brush.circle(button, 0.07 * u, shade(colour, -0.55), edge=0)


_DETAILS = {
    "t-shirt": _t_shirt,
    "shirt": _shirt,
    "suit": _suit,
    "hoodie": _hoodie,
    "jumper": _jumper,
    "dress": _dress,
    "coat": _coat,
}
