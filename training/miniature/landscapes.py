"""Landscapes behind the person."""

from __future__ import annotations

import numpy as np
import skia

from training.miniature.brush import Brush, Colour, mix, shade


def _ridge(brush: Brush, rng: np.random.Generator, y: float, rough: float, colour: Colour, count: int = 8) -> None:
    x = np.linspace(-0.1, 1.1, count)
    top = y + rng.uniform(-rough, rough, count)
    brush.fill(np.concatenate([np.stack([x, top], -1), [[1.3, 1.2], [-0.3, 1.2]]]), colour)


def _oval(x: float, y: float, rx: float, ry: float) -> skia.Path:
    path = skia.Path()
    path.addOval(skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry))
    return path


def mars(brush: Brush, rng: np.random.Generator) -> None:
    brush.sky([(232, 150, 96), (240, 178, 124), (222, 120, 72)], 0, 0.6)
    brush.glow((rng.uniform(0.15, 0.85), 0.13), 0.14, (255, 246, 226), 1.0)
    _ridge(brush, rng, 0.42, 0.05, (192, 92, 54))
    brush.sky([(196, 84, 44), (140, 50, 26)], 0.56, 1.0)
    for x in (rng.uniform(-0.02, 0.16), rng.uniform(0.82, 1.0)):
        w, h = rng.uniform(0.1, 0.16), rng.uniform(0.3, 0.45)
        rock = np.array(
            [[x - w, 0.75], [x - w * 0.8, 0.7 - h], [x - w * 0.2, 0.66 - h], [x + w * 0.5, 0.72 - h], [x + w, 0.75]]
        )
        brush.fill(rock, (160, 66, 36), smooth=False)
        brush.fill(rock * [0.6, 1] + [0.4 * x + 0.02, 0.02], (132, 48, 28), smooth=False, edge=0)
    for x, y in rng.uniform(0, 1, (9, 2)):
        brush.draw(_oval(x, 0.72 + 0.28 * y, 0.05 + 0.02 * y, 0.018), (120, 42, 24), alpha=0.7)


def _leaf(brush: Brush, x: float, y: float, angle: float, length: float, colour) -> None:
    t = np.array([0, 0.25, 0.55, 0.85, 1.0])
    half = length * 0.24 * np.array([0.05, 0.8, 1, 0.5, 0])
    along = np.concatenate([t, t[::-1]]) * length
    across = np.concatenate([half, -half[::-1]])
    c, s = np.cos(angle), np.sin(angle)
    brush.fill(np.stack([x + c * along - s * across, y + s * along + c * across], -1), colour)
    brush.line(
        np.array([[x, y], [x + c * length * 0.9, y + s * length * 0.9]]), shade(colour, 0.3), 0.006, 0.8, smooth=False
    )


def jungle(brush: Brush, rng: np.random.Generator) -> None:
    brush.sky([(150, 206, 110), (54, 126, 62), (20, 66, 40)])
    greens = ((22, 92, 48), (38, 130, 56), (76, 164, 60), (16, 70, 44), (120, 190, 70))
    for i in range(30):
        edge = rng.uniform(0, 1)
        if i % 3 == 0:
            x, y, angle = edge, -0.03, rng.uniform(0.5, 2.6)
        else:
            left = i % 3 == 1
            x, y = (-0.04 if left else 1.04), edge
            angle = rng.uniform(-0.9, 0.7) if left else np.pi + rng.uniform(-0.7, 0.9)
        _leaf(brush, x, y, angle, rng.uniform(0.22, 0.4), greens[int(rng.integers(5))])
    for x in rng.uniform(0, 1, 2):
        brush.line(np.array([[x, 0], [x + 0.03, 0.15], [x - 0.02, 0.3]]), (70, 96, 40), 0.012)


def _fir(brush: Brush, x: float, base: float, height: float, colour, snow: bool) -> None:
    brush.rect(x - 0.012, base - 0.04, 0.024, 0.06, (90, 62, 44))
    for level in range(3):
        top = base - height + level * height * 0.26
        half = height * (0.16 + 0.08 * level)
        tier = np.array([[x, top], [x + half, top + height * 0.42], [x - half, top + height * 0.42]])
        brush.fill(tier, colour, smooth=False)
        if snow:
            cap = np.array(
                [
                    [x, top],
                    [x + half * 0.6, top + height * 0.25],
                    [x, top + height * 0.17],
                    [x - half * 0.6, top + height * 0.25],
                ]
            )
            brush.fill(cap, (250, 253, 255), smooth=False, edge=0)


