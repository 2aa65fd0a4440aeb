"""Plots as SVG: curves over one number, and a grid of two strengths as colours with their figures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 460, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 34, 64
COLOURS = ("#2458a6", "#c2571a", "#2e7d4f", "#7a3e9d", "#8a6d00")
INK, FAINT, PAPER = "#222", "#d8d8d8", "#fff"


class Curve(NamedTuple):
    """Values over the plot's positions; None where nothing was measured."""

    name: str
    values: Sequence[float | None]


def curves(title: str, axis: str, positions: Sequence[float], lines: Sequence[Curve]) -> str:
    """Curves over one axis; the other goes from the least value or 0 to the greatest or 1."""
    known = [value for line in lines for value in line.values if value is not None]
    low, high = min(0.0, *known), max(1.0, *known)
    first, last = min(positions), max(positions)

    def x(value: float) -> float:
        return LEFT + (value - first) / ((last - first) or 1) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [_text(LEFT, 20, title, bold=True)]
    for step in range(5):
        level = low + (high - low) * step / 4
        parts.append(_line(LEFT, y(level), WIDTH - RIGHT, y(level), FAINT))
        parts.append(_text(LEFT - 6, y(level) + 4, f"{level:.2f}", anchor="end"))
    for value in positions:
        parts.append(_line(x(value), HEIGHT - BOTTOM, x(value), HEIGHT - BOTTOM + 4, INK))
        parts.append(_text(x(value), HEIGHT - BOTTOM + 17, f"{value:g}", anchor="middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 34, axis, anchor="middle"))
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        spots = [(x(at), y(value)) for at, value in zip(positions, line.values, strict=True) if value is not None]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in spots)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in spots]
        at = LEFT + sum(34 + 6.5 * len(before.name) for before in lines[:number])
        parts.append(_line(at, HEIGHT - 12, at + 14, HEIGHT - 12, colour, 3))
        parts.append(_text(at + 18, HEIGHT - 8, line.name))
    return _picture(WIDTH, HEIGHT, parts)


def grid(
    title: str,
    rows: tuple[str, Sequence[float]],
    columns: tuple[str, Sequence[float]],
    values: dict[tuple[float, float], float | None],
) -> str:
    """A table in colours.

    Args:
        rows, columns: name and positions of each axis.
        values: (row, column) -> figure; the darkest is the greatest.
    """
    known = [value for value in values.values() if value is not None]
    low, high = min(known), max(known)
    side, tall = 76, 40
    width, height = LEFT + 24 + side * len(columns[1]) + RIGHT, TOP + tall * len(rows[1]) + 48
    parts = [_text(LEFT + 24, 20, title, bold=True)]
    for down, row in enumerate(rows[1]):
        top = TOP + tall * down
        parts.append(_text(LEFT + 16, top + tall / 2 + 4, f"{row:g}", anchor="end"))
        for across, column in enumerate(columns[1]):
            value, left = values.get((row, column)), LEFT + 24 + side * across
            share = 0.0 if value is None else (value - low) / ((high - low) or 1)
            parts.append(f'<rect x="{left}" y="{top}" width="{side}" height="{tall}" fill="{_shade(share)}"/>')
            told = "–" if value is None else f"{value:.2f}"
            ink = PAPER if share > 0.55 else INK
            parts.append(_text(left + side / 2, top + tall / 2 + 4, told, anchor="middle", colour=ink))
    for across, column in enumerate(columns[1]):
        left = LEFT + 24 + side * (across + 0.5)
        parts.append(_text(left, TOP + tall * len(rows[1]) + 17, f"{column:g}", anchor="middle"))
    middle = LEFT + 24 + side * len(columns[1]) / 2
    parts.append(_text(middle, height - 12, columns[0], anchor="middle"))
    centre = TOP + tall * len(rows[1]) / 2
    parts.append(f'<g transform="rotate(-90 16 {centre:.1f})">{_text(16, centre, rows[0], anchor="middle")}</g>')
    return _picture(width, height, parts)


def _shade(share: float) -> str:
    light, dark = (238, 243, 250), (24, 66, 130)
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(light, dark, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width:g}"/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", bold: bool = False, colour: str = INK) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(words)}</text>'


def _picture(width: float, height: float, parts: Sequence[str]) -> str:
    sides = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {sides}'
    paper = f'<rect width="100%" height="100%" fill="{PAPER}"/>'
    return "\n".join([f'{head} font-family="sans-serif" font-size="12">', paper, *parts, "</svg>\n"])
