"""Linear maps by least squares, in one pass over any number of pairs; of the vectors only sums are kept.

These are X'X, X'Y, the column sums and |Y|^2 about a point near the mean, all in float64, so that a mean far from zero
takes no digits away (Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115). With the spectrum of the
centred X'X they give ordinary least squares (the solution of least norm where the pairs do not determine one), ridge,
orthogonal Procrustes (Schoenemann 1966, doi:10.1007/BF02289451), the rank and the condition number, and the error over
everything seen. The normal equations square the condition number, so the smallest singular value that counts is about
1e-7 of the largest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

import numpy as np

from errors import RequestError
from template_adapter.linear import About, LinearMap, unit
from template_adapter.pairs import PART, Pairs, Part

Method = Literal["ols", "ridge", "procrustes"]
METHODS: tuple[Method, ...] = get_args(Method)
SAMPLE = 20_000
"""Pairs, evenly spread, over which cosines are averaged; a fit's squared error comes from the sums and is exact."""


@dataclass(frozen=True, eq=False)
class Sums:
    """X'X, X'Y and |Y|^2 about two points, (width,) each: the means, or zero for a map without bias."""

    xx: np.ndarray
    xy: np.ndarray
    yy: float
    mean_x: np.ndarray
    mean_y: np.ndarray


@dataclass(eq=False)
class Moments:
    """Weighted sums over pairs, float64, of their differences to `near`: the means of the first part, x and y.

    lengths: sum of the target's lengths as they were given.
    """

    weight: float
    near: tuple[np.ndarray, np.ndarray] | None
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
            0.0, None, np.zeros(source), np.zeros(target), np.zeros((source, source)), np.zeros((source, target)), 0.0,
            0.0, 0,
        )  # fmt: skip

    def add(self, part: Part) -> None:
        if self.near is None:
            self.near = part.x.mean(axis=0), part.y.mean(axis=0)
        x, y, weights = part.x - self.near[0], part.y - self.near[1], part.weights
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

    def about_mean(self) -> Sums:
        near_x, near_y = self.near or (0.0, 0.0)
        x, y = self.x / self.weight, self.y / self.weight
        xx, xy = self.xx - self.weight * np.outer(x, x), self.xy - self.weight * np.outer(x, y)
        return Sums(xx, xy, self.yy - self.weight * float(y @ y), near_x + x, near_y + y)

    def about_origin(self) -> Sums:
        found = self.about_mean()
        x, y = found.mean_x, found.mean_y
        xx, xy = found.xx + self.weight * np.outer(x, x), found.xy + self.weight * np.outer(x, y)
        return Sums(xx, xy, found.yy + self.weight * float(y @ y), np.zeros_like(x), np.zeros_like(y))


def gather(pairs: Pairs, *, progress: Callable[[int, int], None] | None = None) -> Moments:
    """One pass. progress: told (rows behind us, rows in all)."""
    moments = Moments.empty(*pairs.widths)
    for done, part in pairs.parts():
        moments.add(part)
        if progress is not None and done < pairs.rows:
            progress(done, pairs.rows)
    if progress is not None:
        progress(pairs.rows, pairs.rows)
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


def check_method(method: str, alpha: float, widths: tuple[int, ...] | None = None) -> None:
    """Raises RequestError for another method, an impossible alpha, and Procrustes between spaces of two widths."""
    if method not in METHODS:
        raise RequestError("No such method.", field="method", cure=f"Choose one of: {', '.join(METHODS)}.")
    if method == "ridge" and not (np.isfinite(alpha) and alpha > 0):
        raise RequestError("alpha must be above 0.", field="alpha", cure="1 is usual; for none take ols.")
    if method == "procrustes" and widths is not None and widths[0] != widths[1]:
        raise RequestError(
            "Procrustes turns a space into one of the same width.", field="method", cure="Take ols or ridge."
        )


def solve(moments: Moments, method: str = "ols", *, bias: bool = True, alpha: float = 1.0) -> Solution:
    """The best map of a kind for these sums.

    Args:
        method: one of `METHODS`.
        bias: fit a constant too, which ridge does not shrink; Procrustes then turns about the means.
        alpha: what ridge adds to the diagonal of X'X, as scikit-learn's Ridge counts it.

    Raises RequestError as `check_method` does.
    """
    check_method(method, alpha, moments.xy.shape)
    sums = moments.about_mean() if bias else moments.about_origin()
    xx, xy = sums.xx, sums.xy
    values, vectors = np.linalg.eigh((xx + xx.T) / 2)
    # Rounding leaves about this much in directions that no vector has: of the sums, and of the vectors themselves.
    rounding = len(values) * np.finfo(np.float64).eps
    stored = moments.weight * float(sums.mean_x @ sums.mean_x)
    counted = values > max(max(values[-1], 0) * rounding, stored * rounding**2)
    rank = int(counted.sum())
    if rank == 0:
        raise RequestError("All vectors of the source are the same.", field="source", cure="Give more people.")
    condition = float(np.sqrt(values[-1] / values[counted][0]))
    if method == "procrustes":
        left, _, right = np.linalg.svd(xy)
        matrix = left @ right
    else:
        inverse = np.zeros_like(values)
        inverse[counted] = 1 / (values[counted] + (alpha if method == "ridge" else 0.0))
        matrix = (vectors * inverse) @ (vectors.T @ xy)
    error = sums.yy - 2 * np.vdot(matrix, xy) + np.vdot(matrix, xx @ matrix)
    constant = sums.mean_y - sums.mean_x @ matrix if bias else None
    return Solution(matrix, constant, rank, condition, max(0.0, float(error)) / (moments.weight * xy.shape[1]))


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
    check_method(method, alpha, pairs.widths)
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
    found = np.empty(len(x), np.float32)
    for start in range(0, len(x), PART):
        here = slice(start, start + PART)
        found[here] = np.einsum("ij,ij->i", unit(fitted.apply(x[here])), unit(np.asarray(y[here], np.float32)))
    return found


def mean_cosine(fitted: LinearMap, pairs: Pairs, limit: int = SAMPLE) -> float | None:
    """Mean over at most `limit` pairs, evenly spread; None when there are none."""
    x, y = pairs.sample(limit)
    return float(cosines(fitted, x, y).mean()) if len(x) else None
