"""`cli.py openvino compare`: torch and every export, side by side in one run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from commands import openvino_making as making
from commands.openvino_options import (
    ActivationGroup,
    DeviceName,
    Exports,
    Streams,
    opened,
)
from commands.openvino_variant import Measured, measure
from commands.watching import bar
from commands.weight_options import Base, Decoder, ModelsDir, ProfileName
from errors import RequestError
from generation import compiled
from generation.settings import Settings
from openvino_backend import installed
from weights.registry import Profile
from weights.store import Store

TORCH = "torch"
MADE = ("fp16", "int8", "hybrid", "int4")
PROMPTED = ("style", "place", "clothes")
SHOWN = 8
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
AIMS = (("int8", 0.03), ("int4", 0.10))
SIZE_AIM = 0.55


def compare(
    profile: ProfileName = None,
    pictures: Annotated[int, typer.Option(help="Pictures each.", min=2, max=200)] = 12,
    make: Annotated[bool, typer.Option(help="Export and quantise first what is not there or has changed.")] = False,
    people: Annotated[
        Path | None, typer.Option(help="Folder with a folder of photos for each person; photographic weights need it.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--json", help="JSON file, one object a variant.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Contact sheet to write, .webp or .png.")] = None,
    report: Annotated[Path | None, typer.Option(help="Markdown file whose measured part is renewed.")] = None,
    device: DeviceName = None,
    streams: Streams = None,
    activation_group: ActivationGroup = None,
    exports: Exports = None,
    base: Base = None,
    vae: Decoder = None,
    models_dir: ModelsDir = None,
) -> None:
    """Size, load time, speed, memory, and what the pictures lose: torch beside every export that is there."""
    installed.require()
    settings, store, chosen = opened(
        profile=profile,
        models_dir=models_dir,
        device=device,
        streams=streams,
        activation_group=activation_group,
        exports=exports,
        base=base,
        vae=vae,
    )
    if not chosen.drawn and people is None:
        raise RequestError(
            f"{chosen.title} makes photographs, and nobody was named to make them of.",
            field="people",
            cure="Give --people FOLDER with a folder of photos for each person.",
        )
    if report is not None and (not report.is_file() or BEGIN not in report.read_text(encoding="utf-8")):
        raise RequestError(
            f"{report} has no place for figures.",
            field="report",
            cure=f"Put the lines {BEGIN.strip()} and {END.strip()} into it.",
        )
    if make:
        making.exported(chosen, store, settings)
        making.quantised(chosen, store, settings, MADE[1:])
    variants = {TORCH: replace(settings, backend="torch", device="cpu")}
    for precision in compiled.available(chosen, settings):
        variants[precision] = replace(settings, backend="openvino", precision=precision)
    if len(variants) == 1:
        compiled.pick_precision(chosen, settings)  # says how to export
    found, shown = _compared(chosen, store, variants, pictures, people)
    print(table(found))
    for line in aims(found):
        print(line)
    if out is not None:
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if sheet is not None:
        shown.save(sheet, **({"quality": 82, "method": 6} if sheet.suffix == ".webp" else {}))
    if report is not None:
        command = f"python cli.py openvino compare --profile {chosen.name} --pictures {pictures}"
        command += " --make" if make else ""
        command += f" --streams {streams}" if streams is not None else ""
        command += f" --activation-group {activation_group}" if activation_group is not None else ""
        command += f" --report {report}" + (f" --sheet {sheet}" if sheet is not None else "")
        renew(report, command, found, sheet)


def _compared(
    profile: Profile, store: Store, variants: Mapping[str, Settings], pictures: int, people: Path | None
) -> tuple[list[dict[str, Any]], Any]:
    """An object a variant, and the contact sheet."""
    from evaluation import figures
    from evaluation.drawn import draw_world
    from evaluation.making import Made, request_of
    from evaluation.measure import Eyes
    from evaluation.photos import photo_world
    from evaluation.run import gallery_of, sample_of
    from evaluation.sheets import sheet
    from evaluation.suite import Suite, plan
    from face.analyzer import FaceAnalyzer
    from face.recogniser import Recogniser

    if profile.neutral is None:
        raise RequestError(f"{profile.title} has no second recogniser.", field="profile", cure="Choose another.")
    pack = store.path(profile.face_pack)
    eyes = Eyes(FaceAnalyzer(pack, det_size=profile.det_size), Recogniser(store.path(profile.neutral)))
    suite = Suite("compare", people=pictures, gallery=2 * pictures, pictures=pictures, views=0, parts=0, sweep=0)

    def accept(photo: Any) -> bool:
        return eyes.look(photo) is not None

    if people is None:
        world: Any = draw_world(
            suite.people, suite.gallery, suite.pictures, 0, size=profile.size[0], bundle=pack.parent, accept=accept
        )
    else:
        world = photo_world(people, suite.people, suite.pictures, 0, reader=None, accept=accept)
    takes = plan(suite, profile, 0, [len(subject.photos) for subject in world.subjects]).main
    requests = [request_of(world, take) for take in takes]
    gallery = gallery_of(world, eyes)
    measured: dict[str, Measured] = {}
    with bar() as tell:
        for number, (name, settings) in enumerate(variants.items()):
            tell(name, number, len(variants))
            measured[name] = measure(profile, settings, requests)
    found: list[dict[str, Any]] = []
    each: dict[str, list[float | None]] = {}
    for name, one in measured.items():
        samples = [
            sample_of(profile, world, take, Made(image, seconds), eyes, with_true=False)
            for take, image, seconds in zip(takes, one.pictures(), one.seconds, strict=True)
        ]
        likeness = gallery.likeness((sample.take.subject, sample.look) for sample in samples)
        posed = figures.pose(samples)
        told = figures.prompt(samples, world.reader)
        first = found[0] if found else None
        each[name] = [gallery.likeness([(one.take.subject, one.look)])["neutral"]["mean"] for one in samples]
        identity = likeness["neutral"]["mean"]
        found.append(
            {
                "variant": name,
                "sizes": one.sizes,
                "bytes": sum(one.sizes.values()),
                "load_seconds": one.load_seconds,
                "seconds_a_picture": float(np.median(one.seconds)),
                "processor_seconds_a_picture": float(np.median(one.processor_seconds)),
                "peak_bytes": one.peak_bytes,
                "psnr": None if first is None else psnr(one.images, measured[TORCH].images),
                "identity": identity,
                "identity_conditioning": likeness["conditioning"]["mean"],
                "identity_loss": None if first is None else 1 - (identity or 0.0) / first["identity"],
                "identity_loss_error": standard_error(each[TORCH], each[name]),
                "found": likeness["found"],
                "keypoint_error": posed["keypoint_error"],
                "yaw_error": posed["yaw_error"],
                "prompt": {attribute: told[attribute] for attribute in PROMPTED},
                "pictures": len(samples),
            }
        )
    rows = {"given": [world.subjects[take.subject].photos[0] for take in takes[:SHOWN]]}
    rows |= {name: one.pictures()[:SHOWN] for name, one in measured.items()}
    return found, sheet(rows)


def standard_error(theirs: Sequence[float | None], ours: Sequence[float | None]) -> float | None:
    """Of the mean loss of identity, as a share of theirs, over pictures in which both show a face; None below two."""
    pairs = np.array([pair for pair in zip(theirs, ours, strict=True) if None not in pair], dtype=float)
    if len(pairs) < 2:
        return None
    losses = (pairs[:, 0] - pairs[:, 1]) / pairs[:, 0].mean()
    return float(losses.std(ddof=1) / len(losses) ** 0.5)


def psnr(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """Mean over pictures of the peak signal-to-noise ratio in dB; 99 for pictures that are equal."""
    values = []
    for one, other in zip(ours, theirs, strict=True):
        error = float(((one.astype(np.float64) - other) ** 2).mean())
        values.append(99.0 if error == 0 else 10 * np.log10(255**2 / error))
    return float(np.mean(values))


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """A column a variant."""
    from evaluation.tables import table as markdown

    mib = 2**20
    rows: list[list[object]] = [
        [f"{name}, MiB", *(f"{one['sizes'].get(name, 0) / mib:.1f}" for one in found)] for name in found[0]["sizes"]
    ]
    rows.append(["all networks, MiB", *(f"{one['bytes'] / mib:.1f}" for one in found)])
    rows.append(["load, s", *(f"{one['load_seconds']:.1f}" for one in found)])
    rows.append(["a picture, s", *(f"{one['seconds_a_picture']:.2f}" for one in found)])
    rows.append(["a picture, s of one core", *(f"{one['processor_seconds_a_picture']:.2f}" for one in found)])
    rows.append(["peak memory, MiB", *(f"{one['peak_bytes'] / mib:.0f}" for one in found)])
    rows.append(["PSNR to torch, dB", *(None if one["psnr"] is None else f"{one['psnr']:.1f}" for one in found)])
    for name, title in (
        ("identity", "identity (neutral recogniser)"),
        ("identity_conditioning", "identity (conditioning recogniser)"),
        ("identity_loss", "identity lost"),
        ("found", "face found"),
        ("keypoint_error", "keypoint error, inter-ocular"),
        ("yaw_error", "yaw error, degrees"),
    ):
        rows.append([title, *(one[name] for one in found)])
    rows += [[f"prompt: {name}", *(one["prompt"][name] for one in found)] for name in PROMPTED]
    return markdown(["", *(one["variant"] for one in found)], rows)


def aims(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was aimed at, and by how much it was reached or missed."""
    by_name = {one["variant"]: one for one in found}
    told = []
    if {"int8", "fp16"} <= by_name.keys():
        share = by_name["int8"]["bytes"] / by_name["fp16"]["bytes"]
        told.append(f"INT8 has {share:.1%} of FP16's size; the aim is at most {SIZE_AIM:.0%}: {_met(share, SIZE_AIM)}.")
    for name, most in AIMS:
        if name in by_name:
            loss, error = by_name[name]["identity_loss"], by_name[name].get("identity_loss_error")
            spread = "" if error is None else f" (standard error {error:.1%} over {by_name[name]['pictures']} pictures)"
            told.append(
                f"{name.upper()} loses {loss:.1%} of the identity{spread}; the aim is at most {most:.0%}: "
                f"{_met(loss, most)}."
            )
    return told


def _met(value: float, most: float) -> str:
    return "reached" if value <= most else f"missed by {100 * (value - most):.1f} points"


def renew(report: Path, command: str, found: Sequence[Mapping[str, Any]], sheet: Path | None) -> None:
    """Put the command, the table and the aims between the marks of a report."""
    text = report.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    parts = [f"`{command}`", table(found), *(f"- {line}" for line in aims(found))]
    if sheet is not None:
        shown = os.path.relpath(sheet, report.parent)
        parts.append(f"![Pictures of every variant]({shown})")
    report.write_text(f"{before}{BEGIN}" + "\n\n".join(parts) + f"\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")
