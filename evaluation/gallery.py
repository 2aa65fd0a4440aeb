"""Everybody's photos as the recognisers see them, and how near the faces of pictures come to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from evaluation.measure import JUDGES, Look
from evaluation.spread import Values, mean_of, standard_error

Figures = dict[str, Any]


class Gallery:
    """Everybody's first photo as both recognisers see it: the subjects in their order, then the rest.

    Args:
        references: of the subjects' first photos and of the gallery's, all with a face.
        held_out: of each subject's photo that is never given, None where there is none.
    """

    def __init__(self, references: Sequence[Look], held_out: Sequence[Look | None]) -> None:
        self.looks = list(references)
        self.held_out = list(held_out)
        self.vectors = {judge: np.stack([_unit(look.embeddings[judge]) for look in references]) for judge in JUDGES}

    def __len__(self) -> int:
        return len(self.looks)

    def different(self, judge: str) -> float:
        """Mean cosine of two different people."""
        cosine = self.vectors[judge] @ self.vectors[judge].T
        count = len(cosine)
        return float((cosine.sum() - np.trace(cosine)) / (count * (count - 1)))

    def pairs(self, judge: str) -> Values:
        """(subject, cosine of two true photos of the subject)."""
        return [
            (subject, float(self.vectors[judge][subject] @ _unit(other.embeddings[judge])))
            for subject, other in enumerate(self.held_out)
            if other is not None
        ]

    def true_pairs(self, judge: str) -> Figures:
        """Of `pairs`: mean, quartiles and the mean's standard error."""
        pairs = self.pairs(judge)
        return {**_told(pairs), "spread": {"mean": standard_error(pairs)}}

    def to_given(self, judge: str, seen: Sequence[tuple[int, Look | None]]) -> Values:
        """(subject, cosine to the subject's first photo), of pictures with a face."""
        return [
            (subject, float(self.vectors[judge][subject] @ _unit(look.embeddings[judge])))
            for subject, look in seen
            if look is not None
        ]

    def to_held_out(self, judge: str, seen: Sequence[tuple[int, Look | None]]) -> Values:
        """(subject, cosine to the subject's photo that was never given), of pictures with a face."""
        return [
            (subject, float(_unit(look.embeddings[judge]) @ _unit(other.embeddings[judge])))
            for subject, look in seen
            if look is not None and (other := self.held_out[subject]) is not None
        ]

    def known(self, judge: str, seen: Sequence[tuple[int, Look | None]]) -> Values:
        """(subject, 1 where the subject's first photo is the nearest of all, else 0), 0 for pictures without a face."""
        return [
            (
                subject,
                float(
                    look is not None and int((self.vectors[judge] @ _unit(look.embeddings[judge])).argmax()) == subject
                ),
            )
            for subject, look in seen
        ]

    def likeness(self, seen: Iterable[tuple[int, Look | None]]) -> Figures:
        """Of faces and the subjects whom they should show: share found, and for each judge the mean cosine to the
        subject's first photo, its quartiles, the mean cosine to the photo that was never given, and rank-1: the share
        nearest to the right person among all. A picture without a face counts as not recognised. `spread` has the
        standard errors of `evaluation.spread`."""
        seen = list(seen)
        found = [(subject, float(look is not None)) for subject, look in seen]
        figures: Figures = {
            "pictures": len(seen),
            "found": mean_of(found) or 0.0,
            "spread": {"found": standard_error(found)},
        }
        for judge in JUDGES:
            given, held_out, known = (tell(judge, seen) for tell in (self.to_given, self.to_held_out, self.known))
            figures[judge] = {
                **_told(given),
                "rank1": mean_of(known) or 0.0,
                "held_out_mean": mean_of(held_out),
                "spread": {
                    "mean": standard_error(given),
                    "rank1": standard_error(known),
                    "held_out_mean": standard_error(held_out),
                },
            }
        return figures


def _told(values: Values) -> Figures:
    each = [value for _, value in values]
    return {
        "mean": mean_of(values),
        "quartiles": [float(one) for one in np.percentile(each, (25, 50, 75))] if each else [],
    }


def _unit(vector: np.ndarray) -> np.ndarray:
    vector = np.asarray(vector, np.float64)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
