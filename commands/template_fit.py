"""`cli.py template fit`, `apply` and `report`: maps from files of templates, or from photos."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from commands.doors import embedder, needed, open_analyzer
from commands.template_options import (
    Adapter,
    AsJson,
    Overwrite,
    SourcePack,
    check_folder,
    check_new,
    threshold_or_rate,
)
from commands.watching import bar
from errors import RequestError
from generation.loading import pick_profile
from template_adapter.fit import METHODS, check_method, fit
from template_adapter.linear import About, load_map
from template_adapter.pairs import PER_PERSON, Pairs, check_choice
from template_adapter.people import agreed, people_of, read_people
from template_adapter.photos import embed_folder, told_left_out
from template_adapter.report import OF_AVERAGES, PUBLISHED_THRESHOLD, SIZES, sweep, undetermined
from template_adapter.vectors import Array, open_vectors, row_lengths
from weights.registry import ASSETS

Source = Annotated[Path, typer.Option(help="Templates of the recogniser to map from: .npy, .npz, .parquet or photos.")]
Target = Annotated[Path, typer.Option(help="Templates of the weights' own recogniser of the same faces, row by row.")]
People = Annotated[Path | None, typer.Option(help="Whose each row is: .npy, or text with a name a line.")]
Method = Annotated[str, typer.Option(help=f"One of: {', '.join(METHODS)}.")]
Alpha = Annotated[float, typer.Option(help="What ridge adds to the diagonal.")]
Bias = Annotated[bool, typer.Option(help="Fit a constant too.")]
PerPerson = Annotated[str, typer.Option(help=f"Several vectors of a person: one of {', '.join(PER_PERSON)}.")]
HeldOut = Annotated[float, typer.Option(help="Share of the people that the fit does not see.")]
Raw = Annotated[bool, typer.Option("--raw", help="Fit the vectors as they are, not brought to length 1.")]
TargetPack = Annotated[Path | None, typer.Option(help="Face pack of the weights, for photos.", show_default=False)]
SourceName = Annotated[str | None, typer.Option(help="What the recogniser is called.", show_default=False)]
TargetName = Annotated[str | None, typer.Option(help="What the weights' recogniser is called.", show_default=False)]

MINIATURE_PACK = ASSETS / "miniature" / "face"
FEW = 10
"""Held-out people below whom their mean cosine says little."""


def fit_command(
    source: Source, target: Target, out: Annotated[Path, typer.Option(help="Adapter to write (.safetensors).")],
    people: People = None, method: Method = "ols", bias: Bias = True, alpha: Alpha = 1.0, per_person: PerPerson = "all",
    held_out: HeldOut = 0.1, raw: Raw = False, seed: int = 0, source_pack: SourcePack = None,
    target_pack: TargetPack = None, source_name: SourceName = None, target_name: TargetName = None,
    overwrite: Overwrite = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Fit a linear map on templates of the same faces by both recognisers."""
    if out.suffix != ".safetensors" or not out.parent.is_dir() or out.is_dir():
        raise RequestError("The adapter has no place.", field="out", cure="Name a .safetensors file in a folder.")
    check_new(out, overwrite, name="out")
    check_method(method, alpha)
    how = _how(per_person, held_out, raw, seed)
    with bar() as told:
        pairs = _pairs(source, target, people, source_pack, target_pack, told, how)
        names = _names(source, target, source_pack, target_pack, source_name, target_name)
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        fitted = fit(
            pairs, **names, method=method, bias=bias, alpha=alpha, created=today,
            progress=lambda done, of: told("fitting", done, of),
        )  # fmt: skip
    fitted.save(out)
    about, width = asdict(fitted.about), fitted.matrix.shape[0]
    determined = fitted.about.rank == width
    for note in _notes(fitted.about, pairs, width):
        print(f"note: {note}", file=sys.stderr)
    if as_json:
        print(json.dumps({"file": str(out), "fingerprint": fitted.fingerprint, "determined": determined, **about}))
        return
    print(f"mse {fitted.about.mse:.6g}")
    print(f"cosine {fitted.about.cosine:.4f}")
    print(
        f"held_out_cosine {'none' if fitted.about.held_out_cosine is None else f'{fitted.about.held_out_cosine:.4f}'}"
    )
    print(
        f"{out}: {method}, {about['pairs']:,} pairs of {about['people']:,} people, rank {about['rank']}, "
        f"condition {about['condition']:.3g}",
        file=sys.stderr,
    )


