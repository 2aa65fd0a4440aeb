"""Finished pictures on their way out: files with their settings inside, thumbnails, and the photo laid over them."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from outputs.metadata import write_png
from ui.pictures import data_url
from ui.session import MAX_RESULTS, Result, Session

if TYPE_CHECKING:
    from generation.prepare import Prepared
    from generation.request import GenerationResult

THUMBNAIL_SIDE = 160
COMPARE_SIDE = 1024
FOLLOWED_SIDE = 320
KEPT_SECONDS = 12 * 3600  # an evening; a page that is closed takes its results along an hour later
SWEEP_SECONDS = 60


class Sweepable(Protocol):
    def sweep(self) -> None: ...


class ResultFolder:
    """Where files of visits lie until they are too old. Each visitor has a folder whose name cannot be guessed."""

    def __init__(self, root: Path, name: str = "results") -> None:
        self.root = root / name

    def of(self, session: Session) -> Path:
        if session.folder is None:
            session.folder = self.root / secrets.token_urlsafe(16)
        session.folder.mkdir(parents=True, exist_ok=True)
        os.utime(session.folder)
        return session.folder

    def sweep(self, older_than: float = KEPT_SECONDS) -> None:
        """Deletes folders in which nothing was written for `older_than` seconds."""
        now = time.time()
        for folder in self.root.glob("*"):
            if now - folder.stat().st_mtime > older_than:
                shutil.rmtree(folder, ignore_errors=True)


def keep_swept(*places: Sweepable) -> None:
    """Sweeps once a minute for as long as the app runs."""

    def sweep_on() -> None:
        while True:
            time.sleep(SWEEP_SECONDS)
            for place in places:
                place.sweep()

    threading.Thread(target=sweep_on, name="sweeper", daemon=True).start()


def forget(session: Session) -> None:
    """Drops everything a page held, when gradio drops its state."""
    for folder in (session.folder, session.lora_folder):
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    for photos in session.groups:
        photos.clear()
    session.results.clear()
    session.followed.clear()
    session.loras.clear()
    session.pose = session.ground = session.mask = None
    session.template_file = session.template = session.adapter = None


def keep_results(session: Session, outcome: GenerationResult, prepared: Prepared, folder: Path) -> list[Result]:
    """Writes each picture as PNG with its settings and adds it to the session; the best likeness is selected.

    A picture whose small faces were made again is written as it was before, too.

    prepared: what the pictures were made from; the first photo used is laid over them for the comparison, when there
        is one.
    """
    added = []
    size = outcome.images[0].image.size
    reference = None
    if prepared.identity.face is not None:
        used = next(report.index for report in outcome.references if report.used)
        laid = laid_over(prepared.request.photos[used], prepared.identity.face.keypoints, prepared.keypoints, size)
        reference = data_url(laid, COMPARE_SIDE)
    if prepared.request.into is not None:
        reference = data_url(prepared.request.into, COMPARE_SIDE)
    order = prepared.request.assignment or range(len(prepared.identities))
    followed = tuple((kind, data_url(picture, FOLLOWED_SIDE)) for kind, picture in outcome.controls)
    for made in outcome.images:
        settings = {**outcome.settings, "seed": made.seed, "count": 1, "best_of": None}
        path = folder / f"instantid-{time.strftime('%Y%m%d-%H%M%S')}-{made.seed}-{secrets.token_hex(2)}.png"
        write_png(made, settings, path)
        before = None
        if made.before is not None:
            before = path.with_stem(f"{path.stem}-before")
            write_png(made.before.image, settings, before)
        added.append(
            Result(
                path=path,
                size=made.image.size,
                seed=made.seed,
                identity=made.identity,
                keypoint_error=made.keypoint_error,
                seconds=outcome.seconds / len(outcome.images),
                settings=settings,
                thumbnail=data_url(made.image, THUMBNAIL_SIDE),
                reference=reference,
                reports=outcome.references,
                notes=outcome.notes,
                people=tuple((person, score.identity) for person, score in zip(order, made.people, strict=False)),
                swapped=made.swapped,
                before=before,
                before_identity=None if made.before is None else made.before.identity,
                followed=followed,
                candidates=outcome.candidates,
                colours=made.colours,
            )
        )
    session.results += added
    for old in session.results[:-MAX_RESULTS]:
        for file in filter(None, (old.path, old.before)):
            file.unlink(missing_ok=True)
    del session.results[:-MAX_RESULTS]
    best = max(added, key=lambda result: -1.0 if result.identity is None else result.identity)
    session.selected = session.results.index(best)
    return added


def laid_over(photo: Image.Image, found: Any, wanted: Any, size: tuple[int, int]) -> Image.Image:
    """The photo moved and scaled, not turned, so that its five points (5, 2) px come to lie on the wanted ones.

    size: (width, height) of the picture it is compared with; the result is larger where that picture is small.
    What the photo does not reach is filled with the photo, blurred.
    """
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    enlarge = -(-512 // max(size))
    middle, target = found.mean(axis=0), wanted.mean(axis=0) * enlarge
    spread = np.linalg.norm(wanted - wanted.mean(axis=0)) * enlarge
    factor = max(1e-3, spread / max(1e-6, float(np.linalg.norm(found - middle))))
    offset = middle - target / factor
    canvas = (size[0] * enlarge, size[1] * enlarge)
    there = (1 / factor, 0, offset[0], 0, 1 / factor, offset[1])
    moved = photo.transform(canvas, Image.Transform.AFFINE, there, resample=Image.Resampling.BICUBIC)
    covered = Image.new("L", photo.size, 255).transform(canvas, Image.Transform.AFFINE, there)
    ground = ImageOps.fit(photo, canvas).filter(ImageFilter.GaussianBlur(max(canvas) / 16))
    return Image.composite(moved, ground, covered)
