"""`cli.py prepare-data`, `train` and `distil`: photos to shards, shards to weights, weights to a LoRA of few steps."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from commands.weight_options import ModelsDir
from errors import OutOfMemory, RequestError
from weights.registry import PROFILES, Profile
from weights.store import Store

if TYPE_CHECKING:
    from training.config import Config
    from training.prepare import Report
    from training.run import Outcome

COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
PACKAGES = ("webdataset", "tensorboard")  # what requirements-train.txt has beyond requirements.txt
PROFILE = "sdxl"
LINES_EVERY = 50  # steps between lines where no bar can be shown

ConfigFile = Annotated[Path, typer.Option(help="TOML file of the run; see training/configs.", show_default=False)]
Until = Annotated[int | None, typer.Option(help="Stop at this step, to go on later.", show_default=False)]
Overfit = Annotated[bool, typer.Option("--overfit", help="Learn one person alone: a check that it can learn at all.")]


def prepare_data(
    photos: Annotated[Path, typer.Argument(help="Folder of photos; with --drawn, of drawings.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Folder of the shards.", show_default=False)],
    profile: Annotated[
        str | None, typer.Option(help="Whose face models and sizes: " + ", ".join(PROFILES) + ".", show_default=PROFILE)
    ] = None,
    pack: Annotated[Path | None, typer.Option(help="Folder of other face models.", show_default=False)] = None,
    people: Annotated[bool, typer.Option("--people", help="The first folder level names people.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="1")] = None,
    per_shard: Annotated[int, typer.Option(min=1, help="Photos looked at for one shard.")] = 1000,
    min_side: Annotated[
        int | None, typer.Option(min=64, help="Picture's shorter side.", show_default="by profile")
    ] = None,
    min_face: Annotated[
        int | None, typer.Option(min=16, help="Face's shorter side.", show_default="by profile")
    ] = None,
    min_sharpness: Annotated[
        float | None, typer.Option(min=0, help="Variance of the Laplacian of the face.", show_default="40")
    ] = None,
    max_side: Annotated[
        int | None, typer.Option(min=128, help="Longer side of a stored picture.", show_default="2048")
    ] = None,
    faces_on: Annotated[
        str | None, typer.Option(help="Device of the face models: cpu or cuda.", show_default="cpu")
    ] = None,
    drawn: Annotated[
        bool, typer.Option("--drawn", help="PHOTOS is a set of drawings by training.miniature.dataset.")
    ] = False,
    models_dir: ModelsDir = None,
) -> None:
    """Find and filter faces in photos, and write them as webdataset shards to train on.

    Captions come from a .txt beside each photo or from metadata.jsonl. Goes on where it was stopped. Photos that are
    left out, those of more than 100 megapixels among them, are counted here and listed in OUT/rejected-*.jsonl;
    captions that cannot be read, or are of no picture, in OUT/passed-over.jsonl.
    """
    _check_installed()
    if drawn:
        _refuse_for_drawings(
            people=people or None, profile=profile, workers=workers, min_side=min_side, min_face=min_face,
            min_sharpness=min_sharpness, max_side=max_side, faces_on=faces_on,
        )  # fmt: skip
    chosen = _profile(profile or PROFILE)
    if faces_on not in (None, "cpu", "cuda"):
        raise RequestError(f"There is no device {faces_on!r}.", field="faces_on", cure="Choose cpu or cuda.")
    console = Console()
    if drawn:
        from training.drawn import write_drawn
        from training.miniature.dataset import load
        from training.miniature.face_pack import ASSETS

        count = write_drawn(load(photos), out, pack=pack or ASSETS, per_shard=per_shard)
        console.print(f"{count} drawings in {out}")
        return
    from training.photos import Slip, list_photos
    from training.prepare import prepare
    from training.sift import Limits

    usual = Limits()
    limits = Limits(
        min_side=min_side or _least_side(chosen),
        min_face=min_face or (32 if chosen.drawn else 96),
        min_sharpness=usual.min_sharpness if min_sharpness is None else min_sharpness,
        max_side=max_side or usual.max_side,
    )
    where = pack if pack is not None else Store(models_dir).path(chosen.face_pack)
    providers = ("CUDAExecutionProvider", "CPUExecutionProvider") if faces_on == "cuda" else ("CPUExecutionProvider",)
    slips: list[Slip] = []
    listed = list_photos(photos, people=people, slipped=slips.append)
    with Progress(*COLUMNS, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("photos", total=len(listed))
        report = prepare(
            listed,
            out,
            where,
            slips=slips,
            det_size=chosen.det_size,
            limits=limits,
            per_shard=per_shard,
            workers=workers or 1,
            providers=providers,
            progress=lambda done, total: bars.update(bar, completed=done, total=total),
        )
    console.print(_prepared(report, out))


def train(
    config: ConfigFile,
    until: Until = None,
    overfit: Overfit = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the config's.", show_default=False)] = None,
    models_dir: ModelsDir = None,
) -> None:
    """Train IdentityNet and the face adapter on shards.

    Goes on from the newest checkpoint in the config's output folder. One process is started by this command alone,
    several by: accelerate launch cli.py train --config FILE
    """
    _learn("train", config, until, overfit, steps, models_dir)


def distil(
    config: ConfigFile,
    until: Until = None,
    overfit: Overfit = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the config's.", show_default=False)] = None,
    models_dir: ModelsDir = None,
) -> None:
    """Distil a LoRA with which few steps without guidance do (LCM), for the weights that the config starts from."""
    _learn("distil", config, until, overfit, steps, models_dir)


def _learn(what: str, file: Path, until: int | None, overfit: bool, steps: int | None, models_dir: Path | None) -> None:
    _check_installed()
    from dataclasses import replace

    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()  # diffusers' imports speak of torchvision
    from generation.memory import is_memory_error
    from training.config import load_config

    config = load_config(file)
    if steps is not None:
        config = replace(config, steps=steps)
    if until is not None and until < 1:
        raise RequestError("A run cannot stop before its first step.", field="until", cure="Give 1 or more.")
    from training.distil import DistilTask
    from training.run import run
    from training.task import FaceTask

    console = Console(stderr=True, quiet=os.environ.get("RANK", "0") != "0")
    if config.optimizer.schedule != "constant" and config.optimizer.warmup >= config.steps:
        long = f"optimizer.warmup ({config.optimizer.warmup}) does not end within the run ({config.steps} steps)"
        console.print(f"note: {long}; the rate never gets to what the config asks for.")
    last = min(until or config.steps, config.steps)
    with Progress(*COLUMNS, console=console, transient=True) as bars:
        bar = bars.add_task(what, total=last)
        due = 0

        def told(step: int, numbers: dict[str, float]) -> None:
            nonlocal due
            loss = numbers.get("train/loss")
            line = loss is not None and not console.is_terminal and (step >= due or step == last)
            if line:
                due = step + LINES_EVERY
            if loss is None or line:
                console.print(f"step {step}: " + ", ".join(f"{name} {value:.4g}" for name, value in numbers.items()))
            if loss is not None:
                bars.update(bar, completed=step, description=f"loss {loss:.4f}")

        try:
            outcome = run(
                config,
                {"train": FaceTask, "distil": DistilTask}[what],
                what=what,
                until=until,
                overfit=overfit,
                store=Store(models_dir),
                told=told,
            )
        except Exception as error:
            if not is_memory_error(error):
                raise
            raise _out_of_memory(config) from error
    if outcome.step > last:
        console.print(f"note: the run stood at step {outcome.step} already, past {last}; nothing was learned.")
    if not console.quiet:
        Console().print(_learnt(outcome, config.output / "overfit" if overfit else config.output))


def _out_of_memory(config: Config) -> OutOfMemory:
    """Names the settings with which this run takes less."""
    ways = {
        f"batch below {config.batch}": config.batch > 1,
        "checkpointing = true": not config.checkpointing,
        "optimizer.eight_bit = true": not config.optimizer.eight_bit,
        "ema = 0": config.ema > 0,
        f"data.workers below {config.data.workers}": config.data.workers > 0,
    }
    helps = ", ".join(way for way, is_open in ways.items() if is_open)
    return OutOfMemory(
        "The training ran out of memory.",
        field="batch",
        cure=f"In the config, with another output folder, this takes less: {helps or 'smaller data.buckets'}.",
    )


def _check_installed() -> None:
    """Raises RequestError without the packages that training alone needs."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise RequestError(
            f"Training needs packages that are not installed: {', '.join(missing)}.",
            cure="Run: pip install -r requirements-train.txt -c constraints.txt",
        )


