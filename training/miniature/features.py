"""What is on the face: eyes, brows, nose, mouth, and marks of skin and age."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.miniature.brush import Brush, Colour, mix, path_of, shade
from training.miniature.head import Head, convex
from training.miniature.person import EYE_COLOURS, Person
from training.miniature.shot import Shot

_SKIN = ((255, 226, 206), (246, 204, 170), (222, 168, 122), (168, 112, 74), (120, 76, 52), (78, 50, 38))
CIRCLE = np.linspace(0, 2 * np.pi, 22, endpoint=False)


def skin_colour(person: Person) -> Colour:
    place = person.skin * (len(_SKIN) - 1)
    low = min(int(place), len(_SKIN) - 2)
    base = mix(_SKIN[low], _SKIN[low + 1], place - low)
    return mix(base, (236, 150, 140) if person.undertone > 0 else (214, 190, 110), 0.14 * abs(person.undertone))


@dataclass(frozen=True)
class Layout:
    """Where the features sit in frontal head coordinates, moved by the expression."""

    eye_x: float
    eye_y: float
    eye_width: float
    eye_height: float
    brow_y: float
    nose_y: float
    mouth_y: float
    mouth_x: float
    corner_lift: float
    gape: float

    @classmethod
    def of(cls, person: Person, expression: str) -> Layout:
        eye_y = -0.04 + person.eye_height
        eye_width = 0.165 * person.eye_size
        opening = {"surprised": 1.25, "smile": 0.85, "frown": 0.85}.get(expression, 1.0)
        nose_y = 0.33 + 0.09 * person.nose_length
        lift = {"smile": -0.09, "frown": 0.07, "open mouth": -0.02, "surprised": 0.0}.get(expression, 0.0)
        wide = {"smile": 1.22, "surprised": 0.72, "open mouth": 0.95, "frown": 0.95}.get(expression, 1.0)
        return cls(
            eye_x=min(person.eye_spacing, person.face_width * 0.52),
            eye_y=eye_y,
            eye_width=eye_width,
            eye_height=eye_width * 0.66 * person.eye_open * opening,
            brow_y=eye_y - 0.215 - 0.04 * person.brow_height - (0.09 if expression == "surprised" else 0),
            nose_y=nose_y,
            mouth_y=max(0.615 + 0.05 * person.mouth_height, nose_y + 0.2),
            mouth_x=person.mouth_width * wide,
            corner_lift=lift - 0.025 * person.mouth_curve,
            gape={"smile": 0.04, "open mouth": 0.13, "surprised": 0.17}.get(expression, 0.0),
        )


def keypoints(head: Head, layout: Layout) -> np.ndarray:
    """(5, 2) x, y in sides of the picture: eye centres, nose tip, mouth corners, the picture's left first."""
    eyes = head.face([-layout.eye_x, layout.eye_x], layout.eye_y)
    nose = head.face([0.0], layout.nose_y, head.person.nose_lift * 0.8)
    mouth = head.face([-layout.mouth_x, layout.mouth_x], layout.mouth_y + layout.corner_lift)
    return np.concatenate([eyes, nose, mouth])


def draw_eye(brush: Brush, head: Head, layout: Layout, shot: Shot, side: int) -> None:
    person, u = head.person, head.unit
    tilt = -0.22 * person.eye_tilt
    dx = layout.eye_width * np.cos(CIRCLE)
    dy = layout.eye_height * np.sin(CIRCLE) * (1 - 0.25 * np.abs(np.cos(CIRCLE)))
    dy = np.where(dy > 0, 0.85 * dy, dy)
    outline = head.face(side * (layout.eye_x + dx), layout.eye_y + dy + tilt * dx * 0.6)
    white = path_of(outline)
    socket = head.face(side * (layout.eye_x + 1.35 * dx), layout.eye_y + 1.5 * dy - 0.01)
    skin = skin_colour(person)
    brush.fill(socket, shade(skin, -0.35), alpha=0.28, blur=0.03 * u if brush.soft else 0.0)
    brush.draw(white, (250, 249, 246), edge=0.7)
    brush.canvas.save()
    brush.canvas.clipPath(white, True)
    look_x = shot.gaze[0] * 0.3 * layout.eye_width
    look_y = shot.gaze[1] * 0.3 * layout.eye_height
    radius = 0.108 * person.eye_size**0.5
    iris = head.face(
        side * layout.eye_x + look_x + radius * np.cos(CIRCLE), layout.eye_y + look_y + radius * np.sin(CIRCLE)
    )
    colour = EYE_COLOURS[person.eye_colour]
    brush.fill(iris, shade(colour, -0.45), edge=0)
    middle = iris.mean(axis=0)
    brush.fill(middle + (iris - middle) * 0.82, colour, edge=0)
    brush.fill(middle + (iris - middle) * 0.46, (14, 12, 14), edge=0)
    brush.circle(middle + np.array([-0.035, -0.04]) * u, 0.03 * u, (255, 255, 255), edge=0)
    brush.canvas.restore()
    above = np.sin(CIRCLE) <= 0.05
    lid = outline[above]
    order = np.argsort(np.cos(CIRCLE[above]))
    dark = (40, 26, 24)
    brush.line(lid[order], dark, (0.028 + 0.03 * person.lashes) * u)
    if person.lashes > 0.4:
        x = side * (layout.eye_x + layout.eye_width * np.array([0.9, 1.32]))
        tip = head.face(x, layout.eye_y + np.array([tilt * 0.08, tilt * 0.12 - 0.07]))
        brush.line(tip, dark, 0.035 * u * person.lashes, smooth=False)


