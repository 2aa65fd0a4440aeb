"""Hair, in layers: what hangs behind the head, what lies on it, what falls over the face."""

from __future__ import annotations

import numpy as np

from training.miniature.brush import Brush, Colour, mix, path_of, shade
from training.miniature.head import Head
from training.miniature.person import HAIR_COLOURS, Person

_HANGING = {"bob": (0.55, 0.95), "long": (1.3, 2.3), "wavy": (1.1, 2.0)}


def hair_colour(person: Person) -> Colour:
    return HAIR_COLOURS[person.hair_colour]


def brow_colour(person: Person) -> Colour:
    return shade(mix(hair_colour(person), (60, 42, 34), 0.35), -0.12)


def hairline(person: Person) -> float:
    """Height at which the forehead begins, in head coordinates."""
    return -0.62 - 0.07 * person.hairline - (0.16 if person.hair_style == "receding" else 0)


def _length(person: Person) -> float:
    low, high = _HANGING[person.hair_style]
    return low + (high - low) * person.hair_length


def _curls(head: Head, where: np.ndarray, count: int, raised: float) -> np.ndarray:
    """(count, 2) projected places of curls, the same on the head in every shot."""
    rng = np.random.default_rng(head.person.texture)
    pool = np.flatnonzero(where)
    chosen = pool[rng.permutation(len(pool))[:count]]
    return head.project(head.mesh[chosen] * (1 + raised))


def draw_behind(brush: Brush, head: Head) -> None:
    """Everything that lies behind the neck: curtains of long hair, tails, a bun, the back of an afro."""
    person, u = head.person, head.unit
    colour = shade(hair_colour(person), -0.22)
    style, volume = person.hair_style, person.hair_volume
    if style in _HANGING:
        length = _length(person)
        t = np.linspace(0, 1, 9)
        bulge = 1.12 + 0.22 * volume
        wave = 0.07 * np.sin(t * 16) if style == "wavy" else 0 * t
        width = person.face_width * (bulge + (0.22 if style == "wavy" else 0.06) * t) + wave
        y = -0.55 + (length + 0.55) * t
        z = np.full_like(t, -0.3)
        left = np.stack([-width, y, z], -1)
        right = np.stack([width, y, z], -1)[::-1]
        brush.fill(head.project(np.concatenate([left, right])), colour)
    elif style == "afro":
        radius = (0.26 + 0.14 * volume) * u
        outer = head.mesh_y < 0.25
        for spot in _curls(head, outer, 70, 0.18 + 0.28 * volume):
            brush.circle(spot, radius, colour, edge=1)
        for spot in _curls(head, outer, 70, 0.18 + 0.28 * volume):
            brush.circle(spot, radius * 0.96, colour, edge=0)
    elif style == "curly":
        for spot in _curls(head, (head.mesh_y < 0.45) & (np.abs(head.mesh_azimuth) > 1.2), 60, 0.1 + 0.1 * volume):
            brush.circle(spot, (0.17 + 0.05 * volume) * u, colour, edge=1)
    elif style == "bun":
        spot = head.project(np.array([0, -1.18 - 0.12 * volume, -0.25]))
        brush.circle(spot, (0.28 + 0.12 * volume) * u, colour)
        brush.glow(spot - np.array([0.08, 0.1]) * u, 0.2 * u, shade(hair_colour(person), 0.3), 0.6)
    elif style == "ponytail":
        t = np.linspace(0, 1, 8)
        side = person.parting
        x = side * (0.35 + (0.75 + 0.15 * volume) * np.sin(np.pi * t * 0.75))
        y = -0.75 + (1.2 + 1.1 * person.hair_length) * t**1.2
        width = (0.2 + 0.12 * volume) * np.sin(np.pi * np.clip(t * 0.85 + 0.12, 0, 1))
        z = np.full_like(t, -0.6)
        one, other = np.stack([x - width, y, z], -1), np.stack([x + width, y, z], -1)
        brush.fill(head.project(np.concatenate([one, other[::-1]])), hair_colour(person))
    elif style == "pigtails":
        t = np.linspace(0, 1, 8)
        for side in (-1, 1):
            x = side * (person.face_width * 0.9 + 0.38 * np.sin(np.pi * t * 0.7))
            y = -0.35 + (1.0 + 0.9 * person.hair_length) * t
            width = (0.17 + 0.12 * volume) * np.sin(np.pi * np.clip(t * 0.85 + 0.12, 0, 1)) + 0.02
            z = np.full_like(t, -0.15)
            one, other = np.stack([x - width, y, z], -1), np.stack([x + width, y, z], -1)
            brush.fill(head.project(np.concatenate([one, other[::-1]])), hair_colour(person))


