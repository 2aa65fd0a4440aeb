"""What the miniature was meant to reach, held against what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.spread import said

SHARE_OF_TRUE = 0.65
KEPT, FEW_STEPS = 0.9, (4, 6)


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
    yield _least("the same over that of two true photos", ratio, SHARE_OF_TRUE, spread["share_of_true_pairs"])
    yield _least(f"rank-1 among {identity['among']} people", identity["rank1"], 0.8, spread["rank1"])
    yield _least("a face is found", identity["found"], 0.98, spread["found"])
    yield _chance(figures)
    yield _rising(figures, "adapter", "the adapter alone raises the likeness")
    yield _rising(figures, "identity_net", "IdentityNet alone raises the likeness")
    yield _most("keypoint error over the 11 views", pose["keypoint_error"], 0.12, pose["spread"]["keypoint_error"])
    yield _most("yaw error, degrees", pose["yaw_error"], 10.0, pose["spread"]["yaw_error"])
    for name in ("style", "place", "clothes"):
        yield _least(f"{name} as asked", prompt[name], 0.85, prompt.get("spread", {}).get(name))
    yield _more_photos(figures)
    yield from _few_steps(figures)
    yield _most("seconds a picture", figures.get("seconds_per_picture"), 8.0)
    detector = figures.get("detector")
    near = detector and detector["spread"]["near"]
    yield _least("faces found within 0.05 of the distance of the eyes", detector and detector["near"], 0.99, near)
    yield _most("bundle, MB", figures.get("bundle_megabytes"), 60.0)


def _least(what: str, value: float | None, bar: float, spread: float | None = None) -> Target:
    return Target(what, f"at least {bar:g}", said(value, spread), None if value is None else value >= bar)


def _most(what: str, value: float | None, bar: float, spread: float | None = None) -> Target:
    return Target(what, f"at most {bar:g}", said(value, spread), None if value is None else value <= bar)


def _chance(figures: Mapping[str, Any]) -> Target:
    points = {point["label"]: point for point in figures["sweeps"].get("parts", ())}
    bare = points.get("neither")
    value, spread = (bare["neutral_mean"], bare["spread"]["mean"]) if bare else (None, None)
    met = None if value is None else abs(value - figures["identity"]["different_mean"]) <= 0.1
    return Target("likeness with both strengths at 0", "that of strangers, within 0.1", said(value, spread), met)


def _more_photos(figures: Mapping[str, Any]) -> Target:
    """To a photo that was not given; one is told to be more only beyond the error of the paired difference."""
    found = figures["comparisons"].get("references")
    words = f"{found['from']} to {found['to']} photos gain" if found else ""
    measured = said(found["gain"], found["error"]) if found else None
    measured = measured and f"{words} {measured}"
    return Target("four reference photos beat one", "by more than ±", measured, _risen([found]))


def _few_steps(figures: Mapping[str, Any]) -> Iterator[Target]:
    """Likeness of the fastest mode over that of all steps, to a photo that was not given."""
    for found in figures["comparisons"].get("few_steps", ()):
        if found["steps"] in FEW_STEPS:
            what = f"likeness kept by {found['steps']} steps without guidance"
            yield _least(what, found["share"], KEPT, found["error"])


def _rising(figures: Mapping[str, Any], net: str, what: str) -> Target:
    """Monotonic up to 1, with the other net at 0: each step by more than the error of its paired difference."""
    aim = "each step from 0 to 1 by more than ±"
    points = figures["sweeps"].get(f"{net}_alone", ())
    steps = [
        (point["label"], gain)
        for point, gain in zip(points[1:], figures["comparisons"].get(f"{net}_alone", ()), strict=False)
        if point["setting"][f"{net}_scale"] <= 1
    ]
    if not steps:
        return Target(what, aim, None, None)
    start = said(points[0]["neutral_mean"], None)
    gains = ", ".join(f"to {label} {said(gain['gain'], gain['error'])}" for label, gain in steps)
    return Target(what, aim, f"{start}; {gains}", _risen([gain for _, gain in steps]))


def _risen(gains: Sequence[Mapping[str, Any] | None]) -> bool | None:
    """Whether every gain is beyond its error; None where one is not known."""
    known = [(one["gain"], one["error"]) for one in gains if one and None not in (one["gain"], one["error"])]
    return all(gain > error for gain, error in known) if len(known) == len(gains) else None
