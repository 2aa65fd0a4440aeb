"""Standard errors over people: how far a figure would move if others had been chosen.

Pictures of one person are no independent witnesses, so the unit is the person. Of values x_ki, picture i of person k,
with the mean m of all N pictures, person k moves the mean by u_k = sum_i (x_ki - m) / N, and with K people its standard
error is

    sqrt(K / (K - 1) * sum_k u_k^2),

the cluster-robust error (Liang and Zeger 1986) of the mean in which every picture counts the same. Where everybody has
the same number of pictures it is that of the mean of the people's own means.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

Values = Sequence[tuple[int, float]]
"""(person, value) of each picture."""


def mean_of(values: Values) -> float | None:
    """The mean over pictures; None of nothing."""
    return _mean(values) if values else None


def standard_error(values: Values) -> float | None:
    """Of the mean over pictures, see above. None for fewer than two people."""
    return _error(_moves(values)) if values else None


def stratified_error(values: Sequence[tuple[int, Hashable, float]]) -> float | None:
    """Of the mean over pictures when the numbers of pictures of each kind are fixed by design, not drawn.

    With residuals e_ki = x_ki - (mean of the picture's kind) person k moves the mean by u_k = sum_i e_ki / N; what the
    kinds differ by is no difference between people. For the V means that are taken out the error is multiplied by
    sqrt((N - 1) / (N - V)), the usual finite-sample factor of a regression on V indicators; where everybody has every
    kind that is a little too much.

    Args:
        values: (person, kind, value) of each picture.

    Returns:
        None for fewer than two people, and where no kind has two pictures.
    """
    of_kind: dict[Hashable, list[float]] = {}
    for _, kind, value in values:
        of_kind.setdefault(kind, []).append(value)
    free = len(values) - len(of_kind)
    if free <= 0:
        return None
    means = {kind: float(np.mean(each)) for kind, each in of_kind.items()}
    error = standard_error([(person, value - means[kind]) for person, kind, value in values])
    return None if error is None else error * math.sqrt((len(values) - 1) / free)


def error_of_ratio(above: Values, below: Values) -> float | None:
    """Of r = a / b with a = mean(above) and b = mean(below), paired by person, to first order (delta method).

    Person k, who moves a by u_k and b by v_k, moves r by (u_k - r v_k) / b: what both have in common of the same people
    falls out.

    Returns:
        None where either is empty or b is 0, and for fewer than two people.
    """
    if not above or not below or (base := _mean(below)) == 0:
        return None
    ratio, moves, others = _mean(above) / base, _moves(above), _moves(below)
    return _error({who: (moves.get(who, 0.0) - ratio * others.get(who, 0.0)) / base for who in {*moves, *others}})


def said(value: float | None, error: float | None) -> str | None:
    """A figure with its standard error; without it where all pictures agree, which says nothing of other people."""
    if value is None:
        return None
    return f"{value:.3f} ± {error:.3f}" if error else f"{value:.3f}"


def _moves(values: Values) -> dict[int, float]:
    middle, moves = _mean(values), dict.fromkeys((person for person, _ in values), 0.0)
    for person, value in values:
        moves[person] += (value - middle) / len(values)
    return moves


def _error(moves: dict[int, float]) -> float | None:
    people = len(moves)
    return math.sqrt(people / (people - 1) * sum(move**2 for move in moves.values())) if people > 1 else None


def _mean(values: Values) -> float:
    return float(np.mean([value for _, value in values]))