def draw_cap(brush: Brush, head: Head) -> None:
    """The hair on the skull; the face is painted over it afterwards."""
    person = head.person
    style = person.hair_style
    if style == "bald":
        return
    colour = hair_colour(person)
    back = np.abs(head.mesh_azimuth) > np.radians(70)
    behind = (np.abs(head.mesh_azimuth) - np.radians(70)) / np.radians(110)
    nape = 0.02 + (0.75 if person.woman or style == "long" else 0.5) * np.clip(behind, 0, 1)
    if style == "receding":
        ring = back & (head.mesh_y > -0.1 - 0.4 * np.minimum(3 * behind, 1)) & (head.mesh_y < nape)
        brush.fill(head.hull(ring, 1.05), colour)
        return
    lift = {"cropped": 1.03, "side parting": 1.07, "quiff": 1.05, "spiky": 1.05, "bun": 1.03, "ponytail": 1.03}
    scale = lift.get(style, 1.08) + (0.02 if style in ("cropped", "bun") else 0.07) * person.hair_volume
    where = (head.mesh_y < hairline(person)) | (back & (head.mesh_y < nape))
    shader = None
    if brush.soft:
        top, low = head.project(np.array([[0, -1.1, 0], [0, 0.2, 0.0]]))
        shader = brush.graded(top, low, [shade(colour, 0.16), colour, shade(colour, -0.28)])
    brush.fill(head.hull(where, scale, (0, -0.02, -0.02)), colour, shader=shader)