def _refuse_for_drawings(**given: Any) -> None:
    """Raises RequestError for the first option that was given: a drawing's face is known, and nothing is filtered."""
    for name, value in given.items():
        if value is not None:
            raise RequestError(
                f"--{name.replace('_', '-')} says nothing of drawings.",
                field=name,
                cure="Leave it out; with --drawn, --pack and --per-shard are what there is to choose.",
            )


def _profile(name: str) -> Profile:
    if name not in PROFILES:
        raise RequestError(
            f"There is no profile {name!r}.", field="profile", cure=f"Choose one of: {', '.join(PROFILES)}."
        )
    return PROFILES[name]


def _least_side(profile: Profile) -> int:
    """Photographs are not enlarged for the sizes that a base was trained at; the drawn people know no more than one."""
    return profile.min_side if profile.drawn else max(min(width, height) for _, width, height in profile.sizes)


def _prepared(report: Report, out: Path) -> Any:
    table = Table("photos", "count", title=f"{out}")
    table.add_row("kept", str(report.kept))
    table.add_row("of these without a caption", str(report.without_caption))
    table.add_row("of these with a person's name", str(report.named))
    for reason, count in report.rejected.most_common():
        table.add_row(f"left out: {reason}", str(count))
    for reason, count in report.slips.most_common():
        table.add_row(f"passed over: {reason}", str(count))
    return table


def _learnt(outcome: Outcome, output: Path) -> Any:
    title = f"{output}: step {outcome.step}, {outcome.photos} photos"
    table = Table("held-out photos" if outcome.held_out else "no photos held out", "at first", "now", title=title)
    for name, value in outcome.last.items():
        before = outcome.first.get(name)
        table.add_row(name, "" if before is None else f"{before:.4f}", f"{value:.4f}")
    return table
