"""End to end: pictures made from mapped templates, looked at by the recogniser that the templates came from.

This room knows no generator and no face analyzer; it is handed functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from errors import RequestError
from template_adapter.linear import LinearMap, unit
from template_adapter.template import Template
from template_adapter.vectors import evenly

CELL = 160
CROWD = 2_000
"""Templates, evenly spread, whose strangers a threshold is chosen among: their pairs are as many as the square."""


@dataclass(frozen=True, eq=False)
class Case:
    """One person: a photo and what each recogniser reads in it, (512,) raw."""

    name: str
    photo: Image.Image
    source: np.ndarray
    target: np.ndarray


@dataclass(frozen=True, eq=False)
class Outcome:
    """Pictures from the target's own template and from the mapped one, with the source recogniser's cosine of each to
    the genuine source template; None where it finds no face, which counts as below every threshold."""

    case: Case
    from_true: Image.Image
    from_mapped: Image.Image
    true_cosine: float | None
    mapped_cosine: float | None


@dataclass(frozen=True)
class Summary:
    """Over all people; without a face counts in `share` and in nothing else; None where no picture has a face."""

    people: int
    without_face: int
    minimum: float | None
    mean: float | None
    median: float | None
    maximum: float | None
    share: float


def summary(cosines: Sequence[float | None], threshold: float) -> Summary:
    """share: of all people whose picture reaches the threshold."""
    found = np.array([cosine for cosine in cosines if cosine is not None], np.float64)
    above = sum(cosine is not None and cosine >= threshold for cosine in cosines)
    return Summary(
        len(cosines), len(cosines) - len(found),
        *(float(number(found)) if len(found) else None for number in (np.min, np.mean, np.median, np.max)),
        share=above / max(1, len(cosines)),
    )  # fmt: skip


def check_threshold(threshold: float | None, false_match_rate: float) -> None:
    """Raises RequestError for a threshold that is no cosine, and without one for a rate that is no share."""
    if threshold is not None and not -1 <= threshold <= 1:
        raise RequestError("The threshold is no cosine.", field="threshold", cure="Give a number from -1 to 1.")
    if threshold is None and not 0 < false_match_rate < 1:
        raise RequestError(
            "The false-match rate is no share.", field="false_match_rate", cure="Give a number between 0 and 1."
        )


def threshold_at(
    embeddings: np.ndarray, people: np.ndarray, false_match_rate: float = 0.01, *, name: str = "set"
) -> float:
    """The cosine above which this share of pairs of two different people lies.

    embeddings: (n, width) of one recogniser, of which at most `CROWD` count; people: (n,) names or numbers; name: of
    the option that errors are reported under. Raises RequestError for fewer pairs than the rate can be read from.
    """
    check_threshold(None, false_match_rate)
    some = evenly(len(embeddings), CROWD)
    vectors, people = unit(np.asarray(embeddings[some], np.float32)), people[some]
    pairs = np.triu(people[:, None] != people[None], 1)
    cosines = (vectors @ vectors.T)[pairs]
    if len(cosines) * false_match_rate < 3:
        raise RequestError(
            f"{len(cosines)} pairs of strangers are too few for a false-match rate of {false_match_rate:g}.",
            field=name,
            cure="Give more people, or a --threshold.",
        )
    return float(np.quantile(cosines, 1 - false_match_rate))


def validate(
    cases: Sequence[Case], adapter: LinearMap, *, make: Callable[[Template, Case], Image.Image],
    analyse: Callable[[Image.Image], np.ndarray | None], progress: Callable[[int, int], None] | None = None,
) -> list[Outcome]:  # fmt: skip
    """Two pictures of everybody.

    Args:
        make: a picture from a template in the target's space; the same seed and pose for both pictures of a case.
        analyse: the source recogniser's embedding of the face in a picture, None without a face.
    """
    outcomes = []
    for number, case in enumerate(cases):
        true = make(Template(case.target), case)
        mapped = make(adapter.map_template(case.source), case)
        outcomes.append(
            Outcome(case, true, mapped, _cosine(analyse(true), case.source), _cosine(analyse(mapped), case.source))
        )
        if progress is not None:
            progress(number + 1, len(cases))
    return outcomes


def table(rows: Sequence[tuple[str, Summary]], threshold: float) -> str:
    """Markdown."""
    lines = [
        f"| pictures | people | min | mean | median | max | above {threshold:.3f} | no face |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {row.people} | {_number(row.minimum)} | {_number(row.mean)} | {_number(row.median)} | "
        f"{_number(row.maximum)} | **{100 * row.share:.1f} %** | {row.without_face} |"
        for name, row in rows
    ]
    return "\n".join(lines)


def write(
    outcomes: Sequence[Outcome], threshold: float, folder: Path, *, provenance: dict,
    save: Callable[[Image.Image, Path], None],
) -> str:  # fmt: skip
    """validation.json, validation.md and contact.jpg; returns the table. The JSON holds no name and no photo.

    save: writes the contact sheet as a picture that tells how its parts were made.
    """
    rows = [
        ("from the true template", summary([one.true_cosine for one in outcomes], threshold)),
        ("from the mapped template", summary([one.mapped_cosine for one in outcomes], threshold)),
    ]
    text = table(rows, threshold)
    kept = {
        "threshold": threshold,
        **provenance,
        **{name: asdict(row) for name, row in rows},
        "cosines": [{"true": one.true_cosine, "mapped": one.mapped_cosine} for one in outcomes],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "validation.json").write_text(json.dumps(kept, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        (folder / "validation.md").write_text(text + "\n", encoding="utf-8")
        save(contact_sheet(outcomes, threshold), folder / "contact.jpg")
    except OSError as error:
        raise RequestError(f"{folder} cannot be written.", field="out", cure="Choose another place.") from error
    return text


def contact_sheet(outcomes: Sequence[Outcome], threshold: float, columns: int = 4) -> Image.Image:
    """Three pictures a person: the true photo, from the true template, from the mapped one, with their cosines."""
    gap, words = 14, 20
    width, height = 3 * CELL + gap, CELL + words
    lines = -(-len(outcomes) // columns)
    across = min(columns, len(outcomes))
    sheet = Image.new("RGB", (across * width + gap, lines * (height + gap) + 34), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    legend = (
        f"photo | from the true template | from the mapped template; cosine to the photo, threshold {threshold:.3f}"
    )
    draw.text((gap, 10), legend, "black", font)
    for number, one in enumerate(outcomes):
        left, top = gap + number % columns * width, 34 + number // columns * (height + gap)
        for place, picture in enumerate((one.case.photo, one.from_true, one.from_mapped)):
            small = _fitted(picture)
            offset = ((CELL - small.width) // 2, (CELL - small.height) // 2)
            sheet.paste(small, (left + place * CELL + offset[0], top + offset[1]))
        for place, cosine in ((1, one.true_cosine), (2, one.mapped_cosine)):
            told = "no face" if cosine is None else f"{cosine:.3f}"
            colour = "#1d7a3d" if cosine is not None and cosine >= threshold else "#b3261e"
            draw.text((left + place * CELL + 4, top + CELL + 3), told, colour, font)
    return sheet


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _fitted(picture: Image.Image) -> Image.Image:
    factor = CELL / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _cosine(found: np.ndarray | None, genuine: np.ndarray) -> float | None:
    return None if found is None else float(unit(found.astype(np.float64)) @ unit(genuine.astype(np.float64)))
