"""Linear maps by least squares, in one pass over any number of pairs and in memory that does not grow with them.

Only sums are kept: X'X, X'Y, the column sums and |Y|^2, all in float64. With the spectrum of the centred X'X they give
ordinary least squares (the solution of least norm where the pairs do not determine one), ridge, orthogonal Procrustes
(Schoenemann 1966, doi:10.1007/BF02289451), the rank and the condition number, and the error over everything seen. The
normal equations square the condition number, so the smallest singular value that counts is about 1e-7 of the largest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

import numpy as np

from errors import RequestError
from template_adapter.linear import About, LinearMap, unit
from template_adapter.pairs import Pairs, Part

Method = Literal["ols", "ridge", "procrustes"]
METHODS: tuple[Method, ...] = get_args(Method)
SAMPLE = 20_000
"""Pairs, evenly spread, over which cosines are averaged; the squared error comes from the sums and is exact."""


@dataclass(eq=False)
class Moments:
    """Weighted sums over pairs, float64. lengths: sum of the target's lengths as they were given."""

    weight: float
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: float
    lengths: float
    pairs: int

    @classmethod
    def empty(cls, source: int, target: int) -> Moments:
        return cls(
            0.0, np.zeros(source), np.zeros(target), np.zeros((source, source)), np.zeros((source, target)), 0.0, 0.0, 0
        )

    def add(self, part: Part) -> None:
        x, y, weights = part.x, part.y, part.weights
        heavy = x if (weights == 1).all() else x * weights[:, None]
        self.weight += float(weights.sum())
        self.x += heavy.sum(axis=0)
        self.y += weights @ y
        # With both factors the same array BLAS computes one triangle only.
        self.xx += x.T @ x if heavy is x else heavy.T @ x
        self.xy += heavy.T @ y
        self.yy += float(weights @ np.einsum("ij,ij->i", y, y))
        self.lengths += float(weights @ part.lengths)
        self.pairs += len(x)


def gather(pairs: Pairs, *, progress: Callable[[int, int], None] | None = None) -> Moments:
    """One pass. progress: told (pairs seen, pairs in all)."""
    moments = Moments.empty(*pairs.widths)
    for done, part in pairs.parts():
        moments.add(part)
        if progress is not None:
            progress(done, pairs.rows)
    if moments.pairs < 2:
        raise RequestError("There are not two pairs to fit on.", field="source", cure="Give more people.")
    return moments


@dataclass(frozen=True)
class Solution:
    """matrix (source, target) and bias (target,) or None, float64; mse: squared error of one number, over the pairs."""

    matrix: np.ndarray
    bias: np.ndarray | None
    rank: int
    condition: float
    mse: float


def solve(moments: Moments, method: str = "ols", *, bias: bool = True, alpha: float = 1.0) -> Solution:
    """The best map of a kind for these sums.

    Args:
        method: one of `METHODS`.
        bias: fit a constant too, which ridge does not shrink; Procrustes then turns about the means.
        alpha: what ridge adds to the diagonal of X'X, as scikit-learn's Ridge counts it.

    Raises RequestError for another method, an impossible alpha, and Procrustes between spaces of two widths.
    """
    if method not in METHODS:
        raise RequestError("No such method.", field="method", cure=f"Choose one of: {', '.join(METHODS)}.")
    if method == "ridge" and not (np.isfinite(alpha) and alpha > 0):
        raise RequestError("alpha must be above 0.", field="alpha", cure="1 is usual; for none take ols.")
    xx, xy = moments.xx, moments.xy
    if bias:
        middle_x, middle_y = moments.x / moments.weight, moments.y / moments.weight
        xx = xx - moments.weight * np.outer(middle_x, middle_x)
        xy = xy - moments.weight * np.outer(middle_x, middle_y)
    values, vectors = np.linalg.eigh((xx + xx.T) / 2)
    # Rounding of the sums leaves about this much in directions that no vector has.
    counted = values > max(values[-1], 0) * len(values) * np.finfo(np.float64).eps
    rank = int(counted.sum())
    if rank == 0:
        raise RequestError("All vectors of the source are the same.", field="source", cure="Give more people.")
    condition = float(np.sqrt(values[-1] / values[counted][0]))
    if method == "procrustes":
        if xx.shape[0] != xy.shape[1]:
            raise RequestError(
                "Procrustes turns a space into one of the same width.", field="method", cure="Take ols or ridge."
            )
        left, _, right = np.linalg.svd(xy)
        matrix = left @ right
    else:
        inverse = np.zeros_like(values)
        inverse[counted] = 1 / (values[counted] + (alpha if method == "ridge" else 0.0))
        matrix = (vectors * inverse) @ (vectors.T @ xy)
    constant = middle_y - middle_x @ matrix if bias else None
    return Solution(matrix, constant, rank, condition, _mse(moments, matrix, constant))


def _mse(moments: Moments, matrix: np.ndarray, bias: np.ndarray | None) -> float:
    """|XW + b - Y|^2 over weight and width, from the sums alone."""
    error = moments.yy - 2 * np.vdot(matrix, moments.xy) + np.vdot(matrix, moments.xx @ matrix)
    if bias is not None:
        error += 2 * bias @ (moments.x @ matrix - moments.y) + moments.weight * bias @ bias
    return max(0.0, float(error)) / (moments.weight * moments.y.size)


def fit(
    pairs: Pairs, *, source: str, target: str, method: str = "ols", bias: bool = True, alpha: float = 1.0,
    created: str = "", progress: Callable[[int, int], None] | None = None,
) -> LinearMap:  # fmt: skip
    """The map from one recogniser's space to another's.

    Args:
        pairs: vectors of the same faces by both recognisers; people held out in it are not seen by the fit.
        source, target: names of the recognisers.
        created: date to be written down; the rest depends on the pairs alone.

    Raises RequestError.
    """
    moments = gather(pairs, progress=progress)
    found = solve(moments, method, bias=bias, alpha=alpha)
    about = About(
        source=source, target=target, method=method, unit=pairs.unit,
        target_length=moments.lengths / moments.weight, pairs=moments.pairs, people=pairs.people, rank=found.rank,
        condition=found.condition, mse=found.mse, created=created,
    )  # fmt: skip
    constant = None if found.bias is None else found.bias.astype(np.float32)
    fitted = LinearMap(found.matrix.astype(np.float32), constant, about)
    seen = mean_cosine(fitted, pairs)
    unseen = mean_cosine(fitted, pairs.others()) if pairs.held_out else None
    about = replace(about, cosine=cast(float, seen), held_out_cosine=unseen)
    return LinearMap(fitted.matrix, fitted.bias, about)


def cosines(fitted: LinearMap, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of each mapped source vector to its own target vector, (n,) float32."""
    return np.einsum("ij,ij->i", unit(fitted.apply(x)), unit(np.asarray(y, np.float32)))


def mean_cosine(fitted: LinearMap, pairs: Pairs, limit: int = SAMPLE) -> float | None:
    """Mean over at most `limit` pairs, evenly spread; None when there are none."""
    x, y = pairs.sample(limit)
    return float(cosines(fitted, x, y).mean()) if len(x) else None
