"""Exports and quantised exports, made for the `openvino` commands."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from commands.watching import bar
from errors import RequestError
from face.folders import files_below
from face.photo import ENDINGS, open_photo
from face.views import VIEWS
from generation import compiled
from generation.loading import hush_libraries
from generation.request import GenerationRequest
from generation.settings import Settings
from openvino_backend import installed
from openvino_backend.manifest import Manifest
from style_presets import STYLES
from weights.registry import ASSETS, Profile
from weights.store import Store

PICTURES_A_SAMPLE = 8
PROMPTS = ("a portrait", "reading in a library", "on the beach", "in a red coat, snow", "a close portrait, smiling")


def exported(
    profile: Profile,
    store: Store,
    settings: Settings,
    precision: str = "fp16",
    *,
    controls: Sequence[str] = (),
    loras: Sequence[tuple[str, float]] = (),
) -> tuple[Manifest, Path]:
    """An export, converted as far as it is not there, and its folder."""
    from openvino_backend.export import export

    installed.require()
    hush_libraries()
    sources = compiled.sources_of(profile, store, controls, loras)
    for note in compiled.check_loras(sources):
        print(note)
    folder = compiled.exports_of(profile, settings) / precision
    with bar() as tell:
        return export(sources, folder, profile.name, precision, tell=tell), folder


def quantised(
    profile: Profile,
    store: Store,
    settings: Settings,
    precisions: Sequence[str],
    *,
    begin: str | None = None,
    subset: int = 64,
    group_size: int | None = None,
    ratio: float | None = None,
    people: Path | None = None,
) -> list[tuple[Manifest, Path]]:
    """An export at each of these precisions, all calibrated on the same pictures.

    begin: the export to start from, "fp16" or "fp32"; None for the one that is there.
    """
    from openvino_backend import quantize as quantising
    from openvino_backend.compiled import Device
    from openvino_backend.runtime import Export

    installed.require()
    installed.require("nncf")
    there = [name for name in ("fp16", "fp32") if name in compiled.available(profile, settings)]
    begin = compiled.pick_precision(profile, replace(settings, precision=begin or next(iter(there), "fp16")))
    root = compiled.exports_of(profile, settings)
    for precision in precisions:
        quantising.check(root / begin, precision, group_size, quantising.RATIO if ratio is None else ratio)
    compiled.check_sources(profile, store, Export(root / begin, Device()))
    hush_libraries()
    running = replace(settings, precision=begin, device="cpu")
    requests = calibration_requests(profile, people, subset)
    chosen: dict[str, Any] = {
        "group_size": group_size,
        "ratio": quantising.RATIO if ratio is None else ratio,
        "calibration": _digest(requests, subset),
    }
    wanted: set[str] = set()
    for precision in precisions:
        sampled = quantising.calibrated(precision)
        wanted |= quantising.outdated(root / begin, root / precision, precision, sampled, **chosen).keys() & {*sampled}
    with bar() as tell, _emptied(root / "calibration") as kept:
        samples: Mapping[str, Any] = {}
        if wanted:
            samples = compiled.calibrate(profile, store, running, requests, wanted, kept, subset, tell)
        found = []
        for precision in precisions:
            # Those whose samples nobody took are fresh: nothing is read of them.
            ours = {name: samples.get(name, ()) for name in quantising.calibrated(precision)}
            made = quantising.quantize(root / begin, root / precision, precision, ours, tell=tell, **chosen)
            found.append((made, root / precision))
        return found


@contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    """A folder for a while, without what a killed run left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _digest(requests: Sequence[GenerationRequest], subset: int) -> str:
    """Of the photos and the number of samples that a calibration takes."""
    digest = sha256(str(subset).encode())
    for request in requests:
        for photo in request.photos:
            digest.update(np.asarray(photo).tobytes())
    return digest.hexdigest()[:16]


def calibration_requests(profile: Profile, people: Path | None, subset: int) -> list[GenerationRequest]:
    """Pictures of the faces in turn, in every view and many styles; a few steps of each are kept.

    people: folder with photos; None for the examples. Raises RequestError when it has none.
    """
    folder = ASSETS / "examples" if people is None else people
    files = sorted(file for file in files_below(folder) if file.suffix.lower() in ENDINGS)
    if people is None:
        files = [file for file in files if file.name.startswith("person_")]
    if not files:
        raise RequestError(f"There are no photos in {folder}.", field="people", cure="Name a folder with photos.")
    views, styles = list(VIEWS), list(STYLES)
    side = profile.min_side if profile.half_precision else None
    return [
        GenerationRequest(
            photos=(open_photo(files[number % len(files)]),),
            prompt=PROMPTS[number % len(PROMPTS)],
            style=styles[7 * number % len(styles)],
            view=views[number % len(views)],
            seed=number,
            width=side,
            height=side,
        )
        for number in range(max(4, -(-subset // PICTURES_A_SAMPLE)))
    ]
