"""The command line: one typer app, one function a command. Errors are one line on stderr and exit code 2."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from commands import training
from commands.evaluate import evaluate
from commands.template import app as template
from errors import InstantIDError, PhotoError, RequestError
from face.photo import open_photo
from generation import modes
from generation import strengths as presets
from generation.bases import with_base
from generation.controls import Control
from generation.loading import load_engine, pick_profile
from generation.machine import survey
from generation.people import Person
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
    face: Annotated[
        list[Path] | None, typer.Option(help="Photo of the person. May be repeated.", show_default=False)
    ] = None,
    person: Annotated[
        list[Path] | None,
        typer.Option(help="Photo, or folder of photos, of one of several people, left to right.", show_default=False),
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="Who stands where, left to right, e.g. 2,1.", show_default=False)
    ] = None,
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
    control: Annotated[
        list[str] | None,
        typer.Option(help="pose, canny or depth, with :STRENGTH[:PICTURE] or without. May be repeated."),
    ] = None,
    save_controls: Annotated[bool, typer.Option(help="Also write what each control followed.")] = False,
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
    start: Annotated[Path | None, typer.Option(help="Picture to start from.", show_default=False)] = None,
    into: Annotated[Path | None, typer.Option(help="Photo to put the person into.", show_default=False)] = None,
    into_face: Annotated[
        int | None, typer.Option(help="Which face of it, 0 = the largest.", show_default=False)
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Where such a picture may change, white.", show_default=False)
    ] = None,
    strength: Annotated[float | None, typer.Option(help="How much of it may change.", show_default=False)] = None,
    refine: Annotated[
        str | None, typer.Option(help="Small faces made again: never, auto, always.", show_default="never")
    ] = None,
    strengths: Annotated[
        str | None, typer.Option(help="Preset: official, balanced or free.", show_default=False)
    ] = None,
    guidance_rescale: Annotated[float | None, typer.Option(help="0 to 1, against burning.", show_default=False)] = None,
    face_noise: Annotated[float | None, typer.Option(help="0 to 1, against burning.", show_default=False)] = None,
    compare_colours: Annotated[bool, typer.Option(help="Say whether the person burns the colours.")] = False,
    best: Annotated[
        str | None, typer.Option(help="KEEP/MAKE, e.g. 2/6: make six, keep the two best.", show_default=False)
    ] = None,
    lora: Annotated[
        list[str] | None, typer.Option(help="FILE.safetensors or OWNER/REPO, with :WEIGHT or without. May be repeated.")
    ] = None,
    like: Annotated[
        Path | None, typer.Option(help="PNG made here, whose settings hold where no option is given.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace files that are there.")] = False,
    profile: Annotated[str | None, typer.Option(help=f"One of: auto, {', '.join(PROFILES)}.")] = None,
    base: Annotated[
        str | None, typer.Option(help="SDXL checkpoint: FILE.safetensors or OWNER/REPO.", show_default="by profile")
    ] = None,
    vae: Annotated[str | None, typer.Option(help="Decoder: own, or OWNER/REPO.", show_default="by profile")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    models_dir: ModelsDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Make pictures of one person.

    Nothing is overwritten unless asked for. Each PNG holds its settings; --like makes it again.
    """
    kept = _settings_like(like)
    before = kept.get("profile") if kept.get("profile") in PROFILES else None
    settings = Settings.from_environment(
        profile=profile or before, device=device, models_dir=models_dir, base=base, vae=vae
    )
    chosen = pick_profile(settings.profile)
    if settings.base is not None or settings.vae is not None:
        store = Store(settings.models_dir, settings.offline or None)
        chosen = with_base(chosen, settings.base, settings.vae, store)
        settings = replace(settings, base=None, vae=None)
    styles = STYLES if settings.styles is None else load_styles(settings.styles)
    width, height = _size(size)
    given = {
        "pose": None if pose is None else _photo(pose, "pose"),
        "assignment": None if order is None else _order(order),
        "start_picture": None if start is None else _photo(start, "start"),
        "into": None if into is None else _photo(into, "into"),
        "into_face": into_face,
        "mask": None if mask is None else _photo(mask, "mask"),
        "strength": strength,
        "controls": tuple(_control(text) for text in control or ()) or None,
        "refine": refine,
        "prompt": prompt,
        "negative_prompt": negative,
        "style": style,
        "view": view,
        "view_size": view_size,
        **({} if count is None else {"count": count}),
        "seed": seed,
        "mode": mode,
        "strengths": strengths,
        "guidance_rescale": guidance_rescale,
        "face_noise": face_noise,
        "compare_colours": compare_colours or None,
        **_best(best),
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
    photos, given_others = _people(face or [], person or [])
    options |= {"others": given_others} if given_others else {}
    request = request_from_settings(_without(kept, options), photos, profile=chosen, **options)
    request = request.resolved(chosen, styles)
    files = _files(out, request.count, overwrite)
    beside = request.controls if save_controls else ()
    followed = [_files(out.with_stem(f"{out.stem}-{one.kind}"), 1, overwrite)[0] for one in beside]
    result = _run(load_engine(chosen, settings), request)
    for file, image in zip(files, result.images, strict=True):
        _write(image, result.settings, file)
    for file, (_, picture) in zip(followed, result.controls, strict=bool(followed)):
        picture.save(file)
    if as_json:
        print(json.dumps(_report(result, files), ensure_ascii=False))
        return
    for file, image in zip(files, result.images, strict=True):
        print(f"{file}  seed {image.seed}, likeness {_likeness(image)}")
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
            {
                "file": str(file),
                "seed": image.seed,
                "identity": image.identity,
                "keypoint_error": image.keypoint_error,
                "people": [asdict(score) for score in image.people],
                "swapped": image.swapped,
                "colours": image.colours and asdict(image.colours),
                "before_refining": image.before and {"identity": image.before.identity},
            }
            for file, image in zip(files, result.images, strict=True)
        ],
        "references": [
            {"photo": report.index + 1, "used": report.used, "verdict": report.verdict} for report in result.references
        ],
        "notes": list(result.notes),
        "candidates": [asdict(candidate) for candidate in result.candidates],
        "settings": result.settings,
    }


