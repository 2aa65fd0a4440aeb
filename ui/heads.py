"""Small heads, drawn as SVG from the same five points that the pipeline gets for a view."""

import math

import numpy as np

from face.keypoints import VIEWS, view_keypoints
from face.views import FACE_HEIGHT, PIVOT, rotation

# In inter-ocular distances, in the space of `face.views.HEAD`: where the two ovals of a head lie and how large they
# are (half width, half height). The back of the head lies behind the face, so a turned head shows it at one side.
SKULL = (np.array([0.0, 0.12, -0.72]), 1.27, 1.36)
FACE = (np.array([0.0, 0.42, -0.12]), 1.02, 1.42)
NECK = np.array([0.0, 1.75, -0.75])
CANVAS = 100


def head_symbol(view: str) -> str:
    """An SVG group of one head. Units: the inter-ocular distance; the origin is where `view_keypoints` puts the centre.

    The points are those of `view_keypoints`, so what is drawn is what is asked for. Strokes and fills are classes
    (`skull`, `neck`, `face`, `line`, `eye`) that the style sheet colours.
    """
    angles = VIEWS[view]
    turn = rotation(angles.yaw, angles.pitch, angles.roll)
    eyes_px = 10.0
    keypoints = view_keypoints(view, (CANVAS, CANVAS), face_size=eyes_px * FACE_HEIGHT / CANVAS, centre=(0.5, 0.5))
    left_eye, right_eye, nose, left_mouth, right_mouth = (keypoints - CANVAS / 2) / eyes_px

    def place(point: np.ndarray) -> tuple[float, float]:
        x, y, _ = turn @ (point - PIVOT)
        return float(x), float(y)

    def oval(name: str, shape: tuple[np.ndarray, float, float], depth: float) -> str:
        centre, half_width, half_height = shape
        x, y = place(centre)
        side = abs(math.sin(math.radians(angles.yaw)))
        wide = half_width * (1 + depth * side)
        return (
            f'<ellipse class="{name}" cx="{x:.2f}" cy="{y:.2f}" rx="{wide:.2f}" ry="{half_height:.2f}" '
            f'transform="rotate({angles.roll:g} {x:.2f} {y:.2f})"/>'
        )

    neck_x, neck_y = place(NECK)
    brow = turn @ (np.array([0.0, 0.12, 0.12]) - PIVOT)
    mouth_middle = (left_mouth + right_mouth) / 2 + np.array([0.0, 0.16])
    parts = [
        f'<path class="neck" d="M{neck_x - 0.55:.2f} {neck_y - 1.1:.2f}V{neck_y + 0.35:.2f}Q{neck_x - 0.6:.2f} '
        f"{neck_y + 0.75:.2f} {neck_x - 1.9:.2f} {neck_y + 0.95:.2f}V3.4H{neck_x + 1.9:.2f}V{neck_y + 0.95:.2f}"
        f'Q{neck_x + 0.6:.2f} {neck_y + 0.75:.2f} {neck_x + 0.55:.2f} {neck_y + 0.35:.2f}V{neck_y - 1.1:.2f}Z"/>',
        oval("skull", SKULL, 0.12),
        oval("face", FACE, -0.04),
    ]
    hidden = _hidden_eye(angles.yaw)
    parts += [
        f'<circle class="eye" cx="{x:.2f}" cy="{y:.2f}" r="0.12"/>'
        for index, (x, y) in enumerate((left_eye, right_eye))
        if index != hidden
    ]
    parts.append(
        f'<path class="line" d="M{brow[0]:.2f} {brow[1]:.2f}L{nose[0]:.2f} {nose[1]:.2f}'
        f'l{-0.22 * math.copysign(1, angles.yaw or 1):.2f} 0.08"/>'
    )
    parts.append(
        f'<path class="line" d="M{left_mouth[0]:.2f} {left_mouth[1]:.2f}Q{mouth_middle[0]:.2f} {mouth_middle[1]:.2f} '
        f'{right_mouth[0]:.2f} {right_mouth[1]:.2f}"/>'
    )
    return f'<g class="head">{"".join(parts)}</g>'


def head_picture(view: str) -> str:
    """A whole SVG of one head, filling its box; decorative, because its label stands beside it."""
    return f'<svg viewBox="-2.3 -2.3 4.6 4.6" aria-hidden="true" focusable="false">{head_symbol(view)}</svg>'


def _hidden_eye(yaw: float) -> int | None:
    """In a profile the far eye is behind the nose: 1 when the nose points to the right, 0 to the left."""
    if abs(yaw) < 55:
        return None
    return 1 if yaw > 0 else 0
