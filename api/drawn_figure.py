"""A whole figure below a portrait, for weights that know heads alone: drawn by rule, in the colours of the portrait.

Lengths are in heads, crown to chin; x grows to the right from the figure's middle, y downwards from the crown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from api.portrait_colours import Colour, Colours, on_ground, soft_edge

Point = tuple[float, float]

FINE = 3
"""The figure is drawn so many times as large and then made smaller, which smooths its edges."""

ABOVE, BELOW = 0.35, 0.4
"""Air above the crown and below the soles."""

# Of a figure of seven and a half heads, as figure drawing has it.
USUAL_HEADS = 7.5
NECK, SHOULDERS, CHEST, WAIST, HIPS, CROTCH, KNEES, SOLES = 1.1, 1.55, 2.1, 2.85, 3.6, 3.95, 5.7, 7.5
SLEEVES, ELBOWS, WRISTS = 2.1, 2.8, 3.75
LAP = 4.45
"""Where the knees of somebody who sits are seen."""

# Widths of a figure with the usual body-mass index.
USUAL_INDEX = 22.0
WIDTHS = {"shoulders": 1.8, "chest": 1.45, "waist": 1.1, "hips": 1.38}
ARM, WRIST, THIGH, CALF, ANKLE = 0.36, 0.22, 0.62, 0.42, 0.26
GROWTH = {"shoulders": 0.3, "chest": 0.6, "waist": 0.95, "hips": 0.65, "limbs": 0.55}
"""Powers by which widths grow with the index."""

SHOES: Colour = (48, 44, 46)
CHAIR: Colour = (164, 130, 98)


@dataclass(frozen=True)
class Figure:
    """What is drawn below a portrait.

    Attributes:
        pose: standing, walking or sitting.
        heads: heads in the height of the figure when it stands.
        index: body-mass index in kg/m².
        shoulders, waist, hips, limbs: widths over the usual ones at this index.
        skirt: instead of trousers.
        legs: colour of what is worn below; that of the garment when None.
        garment: colour of what is worn above; that in the portrait when None.
    """

    pose: str = "standing"
    heads: float = USUAL_HEADS
    index: float = USUAL_INDEX
    shoulders: float = 1.0
    waist: float = 1.0
    hips: float = 1.0
    limbs: float = 1.0
    skirt: bool = False
    legs: Colour | None = None
    garment: Colour | None = None

    def below(self, portrait: Image.Image, keypoints: np.ndarray, head: float, crown: float) -> Image.Image:
        """The whole figure, RGB. Its head and neck are those of the portrait, pixel for pixel but for the soft edge.

        Args:
            portrait: RGB.
            keypoints: (5, 2) x, y px of the face in it.
            head: height of the head in px. crown: its y in px.
        """
        height = round((ABOVE + self._down(LAP + SOLES - KNEES if self.pose == "sitting" else SOLES) + BELOW) * head)
        width = max(portrait.width, round(height / 2))
        left, top = (width - portrait.width) // 2, round(ABOVE * head - crown)
        colours = Colours.of(portrait, keypoints)
        if self.garment is not None:
            colours = replace(colours, garment=self.garment)
        canvas = Image.new("RGB", (width * FINE, height * FINE), colours.ground)
        middle = left + float(np.mean(keypoints[:, 0]))
        self._draw(_Pen(ImageDraw.Draw(canvas), middle * FINE, ABOVE * head * FINE, head * FINE), colours)
        drawn = canvas.resize((width, height), Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(0.7))
        drawn.paste(on_ground(portrait, colours.ground), (left, top), soft_edge(portrait.size))
        return drawn

    def _down(self, y: float) -> float:
        """A height of the usual figure in this one, whose head is as high as that of the other."""
        return y if y < 1 else 1 + (y - 1) * (self.heads - 1) / (USUAL_HEADS - 1)

    def _grown(self, part: str) -> float:
        return (self.index / USUAL_INDEX) ** GROWTH[part] * (self.heads / USUAL_HEADS) ** 0.6

    def _half(self, part: str) -> float:
        more = {"shoulders": self.shoulders, "waist": self.waist, "hips": self.hips}.get(part, 1.0)
        return WIDTHS[part] / 2 * more * self._grown(part)

    def _draw(self, pen: _Pen, colours: Colours) -> None:
        down, limbs = self._down, self.limbs * self._grown("limbs")
        floor = down(LAP + SOLES - KNEES if self.pose == "sitting" else SOLES)
        pen.oval((0, floor - 0.02), 1.0, 0.12, colours.shadow)
        if self.pose == "sitting":
            pen.box(-0.8, down(2.3), 0.8, down(LAP - 0.15), CHAIR)
            for side in (-0.8, 0.68):
                pen.box(side, down(LAP - 0.2), side + 0.12, floor, CHAIR)
        for side in (-1, 1):
            self._leg(pen, colours, side, limbs)
        if self.skirt:
            hem = down(LAP + 0.3 if self.pose == "sitting" else KNEES - 0.3)
            half = self._half("hips")
            pen.both_sides(
                [(self._half("waist"), down(WAIST)), (half, down(HIPS)), (half * 1.25, hem)],
                self.legs or colours.garment,
            )
        for side in (-1, 1):
            self._arm(pen, colours, side, limbs)
        shoulders, chest, waist, hips = (self._half(part) for part in ("shoulders", "chest", "waist", "hips"))
        pen.both_sides(
            [
                (0.26, NECK - 0.06),
                (0.36, NECK),
                (0.62, NECK + 0.1),
                (max(0.66, shoulders * 0.88), down(SHOULDERS) - 0.18),
                (shoulders, down(SHOULDERS)),
                (chest, down(CHEST)),
                (waist, down(WAIST)),
                (hips, down(HIPS)),
                (hips * 0.95, down(CROTCH - 0.12)),
            ],
            colours.garment,
        )

    def _leg(self, pen: _Pen, colours: Colours, side: int, limbs: float) -> None:
        down = self._down
        hip = side * self._half("hips") * 0.52
        covered = colours.skin if self.skirt else self.legs or colours.garment
        if self.pose == "sitting":
            knee = (side * (abs(hip) + 0.14), down(LAP))
            foot = (knee[0], down(LAP + SOLES - KNEES) - 0.12)
            pen.limb((hip, down(CROTCH - 0.2)), knee, THIGH * limbs, THIGH * limbs, covered)
        else:
            lifted = 0.35 if self.pose == "walking" and side > 0 else 0.0
            knee = (hip * (0.8 if self.pose == "walking" else 1.0), down(KNEES) - lifted * 0.6)
            foot = (hip * (0.6 if self.pose == "walking" else 1.0), down(SOLES) - 0.12 - lifted)
            pen.limb((hip, down(CROTCH - 0.25)), knee, THIGH * limbs, CALF * 1.1 * limbs, covered)
        pen.oval((foot[0] + side * 0.05, foot[1]), 0.24, 0.13, SHOES)
        pen.limb(knee, (foot[0], foot[1] - 0.1), CALF * limbs, ANKLE * limbs**0.5, covered)

    def _arm(self, pen: _Pen, colours: Colours, side: int, limbs: float) -> None:
        down = self._down
        shoulder = (side * (self._half("shoulders") - ARM * limbs * 0.45), down(SHOULDERS) + 0.14)
        body = max(self._half(part) for part in ("waist", "hips"))
        out = max(abs(shoulder[0]) + 0.05, body + 0.1)
        elbow, hand = (side * out, down(ELBOWS)), (side * (out + 0.06), down(WRISTS))
        if self.pose == "walking":
            swing = 0.45 if side > 0 else -0.1
            hand = (side * (out - 0.1 + 0.1 * swing), down(WRISTS) - swing)
        elif self.pose == "sitting":
            hand = (side * (self._half("hips") * 0.52 + 0.14), down(LAP - 0.45))
        pen.limb(elbow, hand, ARM * 0.8 * limbs, WRIST * limbs**0.5, colours.skin)
        pen.oval((hand[0], hand[1] + 0.1), 0.12, 0.17, colours.skin)
        pen.limb(shoulder, elbow, ARM * limbs, ARM * 0.85 * limbs, colours.garment)


class _Pen:
    """Draws in heads around the figure's middle. middle, crown, head: px of the canvas."""

    def __init__(self, draw: ImageDraw.ImageDraw, middle: float, crown: float, head: float) -> None:
        self._draw = draw
        self._middle = middle
        self._crown = crown
        self._head = head

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self._draw.rounded_rectangle([*self._at((left, top)), *self._at((right, bottom))], self._head * 0.05, colour)

    def oval(self, centre: Point, across: float, down: float, colour: Colour) -> None:
        """across, down: half of its width and of its height."""
        (x, y) = centre
        self._draw.ellipse([*self._at((x - across, y - down)), *self._at((x + across, y + down))], colour)

    def limb(self, start: Point, end: Point, thick: float, thin: float, colour: Colour) -> None:
        """From one joint to the next; thick, thin: its width at both."""
        along = np.subtract(end, start)
        across = np.array([-along[1], along[0]]) / max(1e-6, float(np.hypot(*along)))
        corners = [start + across * thick / 2, end + across * thin / 2, end - across * thin / 2]
        corners.append(start - across * thick / 2)
        self._draw.polygon([self._at((x, y)) for x, y in corners], colour)
        self.oval(start, thick / 2, thick / 2, colour)
        self.oval(end, thin / 2, thin / 2, colour)

    def both_sides(self, half: Sequence[Point], colour: Colour) -> None:
        """A shape that is the same on both sides, round at its corners. half: its right edge from top to bottom."""
        right = _rounded(half)
        outline = [*right, *[(-x, y) for x, y in reversed(right)]]
        self._draw.polygon([self._at(point) for point in outline], colour)

    def _at(self, point: Point) -> Point:
        return (self._middle + point[0] * self._head, self._crown + point[1] * self._head)


def _rounded(points: Sequence[Point], rounds: int = 3) -> list[Point]:
    """Chaikin's corner cutting: each corner is replaced by points at a quarter of its edges."""
    line = np.array(points, np.float64)
    for _ in range(rounds):
        near, far = 0.75 * line[:-1] + 0.25 * line[1:], 0.25 * line[:-1] + 0.75 * line[1:]
        line = np.concatenate([line[:1], np.stack([near, far], axis=1).reshape(-1, 2), line[-1:]])
    return [(float(x), float(y)) for x, y in line]
