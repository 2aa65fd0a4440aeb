"""`cli.py evaluate`: from options to figures, report and card."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.watching import bar
from commands.weight_options import ModelsDir, OwnAdapter, OwnIdentityNet, ProfileName
from errors import RequestError
from evaluation.suite import SUITES
from generation.loading import fingerprint, load_engine, pick_profile
from generation.settings import Settings
from outputs.metadata import read_settings, write_png
from weights.published import CLIP
from weights.store import Store

if TYPE_CHECKING:
    from evaluation.cases import World
    from weights.registry import Profile


def evaluate(
    profile: ProfileName = None,
    suite: Annotated[str, typer.Option(help=f"One of: {', '.join(SUITES)}.")] = "quick",
    seed: Annotated[int, typer.Option(help="Chooses people, wishes and noise; 0 to 99999.")] = 0,
    people: Annotated[
        Path | None,
        typer.Option(
            help="Folder with a folder of photos, at any depth, for each person; photographic weights need it."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--json", help="JSON file for all figures.")] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder that keeps every picture; a stopped run goes on there.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Markdown file; plots and sheets lie in results/ beside it.")
    ] = None,
    card: Annotated[Path | None, typer.Option(help="Card of a bundle whose measured part is renewed.")] = None,
    neutral: Annotated[
        Path | None, typer.Option(help="Face pack whose recogniser judges.", show_default="by profile")
    ] = None,
    adapter: OwnAdapter = None,
    identity_net: OwnIdentityNet = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    models_dir: ModelsDir = None,
) -> None:
    """Measure likeness, pose and prompt on people whom no training has seen.

    The quick suite takes minutes on a processor; the full one adds the sweeps. Tables go to the terminal.
    """
    if suite not in SUITES:
        raise RequestError(f"There is no suite {suite!r}.", field="suite", cure=f"Choose one of: {', '.join(SUITES)}.")
    if not 0 <= seed <= 99_999:
        raise RequestError("The seed is out of range.", field="seed", cure="Give a number from 0 to 99999.")
    for option, file in (("json", out), ("report", report), ("card", card)):
        _check_place(option, file)
    if card is not None and people is not None:
        raise RequestError(
            "The card of a bundle tells of people whom everybody can draw again.",
            field="card",
            cure="Leave --card or --people out.",
        )
    if pictures is not None:
        _check_folder(pictures)
    settings = Settings.from_environment(
        profile=profile, device=device, models_dir=models_dir, adapter=adapter, identity_net=identity_net
    )
    chosen = pick_profile(settings.profile)
    if not chosen.drawn and people is None:
        raise RequestError(
            f"{chosen.title} makes photographs, and nobody was named to make them of.",
            field="people",
            cure="Give --people FOLDER with a folder of photos for each person.",
        )
    store = Store(settings.models_dir, settings.offline or None)
    judge = neutral or _neutral(store, chosen)

    from evaluation import report as reports
    from evaluation import tables
    from evaluation.making import Shelf
    from evaluation.measure import Eyes
    from evaluation.run import evaluate as run
    from evaluation.run import gather
    from face.recogniser import Recogniser

    engine = load_engine(chosen, settings)
    eyes = Eyes(engine.analyzer, Recogniser(judge))
    reader = _clip(store) if people is not None else None
    bundle = None if people is not None else store.path(chosen.face_pack).parent
    shelf = None if pictures is None else Shelf(pictures, write_png, read_settings)
    with bar() as tell:
        world = gather(engine, SUITES[suite], seed, eyes, people=people, bundle=bundle, reader=reader, tell=tell)
        _tell_left_out(world)
        weights = fingerprint(engine.profile, store)
        if settings.backend != "torch":
            weights["backend"] = settings.backend
        found = run(engine, world, SUITES[suite], seed, eyes, weights=weights, shelf=shelf, tell=tell)
    shown = [tables.identity, tables.pose] + ([tables.prompt] if world.reader is not None else [])
    for table in shown:
        print(table(found.figures), end="\n\n")
    command = _command(chosen.name, suite, seed, people, report, card, engine.profile.own)
    if out is not None:
        unfinished = out.with_name(f"{out.name}.tmp")
        unfinished.write_text(json.dumps(found.figures, indent=1) + "\n", encoding="utf-8")
        unfinished.replace(out)
    if report is not None:
        reports.write(found, report, command)
    if card is not None:
        reports.into_card(found.figures, card, command)


def _tell_left_out(world: World) -> None:
    """The photos one by one, and how many; the people by their folders' names."""
    for name, why in world.left_out.items():
        print(f"note: {name} was left out: {why}", file=sys.stderr)
    if world.left_out:
        print(f"note: photos left out: {len(world.left_out)}", file=sys.stderr)
    if world.nobody:
        names = ", ".join(world.nobody)
        print(f"note: people left out, without a photo of a face: {len(world.nobody)} ({names})", file=sys.stderr)


def _neutral(store: Store, profile: Profile) -> Path:
    if profile.neutral is None:
        raise RequestError(
            f"{profile.title} has no second recogniser.", field="neutral", cure="Give --neutral FOLDER of a face pack."
        )
    return store.path(profile.neutral)


def _clip(store: Store) -> Any:
    """CLIP where it was downloaded; without it the prompt figures are left out."""
    if not store.status(CLIP).present:
        cure = f"python cli.py download --weight {CLIP.name}"
        print(f"note: prompts are not measured without CLIP. To change that: {cure}", file=sys.stderr)
        return None
    from evaluation.clip import ClipReader
    from evaluation.photos import WORDS

    return ClipReader(store.path(CLIP), WORDS)


def _check_folder(pictures: Path) -> None:
    """Made now, so that a place where nothing can be written is told before hours of work."""
    try:
        pictures.mkdir(parents=True, exist_ok=True)
        problem = "" if os.access(pictures, os.W_OK) else "it cannot be written to"
    except OSError as error:
        problem = error.strerror or "it cannot be made"
    if problem:
        cure = "Name a folder in a place of your own."
        raise RequestError(f"{pictures} cannot be used: {problem}.", field="pictures", cure=cure)


def _check_place(option: str, file: Path | None) -> None:
    """Whether a file can be written, found out before hours of work."""
    if file is None:
        return
    if not file.parent.is_dir():
        raise RequestError(f"There is no folder {file.parent}.", field=option, cure="Make it first.")
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise RequestError(f"{file} cannot be written to.", field=option, cure="Name a file in a place of your own.")
    if option == "card":
        from evaluation.report import BEGIN, END

        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if BEGIN not in text or END not in text:
            raise RequestError(
                f"{file} has no place for figures.",
                field=option,
                cure=f"Put the lines {BEGIN.strip()} and {END.strip()} into it.",
            )


def _command(
    profile: str,
    suite: str,
    seed: int,
    people: Path | None,
    report: Path | None,
    card: Path | None,
    own: Mapping[str, Path],
) -> str:
    """The command line that makes the same figures again; people, and where weights of one's own lie, are private."""
    parts = [f"python cli.py evaluate --profile {profile} --suite {suite} --seed {seed}"]
    parts += [f"--{name.replace('_', '-')} {path.name}" for name, path in own.items()]
    parts += ["--people FOLDER"] if people is not None else []
    parts += [f"--report {report}"] if report is not None else []
    parts += [f"--card {card}"] if card is not None else []
    return " ".join(parts)
