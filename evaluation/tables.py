"""Figures as tables in Markdown, which read well in a terminal too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.figures import PROMPTED
from evaluation.spread import said
from evaluation.targets import Target

Figures = Mapping[str, Any]
MORE = ("true", "through_autoencoder", "similarity", "spread")
"""What stands among the prompt's figures and is no attribute."""
TRUE = (("true_as_asked", "true pictures as asked"), ("through_autoencoder", "the same through the autoencoder"))


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table whose columns are in line; numbers with three digits, an en dash for what is not known."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[column]) for row in [list(heads), *cells]) for column in range(len(heads))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [heads, *cells]]
    rule = "|".join("-" * (width + 2) for width in widths)
    return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def targets(found: Sequence[Target]) -> str:
    """What was aimed at and what was reached."""
    words = {True: "yes", False: "**no**", None: "not measured"}
    return table(
        ("what", "aim", "measured", "reached"), [(one.what, one.aim, one.measured, words[one.met]) for one in found]
    )


def identity(figures: Figures) -> str:
    """Made pictures between the yardsticks, by both recognisers."""
    found = figures["identity"]
    pairs, different = found["true_pairs"], found["different"]
    neutral, conditioning = (_mean(pairs[judge]) for judge in ("neutral", "conditioning"))
    rows: list[tuple[object, ...]] = [
        ("two photos of one person", neutral, _quartiles(pairs["neutral"]["quartiles"]), None, None, conditioning),
        *((name, *_likeness(found[key])) for key, name in TRUE if found.get(key)),
        ("**made**", *_likeness(found["made"])),
        ("photos of different people", different["neutral"], None, None, None, different["conditioning"]),
    ]
    heads = ("pictures", "neutral", "quartiles", "rank-1", "face found", "conditioning")
    return table(heads, rows)


def _likeness(made: Figures) -> tuple[object, ...]:
    neutral = made["neutral"]
    rank1 = said(neutral["rank1"], neutral["spread"]["rank1"])
    found = said(made["found"], made["spread"]["found"])
    return _mean(neutral), _quartiles(neutral["quartiles"]), rank1, found, _mean(made["conditioning"])


def _mean(told: Figures) -> str | None:
    return said(told["mean"], told["spread"]["mean"])


def _quartiles(values: Sequence[float]) -> str | None:
    return " ".join(f"{value:.2f}" for value in values) or None


def pose(figures: Figures) -> str:
    """A line a view, and the mean."""
    found = figures["pose"]
    rows = [
        (one["label"], one["yaw_asked"], _degrees(one, "yaw_got"), _keypoint_error(one), one["found"])
        for one in found["views"].values()
    ]
    rows.append(("**all**", None, f"off by {_degrees(found, 'yaw_error')}", _keypoint_error(found), found["found"]))
    return table(("view", "yaw asked", "yaw got", "keypoint error", "face found"), rows)


def _keypoint_error(told: Figures) -> str | None:
    return said(told["keypoint_error"], told["spread"]["keypoint_error"])


def _degrees(told: Figures, name: str) -> str | None:
    value, error = told[name], told["spread"][name]
    if value is None:
        return None
    return f"{value:.1f} ± {error:.1f}" if error else f"{value:.1f}"


def prompt(figures: Figures) -> str:
    """A line an attribute: made pictures, and what the reader says of true ones."""
    found = figures["prompt"]
    true = found.get("true") or {}
    copies = found.get("through_autoencoder") or {}
    names = [name for name, value in found.items() if name not in MORE]
    spread = found.get("spread") or {}
    rows = [
        (name.replace("_", " "), said(found[name], spread.get(name)), true.get(name), copies.get(name))
        for name in names
    ]
    return table(("asked for", "made", "true pictures", "true, through the autoencoder"), rows)


def sweep(name: str, points: Sequence[Figures]) -> str:
    """A line a setting."""
    heads = [
        name,
        "neutral",
        "to an unseen photo",
        "rank-1",
        "face found",
        "keypoint error",
        "yaw error",
        *PROMPTED,
    ]
    keys = ["neutral_mean", "held_out_mean", "rank1", "found", "keypoint_error", "yaw_error", *PROMPTED]
    return table(heads, [(point["label"], *(point[key] for key in keys)) for point in points])
