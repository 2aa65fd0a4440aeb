"""Options that several template commands take, and what holds between two of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from errors import RequestError
from template_adapter.validate import check_threshold

FALSE_MATCH_RATE = 0.01

Adapter = Annotated[Path, typer.Option(help="File written by `template fit`.")]
SourcePack = Annotated[Path | None, typer.Option(help="Folder of the recogniser to map from, for photos.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Overwrite = Annotated[bool, typer.Option(help="Replace a file that is there.")]


def check_new(path: Path, overwrite: bool, *, name: str) -> None:
    """Raises RequestError under the option `name` for a file that is there and shall stay."""
    if path.exists() and not overwrite:
        raise RequestError(f"{path} is there already.", field=name, cure="Add --overwrite or another name.")


def check_folder(path: Path, *, name: str) -> None:
    """Raises RequestError under the option `name` where no folder can be made or written."""
    nearest = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise RequestError(f"{path} cannot be written.", field=name, cure="Name a folder.")


def threshold_or_rate(
    threshold: float | None, false_match_rate: float | None, *, usual: float | None
) -> tuple[float | None, float]:
    """The threshold, None where it is chosen at the rate, and the rate.

    usual: the threshold where neither was given. Raises RequestError for both, and for what is no cosine or no share.
    """
    if threshold is not None and false_match_rate is not None:
        raise RequestError(
            "A threshold and a rate to choose it at contradict each other.",
            field="threshold",
            cure="Give --threshold or --false-match-rate.",
        )
    rate = FALSE_MATCH_RATE if false_match_rate is None else false_match_rate
    if threshold is None and false_match_rate is None:
        threshold = usual
    check_threshold(threshold, rate)
    return threshold, rate
