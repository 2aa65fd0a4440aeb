"""From a folder of photos to shards: many workers, resumable, and every photo that was left out is listed.

The photos, in the order of their names, are cut into equal parts; each part becomes one shard with its two lists,
`shard-00007.jsonl` of what was kept and `rejected-00007.jsonl` of what was not and why. A part whose lists are
there is done.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2

from errors import OutOfMemory, RequestError
from face.analyzer import FaceAnalyzer
from training.children import end_with_parent
from training.photos import Photo, Slip
from training.shards import Sample, write_shard
from training.sift import Limits, Unfit, sift

SETTINGS = "preparation.json"
SLIPS = "passed-over.jsonl"
ENDS = 4096  # bytes of a photo's file, from each end, by which a changed one is known


@dataclass(frozen=True)
class Report:
    """kept: photos in the shards. without_caption, named: how many of them have no caption, have a person's name.
    rejected: how many photos were left out for each reason. slips: how many captions and folders were passed over."""

    kept: int
    without_caption: int
    named: int
    rejected: Counter[str]
    slips: Counter[str] = field(default_factory=Counter)


def prepare(
    photos: Sequence[Photo],
    out: Path,
    pack: Path,
    *,
    slips: Sequence[Slip] = (),
    det_size: int = 640,
    limits: Limits | None = None,
    per_shard: int = 1000,
    workers: int = 1,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Write shards of the photos that are fit, and go on where an earlier call was stopped.

    Args:
        slips: what was passed over when the photos were listed; it goes into a list of its own.
        pack: folder of the face models. det_size: side in pixels of the square that the detector sees.
        workers: processes; each loads the face models once.
        progress: called with (photos looked at, photos in all).

    Raises:
        RequestError: the folder holds shards of other photos, of other captions, or made with other settings.
        OutOfMemory: a worker was killed, or had no memory left; the same call goes on.
    """
    limits = limits or Limits()
    told = {
        "photos": len(photos),
        "names": _digest(f"{photo.name}\t{photo.person}" for photo in photos),
        "captions": _digest(photo.caption for photo in photos),
        "files": _digest(file_fingerprint(photo.path) for photo in photos),
    }
    settings = {"per_shard": per_shard, "det_size": det_size, "limits": asdict(limits)}
    claim(out, {**told, "pack": pack_fingerprint(pack), **settings})
    _write_lines(out / SLIPS, [asdict(slip) for slip in slips])
    parts = {number: photos[at : at + per_shard] for number, at in enumerate(range(0, len(photos), per_shard))}
    todo = {number: part for number, part in parts.items() if not _done(out, number)}
    done = len(photos) - sum(map(len, todo.values()))
    progress(done, len(photos))
    work = [(number, part, str(out), limits) for number, part in todo.items()]
    setup = (str(pack), det_size, tuple(providers))
    for number in _worked(work, setup, min(workers, len(work))):
        done += len(todo[number])
        progress(done, len(photos))
    return replace(summary(out, len(parts)), slips=Counter(slip.reason for slip in slips))


def summary(out: Path, parts: int) -> Report:
    """What the lists of a folder say."""
    rejected: Counter[str] = Counter()
    kept = without_caption = named = 0
    for number in range(parts):
        shard = shard_path(out, number)
        try:
            for line in map(json.loads, _rejected_path(out, number).read_bytes().splitlines()):
                rejected[line["reason"]] += 1
            for line in map(json.loads, shard.with_suffix(".jsonl").read_bytes().splitlines()):
                kept += 1
                without_caption += line["members"]["txt"][1] == 0
                named += line["person"] is not None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise RequestError(
                f"A list of {shard.name} in {out} is damaged.",
                field="out",
                cure=f"Remove {shard.stem}.jsonl and run the same command again.",
            ) from error
    return Report(kept, without_caption, named, rejected)


def shard_path(out: Path, number: int) -> Path:
    return out / f"shard-{number:05d}.tar"


