"""Three plain pictures of a fit: lines over a logarithmic axis, histograms, and points in space, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK, GRID, PAPER = (40, 40, 46), (222, 222, 228), (255, 255, 255)
COLOURS = ((52, 89, 196), (214, 96, 44), (46, 140, 92), (150, 70, 160), (120, 120, 128))
SCALE = 2
"""Everything is drawn this much larger and brought down at the end, for smooth edges."""


class Axes:
    """A frame with two axes, drawn in the units of the data; what the lines are stands above it.

    x_ticks: where the x axis is marked, when not at even steps. log_x: it is logarithmic.
    """

    def __init__(
        self, size: tuple[int, int], x: tuple[float, float], y: tuple[float, float], *, title: str, x_label: str,
        y_label: str, x_ticks: Sequence[float] | None = None, log_x: bool = False,
    ) -> None:  # fmt: skip
        self._size, self._x, self._y, self._log = size, x, y, log_x
        self.image = Image.new("RGB", (size[0] * SCALE, size[1] * SCALE), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self._box = (66, 58, size[0] - 18, size[1] - 48)
        left, top, right, bottom = self._box
        for value in _ticks(*y):
            self._line([self.at(x[0], value), self.at(x[1], value)], GRID, 1)
            self.words((left - 8, self.at(x[0], value)[1]), f"{value:g}", "rm")
        free = 0.0
        for value in _ticks(*x) if x_ticks is None else sorted(x_ticks):
            self._line([self.at(value, y[0]), self.at(value, y[1])], GRID, 1)
            middle, half = self.at(value, y[0])[0], _width(f"{value:,.8g}") / 2
            if middle - half >= free:
                self.words((middle, bottom + 8), f"{value:,.8g}", "mt")
                free = middle + half + 6
        self._line([(left, top), (left, bottom), (right, bottom)], INK, 1.5)
        self.words((left, 14), _shortened(title, 15, right - left), "lm", 15)
        self.words(((left + right) / 2, size[1] - 12), x_label, "mm")
        self.words((left, top - 8), y_label, "lm", 11)

    def at(self, x: float, y: float) -> tuple[float, float]:
        left, top, right, bottom = self._box
        low, high, value = (
            (math.log10(self._x[0]), math.log10(self._x[1]), math.log10(x)) if self._log else (*self._x, x)
        )
        across = (value - low) / (high - low)
        up = (y - self._y[0]) / (self._y[1] - self._y[0])
        return left + across * (right - left), bottom - up * (bottom - top)

    def line(self, points: Sequence[tuple[float, float]], colour: tuple[int, int, int], *, dots: bool = False) -> None:
        places = [self.at(*point) for point in points]
        if len(places) > 1:
            self._line(places, colour, 2)
        for x, y in places if dots else ():
            self.draw.ellipse([SCALE * side for side in (x - 3.5, y - 3.5, x + 3.5, y + 3.5)], fill=colour)

    def legend(self, lines: Sequence[tuple[tuple[int, int, int], str]]) -> None:
        """Colours and names on one line above the frame, to its right end."""
        right, y = self._box[2], self._box[1] - 24
        for colour, name in reversed(lines):
            self.words((right, y), name, "rm")
            left = right - _width(name) - 6
            self._line([(left - 18, y), (left, y)], colour, 3)
            right = left - 36

    def words(self, place: tuple[float, float], text: str, anchor: str, size: int = 12) -> None:
        self.draw.text((place[0] * SCALE, place[1] * SCALE), text, INK, _font(size), anchor)

    def done(self) -> Image.Image:
        return self.image.resize(self._size, Image.Resampling.LANCZOS)

    def _line(self, places: Sequence[tuple[float, float]], colour: tuple[int, int, int], width: float) -> None:
        self.draw.line([(SCALE * x, SCALE * y) for x, y in places], colour, round(width * SCALE), joint="curve")


def sweep_chart(lines: Mapping[str, Sequence[tuple[float, float]]], *, title: str) -> Image.Image:
    """Cosine over the number of people. lines: name to (people, cosine) points."""
    sizes = [x for points in lines.values() for x, _ in points]
    lowest = min([y for points in lines.values() for _, y in points])
    floor = math.floor(10 * max(-1, min(lowest, 0.9))) / 10
    axes = Axes(
        (720, 420), (min(sizes) * 0.8, max(sizes) * 1.25), (floor, 1.0), title=title, x_label="people in the fit",
        y_label="cosine to the true template", x_ticks=sorted(set(sizes)), log_x=True,
    )  # fmt: skip
    for colour, points in zip(COLOURS, lines.values(), strict=False):
        axes.line(sorted(points), colour, dots=True)
    axes.legend(list(zip(COLOURS, lines, strict=False)))
    return axes.done()


def histogram_chart(samples: Mapping[str, np.ndarray], *, title: str, threshold: float | None) -> Image.Image:
    """Shares of cosines in bins of 0.02. threshold: a line across, None for none."""
    lowest = [float(values.min()) for values in samples.values()]
    if threshold is not None:
        lowest.append(threshold - 0.02)  # its line stands beside the axis, not on it
    low = math.floor(10 * min(0.9, *lowest)) / 10
    edges = np.arange(low, 1.0001, 0.02)
    shares = [np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values) for values in samples.values()]
    highest = max(float(share.max()) for share in shares) * 1.08
    axes = Axes(
        (720, 420), (float(edges[0]), 1.0), (0.0, highest), title=title, x_label="cosine", y_label="share of pairs"
    )
    for colour, share in zip(COLOURS, shares, strict=False):
        corners = [(float(edges[i + step]), float(value)) for i, value in enumerate(share) for step in (0, 1)]
        axes.line(corners, colour)
    told = list(zip(COLOURS, samples, strict=False))
    if threshold is not None:
        axes.line([(threshold, 0.0), (threshold, highest)], INK)
        told.append((INK, f"threshold {threshold:.3f}"))
    axes.legend(told)
    return axes.done()


def spaces_chart(panels: Mapping[str, Mapping[str, np.ndarray]], *, title: str) -> Image.Image:
    """Side by side: points (n, 3) of several kinds in one turned cube each; point i of all kinds is one face."""
    side, top = 360, 40
    sheet = Image.new("RGB", (side * len(panels) * SCALE, (side + top + 24) * SCALE), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((14 * SCALE, 14 * SCALE), title, INK, _font(15), "lm")
    for number, (name, kinds) in enumerate(panels.items()):
        origin = np.array([side * (number + 0.5), top + 24 + side / 2])
        draw.text((SCALE * origin[0], SCALE * (top + 6)), name, INK, _font(13), "mm")
        reach = max(float(np.abs(points).max()) for points in kinds.values()) or 1.0
        flat = {kind: origin + _turned(points / reach) * side * 0.3 for kind, points in kinds.items()}
        _cube(draw, origin, side * 0.3)
        for pair in zip(*flat.values(), strict=True) if len(flat) > 1 else ():
            draw.line([tuple(SCALE * place) for place in pair], GRID, SCALE)
        for colour, points in zip(COLOURS, flat.values(), strict=False):
            for x, y in points * SCALE:
                draw.ellipse((x - 2.5 * SCALE, y - 2.5 * SCALE, x + 2.5 * SCALE, y + 2.5 * SCALE), fill=colour)
        for row, (colour, kind) in enumerate(zip(COLOURS, kinds, strict=False)):
            x, y = SCALE * (side * number + 16), SCALE * (top + side + 12 - 15 * row)
            draw.ellipse((x - 3 * SCALE, y - 3 * SCALE, x + 3 * SCALE, y + 3 * SCALE), fill=colour)
            draw.text((x + 8 * SCALE, y), kind, INK, _font(11), "lm")
    return sheet.resize((sheet.width // SCALE, sheet.height // SCALE), Image.Resampling.LANCZOS)


def _turned(points: np.ndarray) -> np.ndarray:
    """(n, 3) to (n, 2): turned by 30 degrees, seen from 20 degrees above."""
    yaw, pitch = math.radians(30), math.radians(20)
    x = points[:, 0] * math.cos(yaw) - points[:, 2] * math.sin(yaw)
    depth = points[:, 0] * math.sin(yaw) + points[:, 2] * math.cos(yaw)
    return np.stack([x, -points[:, 1] * math.cos(pitch) + depth * math.sin(pitch)], axis=1)


def _cube(draw: ImageDraw.ImageDraw, origin: np.ndarray, reach: float) -> None:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    places = origin + _turned(corners) * reach
    for i in range(8):
        for j in range(i):
            if np.abs(corners[i] - corners[j]).sum() == 2:
                draw.line([tuple(SCALE * places[i]), tuple(SCALE * places[j])], GRID, SCALE)


def _ticks(low: float, high: float) -> list[float]:
    step = 10 ** math.floor(math.log10((high - low) / 2))
    step *= next(times for times in (0.5, 1, 2, 5) if (high - low) / (step * times) <= 8)
    first = math.ceil(low / step - 1e-9)
    return [round(step * i, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _shortened(text: str, size: int, room: float) -> str:
    """The text without so much of its middle that it fits into the room, in pixels of the finished picture."""
    whole, kept = text, len(text)
    while _width(text, size) > room:
        kept -= 1
        text = f"{whole[: kept - kept // 2]}...{whole[len(whole) - kept // 2 :]}"
    return text


def _width(text: str, size: int = 12) -> float:
    """Of words, in pixels of the finished picture."""
    return _font(size).getlength(text) / SCALE


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * SCALE)
