"""What a map is worth: error and cosine over the number of people it was fitted on, as a table, JSON and pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from errors import RequestError
from template_adapter.charts import histogram_chart, spaces_chart, sweep_chart
from template_adapter.fit import SAMPLE, check_method, cosines, gather, mean_cosine, solve
from template_adapter.linear import About, LinearMap, unit
from template_adapter.pairs import Pairs
from template_adapter.validate import CROWD, check_threshold, threshold_at
from template_adapter.vectors import evenly

SIZES = (100, 1_000, 10_000, 100_000)
PUBLISHED_THRESHOLD = 0.661
"""The threshold of the published buffalo_l to antelopev2 map (github.com/pi-null-mezon/rbh24)."""

PUBLISHED = (("8.6 M, 100 k or 10 k vectors", 0.90), ("1 k people", 0.82), ("100 people", 0.47))
"""Its cosines, on the vectors of the fit itself."""

OF_AVERAGES = (
    "Cosines are of people's averages: single templates, which `apply` and `reconstruct` take, are noisier and come "
    "out lower."
)

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
SHOWN = 150


@dataclass(frozen=True)
class Row:
    """One size of the sweep.

    mse, held_out_mse: of one number of the vectors as the fit sees them: of length 1, averages too, where it takes them
    so. Held-out pairs count alike, also where the fit weighs them by person.
    """

    people: int
    pairs: int
    rank: int
    condition: float
    mse: float
    cosine: float
    held_out_mse: float
    held_out_cosine: float
    above: float


@dataclass(frozen=True, eq=False)
class Report:
    """A sweep.

    found: held-out cosines of the largest fit; strangers: of mapped vectors to other people's templates.
    width: of the source's vectors. how: what the fits were told, and how many people and pairs were held out.
    """

    source: str
    target: str
    method: str
    threshold: float
    rows: tuple[Row, ...]
    found: np.ndarray
    strangers: np.ndarray
    spaces: dict[str, dict[str, np.ndarray]]
    width: int
    how: dict[str, Any]

    def published(self) -> str:
        """Markdown: the published figures, to be read beside the held-in column."""
        lines = [
            "Published, buffalo_l to antelopev2, on the vectors of the fit itself:",
            "",
            "| fitted on | cosine, held in |",
            "|---|---|",
        ]
        return "\n".join(lines + [f"| {size} | {cosine:.2f} |" for size, cosine in PUBLISHED])

    def table(self) -> str:
        """Markdown."""
        lines = [
            "| people | pairs | mse | cosine, held in | mse, held out | cosine, held out | "
            f"above {self.threshold:.3f}, held out | rank | condition |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {row.people:,} | {row.pairs:,} | {row.mse:.3g} | {row.cosine:.3f} | {row.held_out_mse:.3g} | "
            f"**{row.held_out_cosine:.3f}** | {100 * row.above:.1f} % | {row.rank} | {row.condition:.3g} |"
            for row in self.rows
        ]
        return "\n".join(lines)

    def notes(self) -> list[str]:
        """Sentences on what the table does not say by itself."""
        few = [f"{row.people:,}" for row in self.rows if row.rank < self.width]
        notes = [undetermined(f"The pairs of {', '.join(few)} people", self.width, self.method)] if few else []
        return notes + ([OF_AVERAGES] if self.how["per_person"] == "mean" else [])

    def pictures(self) -> dict[str, Image.Image]:
        """By file name."""
        kind = f"{self.source} to {self.target}, {self.method}"
        lines = {
            "held out": [(row.people, row.held_out_cosine) for row in self.rows],
            "held in": [(row.people, row.cosine) for row in self.rows],
        }
        samples = {"mapped, own template": self.found, "mapped, another person's": self.strangers}
        samples = {name: values for name, values in samples.items() if len(values)}
        return {
            "sweep.png": sweep_chart(lines, title=f"Cosine by size of the fit: {kind}"),
            "cosines.png": histogram_chart(
                samples, title=f"Cosines of held-out people: {kind}", threshold=self.threshold
            ),
            "spaces.png": spaces_chart(self.spaces, title="The same faces in both spaces, three principal directions"),
        }

    def write(self, folder: Path) -> None:
        """report.json, report.md and the pictures. Raises RequestError when the folder cannot be written."""
        kept = {name: getattr(self, name) for name in ("source", "target", "method", "threshold")}
        kept |= self.how
        kept["rows"] = [asdict(row) for row in self.rows]
        for name, values in (("cosines_of_own_template", self.found), ("cosines_of_strangers", self.strangers)):
            found = np.quantile(values, QUANTILES) if len(values) else ()
            kept[name] = {f"{at:g}": float(value) for at, value in zip(QUANTILES, found, strict=False)}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "report.json").write_text(json.dumps(kept, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            text = "\n\n".join([self.table(), *self.notes(), self.published()])
            (folder / "report.md").write_text(text + "\n", encoding="utf-8")
            for name, picture in self.pictures().items():
                picture.save(folder / name)
        except OSError as error:
            raise RequestError(f"{folder} cannot be written.", field="out", cure="Choose another place.") from error


def sweep(
    pairs: Pairs, *, source: str, target: str, method: str = "ols", bias: bool = True, alpha: float = 1.0,
    sizes: Sequence[int] = SIZES, threshold: float | None = PUBLISHED_THRESHOLD, false_match_rate: float = 0.01,
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:  # fmt: skip
    """Fits on growing numbers of people and measures each fit on the same held-out people.

    Args:
        pairs: with held-out people.
        sizes: numbers of people; larger ones than there are stand for all of them.
        threshold: cosine from which two templates count as one person; None takes the one at which
            `false_match_rate` of the target's own templates of two held-out people would be confused.
        progress: told (what, done, of).

    Raises RequestError, also without held-out people.
    """
    check_threshold(threshold, false_match_rate)
    check_method(method, alpha, pairs.widths)
    if not pairs.held_out:
        raise RequestError("Nobody is held out.", field="held_out", cure="Hold a tenth of the people out, 0.1.")
    x, y = pairs.others().sample(SAMPLE)
    codes = pairs.others().sampled_codes(SAMPLE)
    if len(np.unique(codes)) < 2:
        raise RequestError("There are not two held-out people.", field="held_out", cure="Give or hold out more people.")
    chosen_at = false_match_rate if threshold is None else None
    some = evenly(len(x), CROWD)
    if threshold is None:
        threshold = threshold_at(y, codes, false_match_rate, name="held_out")
    rows = []
    for size in [*sorted(one for one in set(sizes) if one < pairs.people), pairs.people]:
        part = replace(pairs, limit=size)

        def told(done: int, of: int, size: int = size) -> None:
            if progress is not None:
                progress(f"{size:,} people", done, of)

        moments = gather(part, progress=told)
        found = solve(moments, method, bias=bias, alpha=alpha)
        about = About(source, target, method, pairs.unit, moments.lengths / moments.weight, moments.pairs, size)
        constant = None if found.bias is None else found.bias.astype(np.float32)
        fitted = LinearMap(found.matrix.astype(np.float32), constant, about)
        own = cosines(fitted, x, y)
        row = Row(
            people=size, pairs=moments.pairs, rank=found.rank, condition=found.condition, mse=found.mse,
            cosine=mean_cosine(fitted, part) or 0.0, held_out_mse=_error(fitted, x, y),
            held_out_cosine=float(own.mean()), above=float((own >= threshold).mean()),
        )  # fmt: skip
        rows.append(row)
    mapped = fitted.apply(x)
    how = {
        "bias": bias, "alpha": alpha if method == "ridge" else None, "unit": pairs.unit, "seed": pairs.seed,
        "per_person": pairs.per_person, "false_match_rate": chosen_at, "held_out": pairs.held_out,
        "held_out_people": pairs.others().people, "held_out_pairs_measured": len(x),
    }  # fmt: skip
    return Report(
        source=source, target=target, method=method, threshold=threshold, rows=tuple(rows), found=own,
        strangers=_stranger_cosines(mapped[some], y[some], codes[some]), spaces=_spaces(x, mapped, y),
        width=pairs.widths[0], how=how,
    )  # fmt: skip


def undetermined(pairs: str, width: int, method: str) -> str:
    """A sentence on a map from vectors of `width` numbers that these pairs do not determine, and what helps."""
    little = f"{pairs} do not determine a map from {width} numbers: held-in figures then say little, the held-out ones"
    if method != "ols":
        return f"{little} count. Give more."
    return (
        f"{little} count, and ordinary least squares is worst where there are nearly as many pairs as numbers. "
        "Give more, or take ridge."
    )


def _error(fitted: LinearMap, x: np.ndarray, y: np.ndarray) -> float:
    """Mean squared error of one number over pairs as the fit takes them."""
    as_they_are = LinearMap(fitted.matrix, fitted.bias, replace(fitted.about, unit=False))
    return float(np.square(as_they_are.apply(x) - y).mean(dtype=np.float64))


def _stranger_cosines(x: np.ndarray, y: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Cosines of every x to every y of somebody else."""
    return (unit(x) @ unit(y).T)[codes[:, None] != codes[None]]


def _spaces(x: np.ndarray, mapped: np.ndarray, y: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """The three principal directions of the target's templates; the source is laid on them as it is, then mapped."""
    x, mapped, y = (unit(np.asarray(part[:SHOWN], np.float32)) for part in (x, mapped, y))
    middle = y.mean(axis=0)
    axes = np.linalg.svd(y - middle, full_matrices=False)[2][:3].T
    if x.shape[1] == y.shape[1]:
        before = {"target": (y - middle) @ axes, "source": (x - x.mean(axis=0)) @ axes}
    else:
        own = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:3].T
        before = {"target": (y - middle) @ axes, "source": (x - x.mean(axis=0)) @ own}
    return {
        "before the map": before,
        "after the map": {"target": (y - middle) @ axes, "mapped": (mapped - middle) @ axes},
    }