def _people(face: list[Path], person: list[Path]) -> tuple[tuple[Image.Image, ...], tuple[Person, ...]]:
    """Photos of the first person, and the others. A first person may be given by --face or as the first --person."""
    everybody = [face] if face else []
    everybody += [
        sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path] for path in person
    ]
    if not everybody:
        raise RequestError("Nobody was named.", field="face", cure="Give a photo with --face, or several --person.")
    opened = [
        tuple(_photo(path, "face" if face and not n else "person") for path in paths)
        for n, paths in enumerate(everybody)
    ]
    return opened[0], tuple(Person(photos) for photos in opened[1:])


def _order(text: str) -> tuple[int, ...]:
    """People counted from 1 on the command line, from 0 within."""
    try:
        return tuple(int(number) - 1 for number in text.split(","))
    except ValueError as error:
        raise RequestError("The order is not understood.", field="order", cure="Write it as 2,1.") from error


def _likeness(image: GeneratedImage) -> str:
    def said(value: float | None) -> str:
        return "not measurable" if value is None else f"{value:.2f}"

    if image.people:
        return ", ".join(said(score.identity) for score in image.people) + (" (swapped)" if image.swapped else "")
    return said(image.identity) + (f" ({said(image.before.identity)} before refining)" if image.before else "")


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


def _best(text: str | None) -> dict[str, int]:
    if text is None:
        return {}
    match = re.fullmatch(r"(\d{1,3})/(\d{1,3})", text.strip())
    if match is None:
        raise RequestError("The best is not understood.", field="best", cure="Write it as 2/6: keep two of six.")
    return {"count": int(match[1]), "best_of": int(match[2])}


def _control(text: str) -> Control:
    kind, _, rest = text.partition(":")
    strength, _, picture = rest.partition(":")
    try:
        act = {"strength": float(strength)} if strength else {}
    except ValueError as error:
        raise RequestError(
            "The control is not understood.", field="control", cure="Write it as canny:0.7 or canny:0.7:PICTURE."
        ) from error
    return Control(kind, **act, picture=_photo(Path(picture), "control") if picture else None)


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
    if not picture.is_file():
        raise RequestError(f"{picture}: There is no such file.", field="like", cure="Check its name and place.")
    kept = read_settings(picture)
    if kept is None:
        raise RequestError(
            f"{picture.name} holds no settings.", field="like", cure="Give a PNG that was made and saved by this app."
        )
    return kept


def _without(kept: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Kept settings less the pose, the speed or the strengths when others are asked for.

    LoRA files cannot be kept, so they must be given again; of another mode the LoRAs go too.
    """
    if lora_files(kept) and "loras" not in options:
        raise RequestError("The picture was made with LoRA files.", field="like", cure="Give them again with --lora.")
    if wanting := [name for name in kept.get("needs") or () if name not in options]:
        raise RequestError(f"The picture was made with another one: {wanting[0]}.", field="like", cure="Give it again.")
    dropped = set(POSE_SETTINGS) if {"pose", "view"} & options.keys() else set()
    if "mode" in options:
        dropped |= {*modes.FILLED, "loras"}
    if "strengths" in options:
        dropped |= set(presets.FILLED)
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


app.command("prepare-data")(training.prepare_data)
app.command()(training.train)
app.command()(training.distil)


def main() -> None:
    """Runs a command; an error that the user can cure is one line and exit code 2."""
    try:
        app()
    except InstantIDError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