def snow(brush: Brush, rng: np.random.Generator) -> None:
    brush.sky([(150, 192, 232), (206, 228, 246)])
    peak = rng.uniform(0.1, 0.9)
    brush.fill(np.array([[peak - 0.5, 0.7], [peak, 0.16], [peak + 0.5, 0.7]]), (176, 198, 222), smooth=False)
    brush.fill(
        np.array([[peak - 0.15, 0.32], [peak, 0.16], [peak + 0.15, 0.32], [peak, 0.27]]),
        (252, 254, 255),
        smooth=False,
        edge=0,
    )
    for x in (0.06, 0.2, 0.82, 0.95):
        _fir(brush, x + rng.uniform(-0.03, 0.03), 0.68, rng.uniform(0.36, 0.56), (44, 104, 88), True)
    _ridge(brush, rng, 0.68, 0.03, (244, 249, 254))
    for x, y in rng.uniform(0, 1, (40, 2)):
        brush.circle((x, y), rng.uniform(0.005, 0.012), (255, 255, 255), edge=0)


def beach(brush: Brush, rng: np.random.Generator) -> None:
    brush.sky([(72, 168, 232), (178, 224, 248)], 0, 0.46)
    brush.circle((rng.uniform(0.1, 0.9), 0.1), 0.07, (255, 236, 120))
    brush.sky([(22, 132, 190), (60, 190, 206)], 0.46, 0.68)
    for y in (0.52, 0.58, 0.64):
        brush.line(np.array([[0, y], [0.3, y + 0.012], [0.6, y - 0.008], [1, y]]), (232, 250, 252), 0.008, 0.9)
    brush.sky([(246, 222, 160), (226, 188, 118)], 0.67, 1)
    left = rng.random() < 0.5
    x = 0.08 if left else 0.92
    bend = 0.06 if left else -0.06
    brush.line(np.array([[x - bend, 0.8], [x - bend * 0.4, 0.5], [x, 0.24]]), (142, 98, 58), 0.034)
    for angle in np.linspace(-2.9, -0.2, 5):
        _leaf(brush, x, 0.24, angle + rng.uniform(-0.1, 0.1), 0.2, (40, 146, 70))
    _leaf(brush, x, 0.24, 0.5, 0.17, (30, 120, 60))
    _leaf(brush, x, 0.24, 2.6, 0.17, (30, 120, 60))


def forest(brush: Brush, rng: np.random.Generator) -> None:
    brush.sky([(206, 224, 168), (140, 176, 110), (74, 104, 62)])
    for depth in range(2):
        for x in np.arange(rng.uniform(-0.05, 0.05), 1.05, 0.15 - 0.02 * depth):
            x = x + rng.uniform(-0.03, 0.03)
            w = 0.014 + 0.022 * depth
            tone = (126, 120, 84) if depth == 0 else (86, 58, 38)
            brush.fill(
                np.array([[x - w, -0.05], [x + w, -0.05], [x + w * 1.5, 1.05], [x - w * 1.5, 1.05]]), tone, smooth=False
            )
            brush.line(
                np.array([[x - w * 0.4, 0.0], [x - w * 0.5, 1.0]]), shade(tone, 0.25), w * 0.4, 0.6, smooth=False
            )
    for x, y in rng.uniform(0, 1, (26, 2)):
        brush.circle(
            (x, y * 0.2 - 0.03),
            rng.uniform(0.04, 0.08),
            ((54, 110, 48), (80, 138, 58), (40, 88, 44))[int(rng.integers(3))],
            edge=0.6,
        )
    _ridge(brush, rng, 0.84, 0.03, (66, 86, 40))


