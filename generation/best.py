"""The best of several: more pictures are made than are kept, and the reason is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from errors import RequestError
from generation import ranges

if TYPE_CHECKING:
    from generation.request import GeneratedImage, GenerationRequest

MOST = 32
POSE_WEIGHT = 0.1
"""What a keypoint error of one inter-ocular distance costs in likeness."""


@dataclass(frozen=True)
class Candidate:
    """A picture that was made, kept or not; scores as in `GeneratedImage`."""

    seed: int
    identity: float | None
    keypoint_error: float | None
    kept: bool


def settled(request: GenerationRequest) -> dict[str, Any]:
    """`best_of`, checked. Raises RequestError."""
    if request.best_of is None:
        return {"best_of": None}
    tries = ranges.whole("best_of", request.best_of, 1, MOST)
    count = ranges.whole("count", request.count, 1, MOST)
    if tries < count:
        raise RequestError(
            f"{count} pictures cannot be kept of {tries}.",
            field="best_of",
            cure="Make more pictures than are kept.",
        )
    return {"best_of": tries}


def merit(made: GeneratedImage) -> float:
    """What pictures are ranked by: likeness, less a little for a missed pose; no face or swapped people come last."""
    if made.identity is None or made.swapped:
        return -2.0
    return made.identity - POSE_WEIGHT * (made.keypoint_error or 0.0)


def keep_best(made: Sequence[GeneratedImage], count: int) -> tuple[list[GeneratedImage], tuple[Candidate, ...], str]:
    """The best pictures, best first; all of them as candidates in the order they were made; and why, in words."""
    ranked = sorted(made, key=lambda one: (-merit(one), one.seed))
    kept, rest = ranked[:count], ranked[count:]
    candidates = tuple(Candidate(one.seed, one.identity, one.keypoint_error, one in kept) for one in made)
    note = f"Kept {len(kept)} of {len(made)} by likeness and pose: {_listed(kept)}"
    return kept, candidates, note + (f"; left out: {_listed(rest)}." if rest else ".")


def _listed(pictures: Sequence[GeneratedImage]) -> str:
    return ", ".join(
        f"seed {one.seed} ({'no face' if one.identity is None else f'{one.identity:.2f}'}{' swapped' * one.swapped})"
        for one in pictures
    )
