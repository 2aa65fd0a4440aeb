"""Vectors of the same faces by two recognisers: aligned, split by person, averaged or weighted, in parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from errors import RequestError
from template_adapter.vectors import Vectors, evenly, row_lengths

PerPerson = Literal["all", "weight", "mean"]
PER_PERSON: tuple[PerPerson, ...] = get_args(PerPerson)
PART = 4096
"""Rows of one part: 512 numbers of both sides in float64 are 32 MB."""
CROWD = 4 * PART
"""People who are averaged at a time."""
NOTHING = 1e-9
"""Length below which an average of vectors of length 1 is rounding."""


def check_choice(per_person: str, held_out: float, seed: int) -> None:
    """Raises RequestError for what no pairs can be chosen by."""
    if per_person not in PER_PERSON:
        raise RequestError(
            "No such way with several vectors.", field="per_person", cure=f"Choose one of: {', '.join(PER_PERSON)}."
        )
    if not 0 <= held_out <= 0.5:
        raise RequestError("held_out is a share of the people.", field="held_out", cure="Give 0 to 0.5.")
    if seed < 0:
        raise RequestError("The seed is below 0.", field="seed", cure="Give 0 or more.")


@dataclass(frozen=True, eq=False)
class Part:
    """x, y: (n, width) float64; weights: (n,); lengths: (n,) of the target's vectors as they were given."""

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True, eq=False)
class Pairs:
    """Row i of both tables is the same picture of the same face.

    Attributes:
        source, target: the tables.
        codes: (rows,) whose each row is, numbered from 0; None when every row is a person of their own.
        per_person: "all": every pair counts 1; "weight": every person counts 1; "mean": the vectors of a person are
            averaged, and the averages are the pairs.
        unit: vectors are brought to length 1 before anything else, and averages of them again.
        held_out: share of the people whom the fit does not see.
        limit: at most so many people take part in the fit, the same ones at every call; None for all.
        seed: of the choice of people.
    """

    source: Vectors
    target: Vectors
    codes: np.ndarray | None = None
    per_person: PerPerson = "all"
    unit: bool = True
    held_out: float = 0.0
    limit: int | None = None
    seed: int = 0
    _turned: bool = False

    def __post_init__(self) -> None:
        rows, others = self.source.shape[0], self.target.shape[0]
        if rows != others:
            raise RequestError(
                f"The source has {rows} rows, the target {others}.", field="target", cure="Row i is the same face."
            )
        if self.codes is not None and len(self.codes) != rows:
            raise RequestError(
                f"There are {len(self.codes)} people for {rows} rows.", field="people", cure="Name one a row."
            )
        check_choice(self.per_person, self.held_out, self.seed)
        if self.per_person != "all" and self.codes is None:
            raise RequestError(
                "Nobody said whose the rows are.", field="per_person", cure="Name the people, or take all rows alike."
            )

    @property
    def rows(self) -> int:
        return self.source.shape[0]

    @property
    def widths(self) -> tuple[int, int]:
        return self.source.shape[1], self.target.shape[1]

    @property
    def people(self) -> int:
        """People who take part."""
        chosen = self._chosen()
        if self.codes is None:
            return self.rows if chosen is None else int(chosen.sum())
        return int(np.count_nonzero(np.bincount(self.codes if chosen is None else self.codes[chosen])))

    def others(self) -> Pairs:
        """The held-out people as pairs of their own."""
        return replace(self, _turned=True)

    def parts(self, size: int = PART) -> Iterator[tuple[int, Part]]:
        """(rows behind us, part). A part is read, used and forgotten.

        For all rows, numbers alone are kept: who is held out, a person's weight, whose rows belong together; 10 to 30
        bytes a row, and none where every row is taken alike and nobody is held out.
        """
        if self.per_person == "mean" and self.codes is not None:
            yield from self._means(self.codes, self._in_order(self.codes), size)
            return
        chosen = self._chosen()
        weights = self._weights(chosen)
        for start in range(0, self.rows, size):
            stop = min(start + size, self.rows)
            here = None if chosen is None else np.flatnonzero(chosen[start:stop])
            if here is not None and not len(here):
                continue
            x, y = (
                np.asarray(table.rows(start, stop) if here is None else table.rows(start, stop)[here], np.float64)
                for table in (self.source, self.target)
            )
            heavy = weights[start:stop] if weights is not None else np.ones(stop - start)
            x, y, lengths = self._scaled(x, y, np.arange(start, stop) if here is None else start + here)
            yield stop, Part(x, y, heavy if here is None else heavy[here], lengths)

    def sample(self, limit: int) -> tuple[np.ndarray, np.ndarray]:
        """At most `limit` pairs that take part, evenly spread, as the fit takes them: (n, width) float32 each."""
        rows = self._spread(limit)
        x, y = (np.empty((len(rows), width), np.float32) for width in self.widths)
        done = 0
        for part in self._sampled(rows):
            here = slice(done, done + len(part.x))
            x[here], y[here] = part.x, part.y
            done += len(part.x)
        return x, y

    def _sampled(self, rows: np.ndarray) -> Iterator[Part]:
        """rows: of the tables, or people where their averages are the pairs."""
        if self.per_person == "mean" and self.codes is not None:
            yield from (part for _, part in self._means(self.codes, rows, PART))
            return
        for start in range(0, len(rows), PART):
            here = rows[start : start + PART]
            x, y = (np.asarray(table.pick(here), np.float64) for table in (self.source, self.target))
            x, y, lengths = self._scaled(x, y, here)
            yield Part(x, y, np.ones(len(here)), lengths)

    def sampled_codes(self, limit: int) -> np.ndarray:
        """Whose the rows of `sample` are, (n,)."""
        rows = self._spread(limit)
        return rows if self.codes is None or self.per_person == "mean" else self.codes[rows]

    def _spread(self, limit: int) -> np.ndarray:
        """Rows, or people where their averages are the pairs."""
        if self.per_person == "mean" and self.codes is not None:
            rows = self._in_order(self.codes)
        else:
            chosen = self._chosen()
            if chosen is None:
                return evenly(self.rows, limit)
            rows = np.flatnonzero(chosen)
        return rows[evenly(len(rows), limit)]

    def _in_order(self, codes: np.ndarray) -> np.ndarray:
        """The people who take part, in the order of their first rows."""
        chosen = self._chosen()
        first = np.full(int(codes.max()) + 1, self.rows)
        rows = np.arange(self.rows)[::-1] if chosen is None else np.flatnonzero(chosen)[::-1]
        first[codes[rows]] = rows
        return np.argsort(first, kind="stable")[: np.count_nonzero(first < self.rows)]

    def _chosen(self) -> np.ndarray | None:
        """(rows,) bool, None for all of them. Whether a person is held out depends on the seed and their number."""
        if not self.held_out and self.limit is None and not self._turned:
            return None
        count = self.rows if self.codes is None else int(self.codes.max()) + 1
        order = np.random.default_rng(self.seed).permutation(count)
        out = round(count * self.held_out)
        taken = np.zeros(count, bool)
        last = count if self.limit is None else out + self.limit
        taken[order[:out] if self._turned else order[out:last]] = True
        return taken if self.codes is None else taken[self.codes]

    def _weights(self, chosen: np.ndarray | None) -> np.ndarray | None:
        if self.per_person != "weight" or self.codes is None:
            return None
        counts = np.bincount(self.codes if chosen is None else self.codes[chosen], minlength=int(self.codes.max()) + 1)
        return (1 / np.maximum(counts, 1))[self.codes]

    def _means(self, codes: np.ndarray, people: np.ndarray, size: int) -> Iterator[tuple[int, Part]]:
        """Averages of these people, in this order, wherever their rows lie; (rows behind us, part).

        `CROWD` of them are summed at a time, in one pass over the rows that are theirs.
        """
        behind = 0
        for start in range(0, len(people), CROWD):
            crowd = people[start : start + CROWD]
            place = np.full(int(codes.max()) + 1, -1)
            place[crowd] = np.arange(len(crowd))
            whose = place[codes]
            rows = np.flatnonzero(whose >= 0)
            sums = [np.zeros((len(crowd), width)) for width in (*self.widths, 1)]
            for at in range(0, len(rows), size):
                here = rows[at : at + size]
                x, y = (np.asarray(table.pick(here), np.float64) for table in (self.source, self.target))
                x, y, lengths = self._scaled(x, y, here)
                order = np.argsort(whose[here], kind="stable")
                found, edges = np.unique(whose[here][order], return_index=True)
                for summed, values in zip(sums, (x, y, lengths[:, None]), strict=True):
                    summed[found] += np.add.reduceat(values[order], edges, axis=0)
            counts = np.bincount(whose[rows])[:, None]
            behind += len(rows)
            for at in range(0, len(crowd), size):
                here = slice(at, at + size)
                x, y, lengths = (summed[here] / counts[here] for summed in sums)
                if self.unit:
                    x, y = (self._again(values, name) for values, name in ((x, "source"), (y, "target")))
                yield behind, Part(x, y, np.ones(len(x)), lengths[:, 0])

    def _again(self, averages: np.ndarray, name: str) -> np.ndarray:
        """Averages of vectors of length 1, brought to it again. Raises RequestError where they are none."""
        lengths = np.linalg.norm(averages, axis=1)[:, None]
        if (lengths < NOTHING).any():
            raise RequestError(
                f"The vectors of a person in {name} cancel each other out.", field=name, cure="Take all rows alike."
            )
        return averages / lengths

    def _scaled(self, x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vectors as the fit takes them, and the lengths of the target's. Raises RequestError for rows of no face."""
        of_x, of_y = row_lengths(x, rows, name="source"), row_lengths(y, rows, name="target")
        return (x / of_x[:, None], y / of_y[:, None], of_y) if self.unit else (x, y, of_y)
