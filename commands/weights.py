"""`cli.py doctor` and `download`: what is installed and what is missing, and the weights themselves."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from commands.weight_options import ModelsDir
from errors import RequestError
from generation.loading import pick_profile
from generation.machine import survey
from generation.settings import Settings
from weights import doctor as doctoring
from weights import table
from weights.registry import PROFILES, WEIGHTS, Weight
from weights.store import Store

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


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