def apply_command(
    adapter: Adapter, input: Annotated[Path, typer.Option(help="Templates: .npy, .npz or .parquet.")],
    output: Annotated[Path, typer.Option(help="Mapped templates (.npy).")],
    overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Map a file of templates, however large, a part at a time."""
    fitted = load_map(adapter)
    if output.suffix != ".npy" or not output.parent.is_dir() or output.is_dir():
        raise RequestError("The output has no place.", field="output", cure="Name a .npy file in a folder.")
    table, _ = open_vectors(input, name="input")
    if output.exists() and output.samefile(input):
        raise RequestError("The output is the input.", field="output", cure="Name another file.")
    check_new(output, overwrite, name="output")
    rows, width = table.shape
    if width != fitted.matrix.shape[0]:
        raise RequestError(
            f"The vectors have {width} numbers, the adapter reads {fitted.matrix.shape[0]}.", field="input",
            cure=f"Give templates of {fitted.about.source}.",
        )  # fmt: skip
    partial = output.with_name(f"{output.name}.partial")
    try:
        mapped = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=(rows, fitted.matrix.shape[1]))
        with bar() as told:
            for start in range(0, rows, 16384):
                stop = min(start + 16384, rows)
                vectors = np.asarray(table.rows(start, stop))
                row_lengths(vectors, np.arange(start, stop), name="input")
                mapped[start:stop] = fitted.apply(vectors)
                told("mapping", stop, rows)
        mapped.flush()
        partial.replace(output)
    except OSError as error:
        raise RequestError(f"{output} cannot be written.", field="output", cure="Choose another place.") from error
    finally:
        if partial.is_file():
            partial.unlink()
    print(f"{output}: {rows:,} templates of {fitted.about.source} in the space of {fitted.about.target}")


def report_command(
    source: Source, target: Target, out: Annotated[Path, typer.Option(help="Folder for tables and plots.")],
    people: People = None, method: Method = "ols", bias: Bias = True, alpha: Alpha = 1.0, per_person: PerPerson = "all",
    held_out: HeldOut = 0.1, raw: Raw = False, seed: int = 0,
    sizes: Annotated[str, typer.Option(help="Numbers of people; all of them comes by itself.")] = ",".join(
        map(str, SIZES)
    ),
    threshold: Annotated[
        float | None,
        typer.Option(help="Cosine from which two templates are one person.", show_default=str(PUBLISHED_THRESHOLD)),
    ] = None,
    false_match_rate: Annotated[
        float | None, typer.Option(help="Choose the threshold at this rate among held-out people.")
    ] = None,
    source_pack: SourcePack = None, target_pack: TargetPack = None, source_name: SourceName = None,
    target_name: TargetName = None, overwrite: Overwrite = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Fit on growing numbers of people and measure on people left out: tables, plots, both spaces as a picture."""
    check_new(out / "report.json", overwrite, name="out")
    chosen, rate = threshold_or_rate(threshold, false_match_rate, usual=PUBLISHED_THRESHOLD)
    check_method(method, alpha)
    wanted, how = _sizes(sizes), _how(per_person, held_out, raw, seed)
    check_folder(out, name="out")
    with bar() as told:
        pairs = _pairs(source, target, people, source_pack, target_pack, told, how)
        found = sweep(
            pairs, **_names(source, target, source_pack, target_pack, source_name, target_name), method=method,
            bias=bias, alpha=alpha, sizes=wanted, threshold=chosen, false_match_rate=rate, progress=told,
        )  # fmt: skip
    found.write(out)
    for note in found.notes():
        print(f"note: {note}", file=sys.stderr)
    if as_json:
        print((out / "report.json").read_text(encoding="utf-8"), end="")
        return
    print(found.table(), end="\n\n")
    print(found.published())
    print(f"{out}: report.json, report.md, {', '.join(found.pictures())}", file=sys.stderr)


def _notes(about: About, pairs: Pairs, width: int) -> list[str]:
    """Sentences on what the figures of a fit do not say by themselves."""
    notes = [] if about.rank == width else [undetermined(f"{about.pairs:,} pairs", width, about.method)]
    unseen = pairs.others().people
    if pairs.held_out and unseen < FEW:
        notes.append(
            f"Of {about.people + unseen:,} people {unseen} are held out, from whom held_out_cosine says "
            f"{'little' if unseen else 'nothing'}: give more people, or a larger --held-out."
        )
    return notes + ([OF_AVERAGES] if pairs.per_person == "mean" else [])


def _pairs(
    source: Path, target: Path, people: Path | None, source_pack: Path | None, target_pack: Path | None,
    told: Callable[[str, int, int], None], how: dict[str, Any],
) -> Pairs:  # fmt: skip
    """Two files of vectors, or one folder of photos run through both recognisers."""
    if not source.is_dir() and not target.is_dir():
        (x, of_x), (y, of_y) = open_vectors(source, name="source"), open_vectors(target, name="target")
        whose = read_people(people) if people is not None else agreed(of_x, of_y)
        return Pairs(x, y, codes=None if whose is None else whose.codes, **how)
    if source.absolute() != target.absolute():
        raise RequestError(
            "Photos must be the same on both sides.", field="target", cure="Give one folder as --source and --target."
        )
    profile = pick_profile("miniature") if target_pack is None else None
    packs = (needed(source_pack), target_pack or MINIATURE_PACK)
    if target_pack is None:
        print("note: without --target-pack the target is the miniature's recogniser.", file=sys.stderr)
    both = zip(packs, reversed(packs), strict=True)
    readers = [embedder(open_analyzer(pack, profile, detector_of=other)) for pack, other in both]
    found = embed_folder(source, *readers, progress=lambda done, of: told("reading photos", done, of))
    for note in told_left_out(found.left_out):
        print(f"note: {note}", file=sys.stderr)
    x, y = found.rows
    return Pairs(Array(x), Array(y), codes=people_of(found.people, of="source").codes, **how)


def _how(per_person: str, held_out: float, raw: bool, seed: int) -> dict[str, Any]:
    """The choice of pairs, checked before anything is read."""
    check_choice(per_person, held_out, seed)
    return {"per_person": per_person, "held_out": held_out, "unit": not raw, "seed": seed}


def _names(
    source: Path, target: Path, source_pack: Path | None, target_pack: Path | None, source_name: str | None,
    target_name: str | None,
) -> dict[str, str]:  # fmt: skip
    return {
        "source": source_name or (source_pack or source).stem,
        "target": target_name or (target_pack or (MINIATURE_PACK if target.is_dir() else target)).stem,
    }


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",") if part]
    except ValueError:
        sizes = [0]
    if min(sizes, default=1) < 2:
        raise RequestError("The sizes are not understood.", field="sizes", cure="Write them as 100,1000,10000.")
    return sizes
