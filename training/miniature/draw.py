"""One person in one shot, drawn: the picture, the five exact keypoints and the face's box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import skia

from training.miniature import beard, features, garments, glasses, hair, scene, tone
from training.miniature.brush import Brush, mix, path_of, shade
from training.miniature.head import Head
from training.miniature.person import Person
from training.miniature.shot import Shot

_OUTLINES = {"cartoon": 0.016, "line art": 0.016, "vibrant": 0.018, "watercolor": 0.006, "neon": 0.012}
_EARRINGS = {"gold": (240, 190, 60), "silver": (214, 220, 228), "red": (214, 30, 50), "turquoise": (40, 190, 190)}


class Rendered(NamedTuple):
    """image (size, size, 3) uint8 RGB; keypoints (5, 2) float32 x, y px, eyes, nose, mouth corners, the picture's left
    first; box (4,) float32 x0, y0, x1, y1 px around the face from forehead to chin."""

    image: np.ndarray
    keypoints: np.ndarray
    box: np.ndarray


def render(person: Person, shot: Shot, size: int = 128) -> Rendered:
    """Draw a person in a shot at ``size`` pixels a side. The same arguments always give the same bytes."""
    return render_group([(person, shot)], size)[0]


def render_group(members: Sequence[tuple[Person, Shot]], size: int = 128) -> list[Rendered]:
    """Draw several people into one picture, the last in front; place, style and light are the first one's.

    Returns: one Rendered a person, in the order given, all with the same image.
    """
    first = members[0][1]
    brush = _brush(first, size)
    scene.draw_place(brush, first)
    faces = []
    for person, shot in members:
        head = Head(person, shot)
        layout = features.Layout.of(person, shot.expression)
        _draw_person(brush, head, layout, shot)
        outline = head.hull((head.mesh_y > -0.72) & (np.abs(head.mesh_azimuth) < np.radians(95))) * size
        box = np.concatenate([outline.min(axis=0), outline.max(axis=0)])
        faces.append((features.keypoints(head, layout) * size, box))
    scene.draw_foreground(brush, first)
    image = _styled(brush.image(), first)
    return [Rendered(image, points.astype(np.float32), box.astype(np.float32)) for points, box in faces]


def render_place(shot: Shot, size: int = 128) -> np.ndarray:
    """The shot's place with nobody in it: (size, size, 3) uint8 RGB."""
    brush = _brush(shot, size)
    scene.draw_place(brush, shot)
    scene.draw_foreground(brush, shot)
    return _styled(brush.image(), shot)


def render_mask(person: Person, shot: Shot, size: int = 128) -> np.ndarray:
    """How much of each pixel the person covers, whatever the style does to it later: (size, size) float32 in 0..1."""
    brush = _brush(shot, size)
    _draw_person(brush, Head(person, shot), features.Layout.of(person, shot.expression), shot)
    return brush.pixels[..., 3].astype(np.float32) / 255


def _brush(shot: Shot, size: int) -> Brush:
    outline = _OUTLINES.get(shot.style, 0.0) * (0.55 + 0.75 * shot.face_size)
    return Brush(size, outline=outline, soft=shot.style in ("photo", "film noir", "watercolor"))


def _styled(image: np.ndarray, shot: Shot) -> np.ndarray:
    rng = np.random.default_rng(shot.texture + 2)
    if shot.style == "photo":
        return tone.photo(image, rng, shot.light, shot.light_strength, shot.tint)
    if shot.style == "film noir":
        return tone.film_noir(image, rng, shot.light)
    functions = {
        "cartoon": tone.cartoon,
        "line art": tone.line_art,
        "watercolor": tone.watercolor,
        "neon": tone.neon,
        "vibrant": tone.vibrant,
    }
    return functions[shot.style](image, rng)


def _draw_person(brush: Brush, head: Head, layout: features.Layout, shot: Shot) -> None:
    person, u = head.person, head.unit
    skin = features.skin_colour(person)
    hair.draw_behind(brush, head)
    garments.draw_body(brush, head, shot)
    shader = None
    if brush.soft:
        direction = np.radians(shot.light)
        towards = np.array([np.cos(direction), -np.sin(direction)])
        spot = head.project(np.array([0.0, -0.05, 0.5])) + towards * 0.45 * u
        depth = 0.22 + 0.3 * shot.light_strength
        tones = [shade(skin, 0.16), skin, mix(shade(skin, -depth), (120, 50, 50), 0.12)]
        shader = brush.radial(spot, 1.75 * u, [skia.Color(*tone_) for tone_ in tones])
    for side in (-1, 1):
        if side * head.yaw > -18:
            _draw_ear(brush, head, side, skin)
    skull = head.hull()
    brush.fill(skull, skin, shader=shader)
    hair.draw_cap(brush, head)
    front = (np.abs(head.mesh_azimuth) < np.radians(79)) & (head.mesh_y > hair.hairline(person))
    brush.fill(head.hull(front), skin, shader=shader, edge=0)
    beard.draw_beard(brush, head, layout.mouth_y, lambda cheeks: brush.fill(cheeks, skin, shader=shader, edge=0))
    brush.canvas.save()
    brush.canvas.clipPath(path_of(skull), True)
    features.draw_marks(brush, head, layout)
    for side in (-1, 1):
        features.draw_eye(brush, head, layout, shot, side)
    brush.canvas.restore()
    beard.draw_moustache(brush, head, layout.nose_y, layout.mouth_y, layout.mouth_x)
    features.draw_mouth(brush, head, layout)
    features.draw_nose(brush, head, layout, shot)
    for side in (-1, 1):
        features.draw_brow(brush, head, layout, shot, side, hair.brow_colour(person))
    for side in (-1, 1):
        if side * head.yaw < -18:
            _draw_ear(brush, head, side, skin)
    hair.draw_over(brush, head)
    glasses.draw_glasses(brush, head, layout)


def _draw_ear(brush: Brush, head: Head, side: int, skin: tuple[int, int, int]) -> None:
    person, u = head.person, head.unit
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    out = 0.05 + 0.1 * person.ear_out
    middle = head.around(np.radians([side * 97.0]), np.array([0.08]), out * 0.6)[0]
    near = np.clip(-side * head.yaw / 45, 0, 1)
    half = (0.1 + out * 0.5 + 0.06 * near) * person.ear_size
    ring = middle + np.stack([half * np.cos(turn), 0.21 * person.ear_size * np.sin(turn), 0 * turn - 0.02], -1)
    flat = head.project(ring)
    brush.fill(flat, mix(shade(skin, -0.12), (200, 90, 80), 0.1))
    centre = flat.mean(axis=0)
    brush.fill(centre + (flat - centre) * 0.55, mix(shade(skin, -0.32), (170, 60, 60), 0.15), edge=0)
    if person.earrings == "none":
        return
    metal = _EARRINGS[person.earring_colour]
    lobe = head.project(middle + np.array([0, 0.24 * person.ear_size, 0]))
    if person.earrings == "stud":
        brush.circle(lobe, 0.065 * u, metal, edge=0.5)
    elif person.earrings == "hoop":
        path = skia.Path()
        path.addCircle(float(lobe[0]), float(lobe[1] + 0.14 * u), 0.14 * u)
        brush.stroke(path, metal, 0.05 * u)
    else:
        brush.line(np.stack([lobe, lobe + np.array([0, 0.18 * u])]), metal, 0.035 * u, smooth=False)
        brush.circle(lobe + np.array([0, 0.25 * u]), 0.09 * u, metal, edge=0.5)
