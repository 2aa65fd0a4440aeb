"""The command line: one typer app, one function a command. Errors are one line on stderr and exit code 2."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from commands.evaluate import evaluate
from commands.template import app as template
from errors import InstantIDError, PhotoError, RequestError
from face.photo import open_photo
from generation.loading import load_engine, pick_profile
from generation.machine import survey
from generation.modes import FILLED
from generation.request import GeneratedImage, GenerationRequest, GenerationResult, Lora, lora_files
from generation.settings import Settings
from outputs.metadata import read_settings, request_from_settings, write_png
from style_presets import STYLES, load_styles
from weights import doctor as doctoring
from weights import table
from weights.registry import PROFILES, WEIGHTS, Weight
from weights.store import Store

if TYPE_CHECKING:
    from PIL import Image

    from generation.engine import Engine

app = typer.Typer(
    help="Pictures of one person from a single photo.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(template, name="template")
app.command()(evaluate)

POSE_SETTINGS = ("view", "view_size", "view_centre", "keypoints", "pose_face")

ModelsDir = Annotated[
    Path | None, typer.Option(help="Where downloaded weights lie.", envvar="INSTANTID_MODELS_DIR", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@app.command()
def doctor(
    models_dir: ModelsDir = None,
    deep: Annotated[bool, typer.Option(help="Hash every weight instead of comparing size and time.")] = False,
    faces_on: Annotated[str, typer.Option(help="Device to try the face models on: cpu or cuda.")] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Say what is installed, present, missing or damaged, and what this machine can run.

    Missing weights are no failure; a damaged file is, and makes the exit code 1.
    """
    store = Store(Settings.from_environment(models_dir=models_dir).models_dir)
    rows = doctoring.examine(store, survey(store, faces_on), deep=deep)
    corrupt = any(row.state == "corrupt" for row in rows)
    if as_json:
        print(json.dumps({"ok": not corrupt, "rows": [asdict(row) for row in rows]}, indent=1))
    else:
        Console().print(table.findings(rows))
    raise typer.Exit(1 if corrupt else 0)