def draw_brow(brush: Brush, head: Head, layout: Layout, shot: Shot, side: int, colour: Colour) -> None:
    person = head.person
    frown = {"frown": 0.1, "surprised": -0.05}.get(shot.expression, 0.0)
    t = np.linspace(0, 1, 7)
    half = 0.2 * person.brow_length
    x = layout.eye_x + half * (2 * t - 1)
    y = layout.brow_y - 0.07 * person.brow_arch * np.sin(np.pi * t**1.3) - 0.05 * person.brow_tilt * (t - 0.5)
    y = y + frown * (1 - t) * 0.9
    thick = 0.052 * person.brow_thickness * np.array([0.75, 1, 1, 0.95, 0.8, 0.6, 0.25])
    upper = head.face(side * x, y - thick, 0.02)
    lower = head.face(side * x[::-1], (y + thick)[::-1], 0.02)
    brush.fill(np.concatenate([upper, lower]), colour, edge=0, smooth=True)


def draw_nose(brush: Brush, head: Head, layout: Layout, shot: Shot) -> None:
    person, u = head.person, head.unit
    skin = skin_colour(person)
    width, lift, y = person.nose_width, person.nose_lift, layout.nose_y
    top = layout.eye_y + 0.02
    bridge = 0.045 + 0.03 * width
    side = np.array([-1.0, 1.0])
    around = np.concatenate([
        head.face(side * bridge, top, 0.10 * person.nose_bridge),
        head.face(side * (width * 0.55 + 0.02), y - 0.12, lift * 0.45),
        head.face(side * width, y + 0.03, lift * 0.18),
        head.face(0.45 * width * np.cos(CIRCLE), y + 0.075 * np.sin(CIRCLE), lift * 0.85),
        head.face(side * width * 0.5, y + 0.095, lift * 0.4),
    ])  # fmt: skip
    body = convex(around)
    tone = mix(shade(skin, -0.09), (206, 90, 80), 0.12)
    dark = shade(skin, -0.45)
    if brush.soft:
        tilt = np.array([np.cos(np.radians(shot.light)), -np.sin(np.radians(shot.light))])
        away = body.mean(axis=0) - tilt * 0.05 * u
        brush.fill(
            away + (body - body.mean(axis=0)) * 1.04, dark, alpha=0.2 + 0.22 * shot.light_strength, blur=0.045 * u
        )
    shape = path_of(body)
    brush.draw(shape, tone, edge=0)
    wing_left = head.face([-width * 0.75, -width * 1.02, -width * 0.8], [y - 0.05, y + 0.02, y + 0.085], lift * 0.2)
    wing_right = head.face([width * 0.75, width * 1.02, width * 0.8], [y - 0.05, y + 0.02, y + 0.085], lift * 0.2)
    for wing in (wing_left, wing_right):
        brush.line(wing, dark, 0.03 * u, alpha=0.8)
    for sign in (-1, 1):
        nostril = head.face(
            sign * width * 0.45 + 0.05 * np.cos(CIRCLE), y + 0.085 + 0.024 * np.sin(CIRCLE), lift * 0.42
        )
        brush.fill(nostril, shade(skin, -0.62), edge=0)
    tip = head.face([-0.02], y - 0.03, lift * 0.95)[0]
    brush.canvas.save()
    brush.canvas.clipPath(shape, True)
    brush.glow(tip, (0.09 + 0.2 * width) * u, shade(skin, 0.45), 0.6 if brush.soft else 0.5)
    brush.canvas.restore()


