"""What the miniature was meant to reach, held against what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

SHARE_OF_TRUE = 0.65
KEPT, FEW_STEPS = 0.9, (4, 6)
MORE = 0.01
"""What counts as a difference: with a few pictures, less is chance."""


@dataclass(frozen=True)
class Target:
    """One aim: what, how it was put, what was measured (None: not by this suite), whether it was reached."""

    what: str
    aim: str
    measured: str | None
    met: bool | None


def held_against(figures: Mapping[str, Any]) -> list[Target]:
    """Every target in order; those that the suite did not measure have no figure."""
    return list(_targets(figures))


def _targets(figures: Mapping[str, Any]) -> Iterator[Target]:
    identity, pose, prompt = figures["identity"], figures["pose"], figures["prompt"]
    mean, pairs = identity["neutral_mean"], identity["true_pair_mean"]
    spread = identity["spread"]
    ratio = mean / pairs if mean and pairs else None
    yield _least("likeness by the neutral recogniser", mean, 0.5, spread["neutral_mean"])
    yield _least("the same over that of two true photos", ratio, SHARE_OF_TRUE)
    yield _least(f"rank-1 among {identity['among']} people", identity["rank1"], 0.8, spread["rank1"])
    yield _least("a face is found", identity["found"], 0.98)
    yield _chance(figures)
    yield _rising(figures, "adapter", "the adapter alone raises the likeness")
    yield _rising(figures, "identity_net", "IdentityNet alone raises the likeness")
    yield _most("keypoint error over the 11 views", pose["keypoint_error"], 0.12, pose["spread"]["keypoint_error"])
    yield _most("yaw error, degrees", pose["yaw_error"], 10.0, pose["spread"]["yaw_error"])
    for name in ("style", "place", "clothes"):
        yield _least(f"{name} as asked", prompt[name], 0.85)
    points = {point["label"]: point for point in figures["sweeps"].get("references", ())}
    one, four = (points[label]["held_out_mean"] if label in points else None for label in ("1", "4"))
    met = None if one is None or four is None else four >= one + MORE
    yield Target("four reference photos beat one", f"by {MORE:g} at least", _both(one, four), met)
    yield from _few_steps(figures)
    yield _most("seconds a picture", figures.get("seconds_per_picture"), 8.0)
    detector = figures.get("detector")
    yield _least("faces found within 0.05 of the distance of the eyes", detector and detector["near"], 0.99)
    yield _most("bundle, MB", figures.get("bundle_megabytes"), 60.0)


def _least(what: str, value: float | None, bar: float, spread: float | None = None) -> Target:
    return Target(what, f"at least {bar:g}", _said(value, spread), None if value is None else value >= bar)


def _most(what: str, value: float | None, bar: float, spread: float | None = None) -> Target:
    return Target(what, f"at most {bar:g}", _said(value, spread), None if value is None else value <= bar)


def _chance(figures: Mapping[str, Any]) -> Target:
    points = {point["label"]: point for point in figures["sweeps"].get("parts", ())}
    value = points["neither"]["neutral_mean"] if "neither" in points else None
    met = None if value is None else abs(value - figures["identity"]["different_mean"]) <= 0.1
    return Target("likeness with both strengths at 0", "that of strangers, within 0.1", _said(value), met)


def _few_steps(figures: Mapping[str, Any]) -> Iterator[Target]:
    """Likeness of the fastest mode over that of all steps, to a photo that was not given."""
    points = figures["sweeps"].get("few_steps", ())
    whole = next((point["held_out_mean"] for point in points if point["setting"]["mode"] is None), None)
    for point in points:
        if point["setting"]["mode"] is not None and point["setting"]["steps"] in FEW_STEPS:
            made = point["held_out_mean"]
            share = made / whole if made is not None and whole else None
            yield _least(f"likeness kept by {point['setting']['steps']} steps without guidance", share, KEPT)


def _rising(figures: Mapping[str, Any], net: str, what: str) -> Target:
    """Monotonic up to 1, with the other net at 0."""
    points = figures["sweeps"].get(f"{net}_alone", ())
    values = [point["neutral_mean"] for point in points if point["setting"][f"{net}_scale"] <= 1]
    if len(values) < 2 or None in values:
        return Target(what, "monotonic from 0 to 1", None, None)
    met = all(low + MORE <= high for low, high in pairwise(values))
    return Target(what, "monotonic from 0 to 1", ", ".join(f"{value:.3f}" for value in values), met)


def _said(value: float | None, spread: float | None = None) -> str | None:
    if value is None:
        return None
    return f"{value:.3f}" if spread is None else f"{value:.3f} ± {spread:.3f}"


def _both(one: float | None, four: float | None) -> str | None:
    return None if one is None or four is None else f"{one:.3f}, {four:.3f}"