@app.command()
def download(
    profile: Annotated[str | None, typer.Option(help=f"One of: {', '.join(PROFILES)}, auto.")] = None,
    weight: Annotated[list[str] | None, typer.Option(help=f"One of: {', '.join(WEIGHTS)}. May be repeated.")] = None,
    models_dir: ModelsDir = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Fetch the weights of a profile, or single ones. Broken downloads are continued; every file is verified."""
    settings = Settings.from_environment(models_dir=models_dir)
    store = Store(settings.models_dir, settings.offline or None)
    console = Console()
    wanted = _wanted(profile, weight or [])
    absent = [one for one in wanted if one.folder is None and not store.status(one).present]
    if absent and not store.offline:
        console.print(table.to_download(absent))
        if not yes:
            typer.confirm(f"Download into {store.models_dir}?", abort=True)
    for one in wanted:
        _fetch(store, one, console)
    console.print("Complete and verified.")


def _wanted(profile: str | None, names: list[str]) -> list[Weight]:
    """The weights a command line names, each once."""
    if profile is None and not names:
        raise RequestError("Nothing to download was named.", field="profile", cure="Give --profile or --weight.")
    for name in names:
        if name not in WEIGHTS:
            raise RequestError(
                f"There are no weights {name!r}.", field="weight", cure=f"Choose one of: {', '.join(WEIGHTS)}."
            )
    of_profile = pick_profile(profile).weights if profile is not None else ()
    return list(dict.fromkeys((*of_profile, *(WEIGHTS[name] for name in names))))


def _fetch(store: Store, weight: Weight, console: Console) -> None:
    """Brings one weight with a bar for each file that has to travel."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bars = Progress(*columns, TimeRemainingColumn(), console=console)
    tasks = {}

    def show(name: str, done: int, total: int | None) -> None:
        if not console.is_terminal:
            return
        if name not in tasks:
            bars.start()
            tasks[name] = bars.add_task(f"{weight.name}/{name}", total=total)
        bars.update(tasks[name], completed=done)

    try:
        where = store.fetch(weight, show)
    finally:
        if tasks:
            bars.stop()
    console.print(f"{weight.name}: {where}")


@app.command()
def generate(
    face: Annotated[list[Path], typer.Option(help="Photo of the person. May be repeated.", show_default=False)],
    prompt: Annotated[str | None, typer.Option(help="What to see.", show_default=False)] = None,
    negative: Annotated[str | None, typer.Option(help="What not to see.", show_default=False)] = None,
    style: Annotated[str | None, typer.Option(help="A style preset, e.g. Watercolor.", show_default=False)] = None,
    pose: Annotated[Path | None, typer.Option(help="Picture whose face gives the pose.", show_default=False)] = None,
    view: Annotated[str | None, typer.Option(help="Pose by name, e.g. front.", show_default=False)] = None,
    view_size: Annotated[
        float | None, typer.Option(help="Face height over the short side.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="PNG to write; several get -1, -2, ... before the ending.")] = Path(
        "out.png"
    ),
    count: Annotated[int | None, typer.Option(help="Number of pictures.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="0 to 4294967295; drawn when not given.", show_default=False)] = None,
    mode: Annotated[
        str | None, typer.Option(help="Speed: quality, fast, turbo, or a way of turbo (lcm, tcd, ...).")
    ] = None,
    steps: Annotated[int | None, typer.Option(show_default="by profile")] = None,
    guidance: Annotated[float | None, typer.Option(show_default="by profile")] = None,
    scheduler: Annotated[str | None, typer.Option(show_default="by profile")] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels.", show_default="by profile")] = None,
    identity_net_scale: Annotated[
        float | None,
        typer.Option("--identity-net-scale", "--identity-strength", help="Face shape.", show_default="by profile"),
    ] = None,
    adapter_scale: Annotated[
        float | None,
        typer.Option("--adapter-scale", "--adapter-strength", help="Face detail.", show_default="by profile"),
    ] = None,
    lora: Annotated[
        list[str] | None, typer.Option(help="FILE.safetensors or OWNER/REPO, with :WEIGHT or without. May be repeated.")
    ] = None,
    like: Annotated[
        Path | None, typer.Option(help="PNG made here, whose settings hold where no option is given.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace files that are there.")] = False,
    profile: Annotated[str | None, typer.Option(help=f"One of: auto, {', '.join(PROFILES)}.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    models_dir: ModelsDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Make pictures of one person.

    Nothing is overwritten unless asked for. Each PNG holds its settings; --like makes it again.
    """
    kept = _settings_like(like)
    settings = Settings.from_environment(profile=profile or kept.get("profile"), device=device, models_dir=models_dir)
    chosen = pick_profile(settings.profile)
    styles = STYLES if settings.styles is None else load_styles(settings.styles)
    width, height = _size(size)
    given = {
        "pose": None if pose is None else _photo(pose, "pose"),
        "prompt": prompt,
        "negative_prompt": negative,
        "style": style,
        "view": view,
        "view_size": view_size,
        "count": count,
        "seed": seed,
        "mode": mode,
        "steps": steps,
        "guidance": guidance,
        "scheduler": scheduler,
        "width": width,
        "height": height,
        "identity_net_scale": identity_net_scale,
        "adapter_scale": adapter_scale,
        "loras": tuple(_lora(text) for text in lora or ()) or None,
    }
    options = {name: value for name, value in given.items() if value is not None}
    photos = tuple(_photo(path, "face") for path in face)
    request = request_from_settings(_without(kept, options), photos, profile=chosen, **options)
    request = request.resolved(chosen, styles)
    files = _files(out, request.count, overwrite)
    result = _run(load_engine(chosen, settings), request)
    for file, image in zip(files, result.images, strict=True):
        _write(image, result.settings, file)
    if as_json:
        print(json.dumps(_report(result, files), ensure_ascii=False))
        return
    for file, image in zip(files, result.images, strict=True):
        likeness = "not measurable" if image.identity is None else f"{image.identity:.2f}"
        print(f"{file}  seed {image.seed}, likeness {likeness}")
    for report in result.references:
        if not report.used:
            print(f"photo {report.index + 1}: {report.verdict}", file=sys.stderr)
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{chosen.title}, {result.seconds:.1f} s", file=sys.stderr)


def _run(engine: Engine, request: GenerationRequest) -> GenerationResult:
    """Watches a run from the terminal. Ctrl-C closes the iterator, which stops the run."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("reading", total=None)
        with closing(engine.generate(request)) as events:
            for event in events:
                if isinstance(event, GenerationResult):
                    return event
                bars.update(bar, description=event.phase, completed=event.step, total=event.total or None)
    raise RuntimeError("the engine ended without a result")


def _report(result: GenerationResult, files: list[Path]) -> dict[str, Any]:
    return {
        "profile": result.profile,
        "seconds": round(result.seconds, 3),
        "images": [
            {"file": str(file), "seed": image.seed, "identity": image.identity, "keypoint_error": image.keypoint_error}
            for file, image in zip(files, result.images, strict=True)
        ],
        "references": [
            {"photo": report.index + 1, "used": report.used, "verdict": report.verdict} for report in result.references
        ],
        "notes": list(result.notes),
        "settings": result.settings,
    }


def _photo(path: Path, option: str) -> Image.Image:
    """Opens a photo; of several on a command line, the error says which."""
    try:
        return open_photo(path, field=option)
    except PhotoError as error:
        raise PhotoError(f"{path}: {error.message}", field=option, cure=error.cure) from error


def _size(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    match = re.fullmatch(r"(\d{1,6})[xX×](\d{1,6})", text.strip())
    if match is None:
        raise RequestError("The size is not understood.", field="size", cure="Write it as 896x1152.")
    return int(match[1]), int(match[2])


def _lora(text: str) -> Lora:
    path, colon, weight = text.rpartition(":")
    try:
        return Lora(path, float(weight)) if colon else Lora(text)
    except ValueError:
        return Lora(text)


def _settings_like(picture: Path | None) -> dict[str, Any]:
    """Settings of a picture that was made here."""
    if picture is None:
        return {}
    kept = read_settings(picture)
    if kept is None:
        raise RequestError(
            f"{picture.name} holds no settings.", field="like", cure="Give a PNG that was made and saved by this app."
        )
    return kept


def _without(kept: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Kept settings less the pose or the speed when another is asked for.

    LoRA files cannot be kept, so they must be given again; of another mode the LoRAs go too.
    """
    if lora_files(kept) and "loras" not in options:
        raise RequestError("The picture was made with LoRA files.", field="like", cure="Give them again with --lora.")
    dropped = set(POSE_SETTINGS) if {"pose", "view"} & options.keys() else set()
    if "mode" in options:
        dropped |= {*FILLED, "loras"}
    return {name: value for name, value in kept.items() if name not in dropped}


def _files(out: Path, count: int, overwrite: bool) -> list[Path]:
    """Where the pictures go, settled before any work is done."""
    if out.suffix.lower() != ".png":
        raise RequestError("Pictures are saved as PNG.", field="out", cure="Give a name that ends in .png.")
    if not out.parent.is_dir():
        raise RequestError(f"There is no folder {out.parent}.", field="out", cure="Make it first.")
    files = [out] if count == 1 else [out.with_stem(f"{out.stem}-{number + 1}") for number in range(count)]
    try:
        there = [file for file in files if file.exists()]
    except OSError as error:
        raise RequestError(
            f"No file can have this name ({error.strerror}).", field="out", cure="Choose another name."
        ) from error
    if folders := [file for file in there if file.is_dir()]:
        raise RequestError(f"{folders[0]} is a folder.", field="out", cure="Name a file.")
    if there and not overwrite:
        raise RequestError(f"{there[0]} is there already.", field="out", cure="Choose another name or add --overwrite.")
    if locked := [place for place in (out.parent, *there) if not os.access(place, os.W_OK)]:
        raise RequestError(f"{locked[0]} cannot be written to.", field="out", cure="Choose another place.")
    return files


def _write(image: GeneratedImage, settings: dict[str, Any], file: Path) -> None:
    try:
        write_png(image, settings, file)
    except OSError as error:
        raise RequestError(
            f"{file} could not be written ({error.strerror}).", field="out", cure="Choose a place with free room."
        ) from error


def main() -> None:
    """Runs a command; an error that the user can cure is one line and exit code 2."""
    try:
        app()
    except InstantIDError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
