"""Places: plain colours and painted scenes, told apart by what stands beside and above the head."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.miniature import landscapes
from training.miniature.brush import Brush, shade
from training.miniature.shot import PLAIN_COLOURS, Shot


def draw_place(brush: Brush, shot: Shot) -> None:
    rng = np.random.default_rng(shot.texture)
    if shot.place.startswith("plain "):
        colour = PLAIN_COLOURS[shot.place.removeprefix("plain ")]
        brush.sky([shade(colour, 0.1), colour, shade(colour, -0.14)] if brush.soft else [colour, colour])
        return
    _SCENES[shot.place](brush, rng)


def draw_foreground(brush: Brush, shot: Shot) -> None:
    """What falls or floats before the person: snowflakes and bubbles."""
    rng = np.random.default_rng(shot.texture + 1)
    if shot.place == "snow":
        for x, y in rng.uniform(0, 1, (26, 2)):
            brush.circle((x, y), rng.uniform(0.006, 0.014), (255, 255, 255), alpha=0.95)
    elif shot.place == "underwater":
        for x, y in rng.uniform(0, 1, (7, 2)):
            brush.circle((x, y), rng.uniform(0.01, 0.025), (220, 250, 255), alpha=0.35)


def _night_city(brush: Brush, rng: np.random.Generator) -> None:
    brush.sky([(10, 14, 44), (36, 34, 92), (96, 62, 122)])
    brush.circle((rng.uniform(0.12, 0.88), 0.09), 0.05, (246, 240, 206))
    for depth, tone in ((0, (36, 36, 78)), (1, (20, 20, 50))):
        x = -0.03 - 0.05 * depth
        while x < 1:
            width = rng.uniform(0.11, 0.18)
            top = rng.uniform(0.12, 0.4) + 0.12 * depth
            brush.rect(x, top, width, 1.2, tone)
            for wx in np.arange(x + 0.022, x + width - 0.025, 0.038):
                for wy in np.arange(top + 0.03, 0.95, 0.056):
                    if rng.random() < 0.6:
                        brush.rect(
                            wx, wy, 0.02, 0.028, (255, 214, 110) if rng.random() < 0.8 else (150, 220, 255), edge=0
                        )
            x += width + 0.008


def _space(brush: Brush, rng: np.random.Generator) -> None:
    brush.sky([(8, 8, 26), (18, 12, 48), (6, 6, 20)])
    for colour in ((120, 40, 150), (30, 80, 180)):
        brush.glow(rng.uniform(0, 1, 2), 0.5, colour, 0.6)
    for x, y in rng.uniform(0, 1, (70, 2)):
        brush.circle((x, y), rng.choice([0.003, 0.005, 0.009]), (255, 255, 240), edge=0)
    x = float(rng.choice([0.13, 0.87]))
    tone = ((226, 160, 90), (90, 170, 220), (200, 110, 140))[int(rng.integers(3))]
    brush.circle((x, 0.17), 0.11, tone)
    brush.glow((x - 0.03, 0.13), 0.1, shade(tone, 0.5), 0.7)
    brush.line(np.array([[x - 0.17, 0.21], [x, 0.19], [x + 0.17, 0.13]]), (244, 226, 190), 0.014)


def _library(brush: Brush, rng: np.random.Generator) -> None:
    brush.sky([(74, 44, 28), (58, 34, 22)])
    colours = (
        (170, 48, 44),
        (40, 84, 130),
        (52, 118, 76),
        (206, 160, 70),
        (104, 58, 110),
        (222, 206, 170),
        (190, 100, 50),
    )
    for row in range(6):
        base = 0.17 + row * 0.185
        x = -0.01
        while x < 1:
            width = rng.uniform(0.025, 0.05)
            height = rng.uniform(0.1, 0.145)
            colour = colours[int(rng.integers(len(colours)))]
            brush.rect(x, base - height, width - 0.005, height, colour, edge=0.5)
            brush.rect(x, base - height * 0.75, width - 0.005, 0.01, shade(colour, 0.4), edge=0)
            x += width
        brush.rect(-0.05, base, 1.1, 0.026, (128, 80, 46))


_SCENES: dict[str, Callable[[Brush, np.random.Generator], None]] = {
    "mars": landscapes.mars,
    "jungle": landscapes.jungle,
    "snow": landscapes.snow,
    "beach": landscapes.beach,
    "night city": _night_city,
    "forest": landscapes.forest,
    "desert sunset": landscapes.desert_sunset,
    "space": _space,
    "library": _library,
    "garden": landscapes.garden,
    "underwater": landscapes.underwater,
}