def draw_mouth(brush: Brush, head: Head, layout: Layout) -> None:
    person, u = head.person, head.unit
    skin = skin_colour(person)
    lips = mix(mix(shade(skin, -0.16), (190, 70, 70), 0.45), (196, 24, 54), 0.75 * person.lip_colour)
    t = np.linspace(-1, 1, 11)
    arc = 1 - t**2
    corner = layout.mouth_y + layout.corner_lift
    sag = layout.mouth_y - 0.35 * layout.corner_lift
    middle = corner + (sag - corner) * arc
    x = layout.mouth_x * t
    full = 0.075 * person.lip_fullness
    bow = 1 - 0.35 * np.exp(-((t / 0.16) ** 2))
    gape = layout.gape * arc**0.7
    upper = head.face(x, middle - full * arc**0.6 * bow - 0.25 * gape, 0.03)
    inner_top = head.face(x, middle - 0.25 * gape, 0.02)
    inner_low = head.face(x, middle + 0.9 * gape, 0.02)
    lower = head.face(x, middle + 1.2 * full * arc**0.7 + 0.9 * gape, 0.03)
    brush.fill(np.concatenate([upper, lower[::-1]]), lips, edge=0.5)
    if layout.gape:
        hole = path_of(np.concatenate([inner_top, inner_low[::-1]]), True, False)
        brush.draw(hole, (84, 22, 30), edge=0)
        brush.canvas.save()
        brush.canvas.clipPath(hole, True)
        teeth = np.concatenate([inner_top, (inner_top + np.array([0, 0.075 * u]))[::-1]])
        brush.fill(teeth, (250, 248, 240), edge=0, smooth=False)
        brush.canvas.restore()
    else:
        brush.line(head.face(x, middle, 0.03), shade(lips, -0.6), 0.03 * u)
    shine = head.face([0.0], layout.mouth_y + 0.7 * full + 0.9 * layout.gape, 0.04)[0]
    brush.glow(shine, 0.09 * u * person.lip_fullness, (255, 255, 255), 0.3)


def draw_marks(brush: Brush, head: Head, layout: Layout) -> None:
    """Blush, freckles, a mole, and the lines of age."""
    person, u = head.person, head.unit
    skin = skin_colour(person)
    for sign in (-1, 1):
        cheek = head.face([sign * person.face_width * 0.58], 0.3)[0]
        brush.glow(cheek, 0.3 * u, mix(skin, (226, 60, 70), 0.75), 0.15 + 0.5 * person.blush)
    if person.freckles:
        rng = np.random.default_rng(person.texture)
        count = int(14 + 18 * person.freckles)
        x = rng.uniform(0.1, 0.6, count) * rng.choice([-1, 1], count) * person.face_width * 1.1
        for spot in head.face(x, rng.uniform(0.1, 0.38, count)):
            brush.circle(spot, 0.02 * u, mix(shade(skin, -0.4), (150, 70, 30), 0.5), edge=0)
    if person.mole:
        brush.circle(
            head.face([person.mole[0] * person.face_width], person.mole[1])[0], 0.036 * u, (50, 30, 26), edge=0
        )
    lines = person.age_lines
    if lines > 0.05:
        dark = shade(skin, -0.42)
        for sign in (-1, 1):
            fold = head.face(
                sign * np.array([person.nose_width + 0.05, layout.mouth_x + 0.06, layout.mouth_x + 0.08]),
                [layout.nose_y + 0.06, layout.mouth_y - 0.12, layout.mouth_y + 0.04],
            )
            brush.line(fold, dark, 0.026 * u, alpha=0.35 + 0.5 * lines)
            bag = head.face(sign * (layout.eye_x + layout.eye_width * np.array([-0.8, 0, 0.8])),
                            layout.eye_y + layout.eye_height * np.array([1.0, 1.6, 1.0]) + 0.03)  # fmt: skip
            brush.line(bag, dark, 0.022 * u, alpha=0.3 + 0.4 * lines)
        for row in range(2):
            x = np.linspace(-0.35, 0.35, 5) * person.face_width
            wave = head.face(x, layout.brow_y - 0.15 - 0.08 * row + 0.015 * np.cos(5 * x))
            brush.line(wave, dark, 0.02 * u, alpha=0.2 + 0.4 * lines)