def _rejected_path(out: Path, number: int) -> Path:
    return out / f"rejected-{number:05d}.jsonl"


def _done(out: Path, number: int) -> bool:
    return shard_path(out, number).with_suffix(".jsonl").exists()


def pack_fingerprint(pack: Path) -> str:
    """16 hexadecimal digits of the models in a face pack."""
    digest = hashlib.sha256()
    for model in sorted(Path(pack).glob("*.onnx")):
        with model.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def file_fingerprint(path: Path) -> str:
    """Hexadecimal digits of a file's length, first and last bytes, which no other picture shares; "" of none."""
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - ENDS))
            last = file.read()
            file.seek(0)
            return hashlib.sha256(b"%d" % length + file.read(ENDS) + last).hexdigest()
    except OSError:
        return ""


def _digest(words: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for word in words:
        digest.update(word.encode(errors="surrogateescape") + b"\n")
    return digest.hexdigest()


def claim(out: Path, settings: dict[str, Any]) -> None:
    """Remember what the shards are made of; refuse a folder of others. Leftovers of a stopped run are removed.

    Raises:
        RequestError: names the settings that differ, or the folder cannot be written to.
    """
    settings = json.loads(json.dumps(settings))
    file = out / SETTINGS
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            if any(out.glob("shard-*")):
                raise RequestError(f"{out} holds other shards.", field="out", cure="Choose another folder.")
            file.write_text(json.dumps(settings, indent=1), encoding="utf-8")
        before = json.loads(file.read_bytes())
    except OSError as error:
        raise RequestError(f"{out} cannot be written to.", field="out", cure="Choose another folder.") from error
    except ValueError as error:
        raise RequestError(f"{file} is damaged.", field="out", cure="Choose another folder.") from error
    if before != settings:
        other = ", ".join(name for name in settings if settings[name] != before.get(name))
        raise RequestError(
            f"{out} holds shards that were made otherwise ({other}).",
            field="out",
            cure="Choose another folder, or empty this one to begin again.",
        )
    for leftover in out.glob("*.partial"):
        leftover.unlink()


_analyzer: Callable[[], FaceAnalyzer]


def _set_up(pack: str, det_size: int, providers: tuple[str, ...]) -> None:
    """The face models are loaded with the first part: a pool tells what a part raises, but not what this raises."""
    global _analyzer
    end_with_parent()
    cv2.setNumThreads(1)
    _analyzer = cache(partial(FaceAnalyzer, Path(pack), det_size=det_size, providers=providers))


def _worked(work: list[tuple], setup: tuple, workers: int) -> Iterator[int]:
    """Numbers of parts as they get done, in this process when one worker is enough."""
    if workers <= 1:
        if work:
            _set_up(*setup)
        yield from (_prepare_part(*each) for each in work)
        return
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, context, initializer=_set_up, initargs=setup) as pool:
            for future in as_completed([pool.submit(_prepare_part, *each) for each in work]):
                yield future.result()
    except (BrokenProcessPool, MemoryError) as error:
        raise OutOfMemory(
            "A worker was killed, as a system without memory does, or had none left.",
            field="workers",
            cure="Run the same command with fewer --workers; it goes on where it stands.",
        ) from error


def _prepare_part(number: int, photos: Sequence[Photo], out: str, limits: Limits) -> int:
    path, rejected = shard_path(Path(out), number), []

    def fit() -> Iterator[Sample]:
        for place, photo in enumerate(photos):
            try:
                yield sift(photo, _analyzer(), limits, f"{number:05d}-{place:06d}")
            except Unfit as reason:
                rejected.append({"photo": photo.name, "reason": str(reason)})
        _write_lines(_rejected_path(Path(out), number), rejected)

    # The list of the kept comes last: it is what makes a part done.
    write_shard(path, fit())
    return number


def _write_lines(path: Path, lines: list[dict]) -> None:
    partial = path.with_suffix(".partial")
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    # A file name that is no UTF-8 holds lone surrogates; escaped, they are what JSON writes for them.
    partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    partial.replace(path)