def draw_over(brush: Brush, head: Head) -> None:
    """Fringes, quiffs, spikes and strands that lie over forehead and temples."""
    person, u = head.person, head.unit
    style, volume = person.hair_style, person.hair_volume
    colour = hair_colour(person)
    line = hairline(person)
    side = person.parting
    if style in ("bald", "receding"):
        return
    if style in ("bob", "long", "wavy", "pigtails"):
        reach = np.linspace(-82, 82, 15)
        if person.fringe > 0.5:
            low = np.full(15, line + 0.16 + 0.14 * (person.fringe - 0.5)) + 0.025 * np.cos(np.arange(15) * 2.1)
        else:
            low = line + 0.42 * np.abs(reach / 82 + 0.3 * side) ** 1.5 - 0.04
        _fringe(brush, head, reach, low, colour)
        if style != "pigtails":
            _curtains(brush, head, colour)
    elif style == "side parting":
        reach = np.linspace(-78, 78, 13)
        share = (side * reach / 78 + 1) / 2
        low = line - 0.02 + (0.1 + 0.2 * person.fringe) * np.sin(np.pi * np.clip(share * 1.25 - 0.25, 0, 1)) ** 0.8
        _fringe(brush, head, reach, low + 0.15 * np.abs(reach / 78) ** 3, colour)
    elif style in ("cropped", "bun", "ponytail"):
        reach = np.linspace(-80, 80, 13)
        _fringe(
            brush, head, reach, line + 0.05 + (0.22 if style != "cropped" else 0.3) * np.abs(reach / 80) ** 3, colour
        )
    elif style == "quiff":
        height = 0.16 + 0.26 * volume
        base = head.band(np.linspace(-66, 66, 7), np.full(7, line + 0.05), 0.03)
        x = np.linspace(0.82, -0.82, 9) * person.face_width
        crest = -0.86 - height * np.array([0.1, 0.75, 1.05, 1.15, 1.1, 0.95, 0.75, 0.5, 0.0])[::-side]
        top = head.project(np.stack([x, crest, np.full(9, 0.3)], -1))
        shape = path_of(np.concatenate([base, top]))
        brush.draw(shape, colour)
        brush.canvas.save()
        brush.canvas.clipPath(shape, True)
        for shift in (-0.3, 0.0, 0.3):
            curl = np.stack([np.array([shift, shift + 0.12 * side, shift + 0.3 * side]),
                             np.array([line, -0.9, -0.9 - height]), np.full(3, 0.45)], -1)  # fmt: skip
            brush.line(head.project(curl), shade(colour, 0.22), 0.03 * u, alpha=0.8)
        brush.canvas.restore()
    elif style == "spiky":
        count = 9
        azimuth = np.linspace(-75, 75, count * 2 + 1)
        height = (0.3 + 0.25 * volume) * (np.arange(count * 2 + 1) % 2)
        x = np.sin(np.radians(azimuth)) * person.face_width * (1 + 0.35 * (np.arange(count * 2 + 1) % 2))
        y = -0.93 + 0.38 * (azimuth / 75) ** 2 - height
        top = head.project(np.stack([x, y, np.full_like(x, 0.15)], -1))
        base = head.band(azimuth[::-2], line + 0.06 + 0.2 * np.abs(azimuth[::-2] / 75) ** 3, 0.03)
        brush.fill(np.concatenate([top, base]), colour, smooth=False)
    elif style in ("curly", "afro"):
        front = (head.mesh_y < line + 0.12) & (np.abs(head.mesh_azimuth) < np.radians(85)) & (head.mesh_y > -0.97)
        radius = (0.15 + 0.05 * volume) * u
        spots = _curls(head, front, 60, 0.06)
        for spot in spots:
            brush.circle(spot, radius, colour, edge=1)
        for spot in spots:
            brush.circle(spot, radius * 0.93, colour, edge=0)
        for spot in spots[::2]:
            brush.glow(spot - np.array([0.03, 0.05]) * u, radius, shade(colour, 0.35), 0.5)
        return
    _shine(brush, head, colour, line)


def _fringe(brush: Brush, head: Head, reach: np.ndarray, low: np.ndarray, colour: Colour) -> None:
    top = head.band(reach[::-1], np.full(len(reach), -0.86), 0.05)
    brush.fill(np.concatenate([head.band(reach, low, 0.05), top]), colour, edge=0)
    if brush.outline:
        brush.line(head.band(reach, low, 0.05), brush.ink, brush.outline)


def _curtains(brush: Brush, head: Head, colour: Colour) -> None:
    person = head.person
    length = _length(person)
    t = np.linspace(0, 1, 9)
    wave = 0.06 * np.sin(t * 15) if person.hair_style == "wavy" else 0 * t
    for side in (-1, 1):
        if side * head.yaw > 14:
            continue
        outer = person.face_width * (1.1 + 0.2 * person.hair_volume + 0.05 * t) + wave
        inner = person.face_width * (0.9 + 0.06 * t - 0.12 * np.sin(np.pi * t)) + 0.5 * wave
        y = -0.66 + (length * 0.92 + 0.66) * t
        z = 0.12 + 0.1 * np.sin(np.pi * t)
        one, other = np.stack([side * outer, y, z - 0.25], -1), np.stack([side * inner, y, z], -1)
        other[0] = (side * person.face_width * 0.55, -0.86, 0.3)
        brush.fill(head.project(np.concatenate([one, other[::-1]])), colour)


def _shine(brush: Brush, head: Head, colour: Colour, line: float) -> None:
    bright = shade(colour, 0.3 if sum(colour) < 500 else 0.55)
    for low, high, y in ((-48, -14, line - 0.14), (2, 30, line - 0.18)):
        reach = np.linspace(low, high, 5)
        arc = head.band(reach, y - 0.03 * np.cos(np.linspace(-1.5, 1.5, 5)), 0.07)
        brush.line(arc, bright, 0.05 * head.unit, alpha=0.5)