def desert_sunset(brush: Brush, rng: np.random.Generator) -> None:
    brush.sky([(86, 44, 120), (214, 74, 108), (252, 150, 70), (255, 214, 110)], 0, 0.66)
    brush.circle((rng.choice([0.18, 0.82]), 0.46), 0.13, (255, 240, 170))
    _ridge(brush, rng, 0.62, 0.03, (196, 110, 64), 5)
    _ridge(brush, rng, 0.76, 0.04, (150, 76, 56), 5)
    for x, h in ((rng.uniform(0.05, 0.14), 0.34), (rng.uniform(0.86, 0.95), 0.26)):
        for line in (
            [[x, 0.8], [x, 0.8 - h]],
            [[x, 0.66], [x - 0.055, 0.66], [x - 0.055, 0.56]],
            [[x, 0.7], [x + 0.055, 0.7], [x + 0.055, 0.6]],
        ):
            brush.line(np.array(line), (38, 72, 50), 0.032, smooth=False)


def _flower(brush: Brush, x: float, y: float, size: float, colour) -> None:
    for angle in np.arange(0, 2 * np.pi, 2 * np.pi / 5):
        brush.circle((x + np.cos(angle) * size * 0.62, y + np.sin(angle) * size * 0.62), size * 0.48, colour, edge=0.5)
    brush.circle((x, y), size * 0.4, (252, 214, 70), edge=0)


def garden(brush: Brush, rng: np.random.Generator) -> None:
    brush.sky([(176, 222, 250), (214, 240, 214), (132, 196, 96)], 0, 0.5)
    brush.sky([(116, 186, 84), (66, 138, 60)], 0.4, 1.0)
    for x, y in rng.uniform(0, 1, (18, 2)):
        brush.circle(
            (x, 0.2 + 0.5 * y),
            rng.uniform(0.05, 0.1),
            ((84, 160, 70), (108, 182, 86), (60, 132, 62))[int(rng.integers(3))],
            edge=0,
        )
    colours = ((236, 62, 84), (250, 150, 190), (252, 250, 244), (170, 96, 206), (250, 160, 50))
    for i in range(34):
        x = rng.uniform(0, 0.28) if i % 3 == 0 else rng.uniform(0.72, 1) if i % 3 == 1 else rng.uniform(0, 1)
        _flower(brush, x, rng.uniform(0.12, 1.0), rng.uniform(0.03, 0.055), colours[int(rng.integers(5))])


def underwater(brush: Brush, rng: np.random.Generator) -> None:
    brush.sky([(110, 220, 230), (20, 136, 184), (8, 58, 120)])
    for x in rng.uniform(-0.1, 1, 4):
        ray = np.array([[x, -0.02], [x + 0.09, -0.02], [x + 0.3, 0.8], [x + 0.08, 0.8]])
        brush.fill(ray, (230, 255, 250), alpha=0.16, smooth=False)
    for side in (0.04, 0.12, 0.88, 0.96):
        y = np.linspace(1.02, 0.5 + rng.uniform(0, 0.2), 8)
        brush.line(np.stack([side + 0.022 * np.sin(y * 20 + side * 30), y], -1), (30, 130, 84), 0.024)
    for i in range(5):
        left = i % 2 == 0
        x, y = (
            (rng.uniform(0.05, 0.22) if left else rng.uniform(0.78, 0.95)),
            0.08 + 0.11 * i + rng.uniform(-0.03, 0.03),
        )
        size, way = rng.uniform(0.04, 0.06), float(rng.choice([-1, 1]))
        colour = ((255, 150, 40), (255, 220, 70), (240, 80, 110))[int(rng.integers(3))]
        brush.fill(
            np.array(
                [
                    [x - way * size * 0.6, y],
                    [x - way * size * 1.5, y - size * 0.6],
                    [x - way * size * 1.5, y + size * 0.6],
                ]
            ),
            colour,
            smooth=False,
        )
        brush.draw(_oval(x, y, size, size * 0.56), colour)
        brush.circle((x + way * size * 0.5, y - 0.008), 0.007, (20, 20, 30), edge=0)
    for x, y in rng.uniform(0, 1, (16, 2)):
        brush.circle((x, y), rng.uniform(0.007, 0.02), mix((200, 246, 255), (120, 220, 240), 0.5), alpha=0.55)
