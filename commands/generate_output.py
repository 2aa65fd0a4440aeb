"""What `cli.py generate` leaves behind: files, lines and one JSON object."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import RequestError
from outputs.metadata import write_png

if TYPE_CHECKING:
    from generation.request import GeneratedImage, GenerationResult


def files_for(out: Path, count: int, overwrite: bool) -> list[Path]:
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


def write(image: GeneratedImage, settings: dict[str, Any], file: Path) -> None:
    try:
        write_png(image, settings, file)
    except OSError as error:
        raise RequestError(
            f"{file} could not be written ({error.strerror}).", field="out", cure="Choose a place with free room."
        ) from error


def report_of(result: GenerationResult, files: list[Path]) -> dict[str, Any]:
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


def likeness_of(image: GeneratedImage) -> str:
    def said(value: float | None) -> str:
        return "not measurable" if value is None else f"{value:.2f}"

    if image.people:
        return ", ".join(said(score.identity) for score in image.people) + (" (swapped)" if image.swapped else "")
    return said(image.identity) + (f" ({said(image.before.identity)} before refining)" if image.before else "")
