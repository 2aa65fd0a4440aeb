"""Many drawings on disk: memory-mapped arrays and one JSON line a picture.

``python -m training.miniature.dataset --people 6000 --shots 6 --seed 0 --out DIR``
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from errors import RequestError
from training.children import end_with_parent
from training.miniature.caption import caption
from training.miniature.draw import render
from training.miniature.person import TRAINING_SEEDS, Person
from training.miniature.shot import Shot

_CHUNK = 50
_CAPTIONS = 3


@dataclass(frozen=True, eq=False)
class Drawings:
    """A drawn data set of N pictures.

    images: (N, size, size, 3) uint8 RGB, memory-mapped. keypoints: (N, 5, 2) float32 x, y px. boxes: (N, 4) float32
    x0, y0, x1, y1 px. people: (N,) int64 seeds, for Person.from_seed. records: N dicts with ``shot`` (fields of Shot),
    ``captions`` and ``plain_captions`` (who the person is left out), three of each.
    """

    images: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray
    people: np.ndarray
    records: list[dict]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def digest(self) -> str:
        """SHA-256 of whom and what they show, from which the pixels follow."""
        digest = hashlib.sha256(json.dumps(self.records, sort_keys=True).encode())
        digest.update(np.ascontiguousarray(self.keypoints).tobytes())
        digest.update(np.ascontiguousarray(self.people).tobytes())
        return digest.hexdigest()

    def first(self, count: int) -> Drawings:
        """The first so many of them, or all there are."""
        return Drawings(
            self.images[:count], self.keypoints[:count], self.boxes[:count], self.people[:count], self.records[:count]
        )

    def shot(self, index: int) -> Shot:
        fields: dict[str, Any] = dict(self.records[index]["shot"])
        fields["centre"], fields["gaze"] = tuple(fields["centre"]), tuple(fields["gaze"])
        return Shot(**fields)


def draw(
    n_people: int,
    shots_per_person: int,
    seed: int,
    out_dir: Path,
    size: int = 128,
    processes: int = 2,
    first_person: int = TRAINING_SEEDS.start,
    **shot_options,
) -> Drawings:
    """Draw people in several shots each and write them to ``out_dir``; what is there already is kept.

    Args:
        seed: seeds the shots; person i has the seed first_person + i, whatever this one is.
        shot_options: passed to Shot.sample; must be JSON-able.

    Raises:
        RequestError: the folder holds a data set of other settings.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    settings = {
        "people": n_people, "shots": shots_per_person, "seed": seed, "size": size, "first_person": first_person,
        "options": json.loads(json.dumps(shot_options)),
    }  # fmt: skip
    _claim(out_dir, settings)
    count = n_people * shots_per_person
    for name, shape, kind in _arrays(count, size):
        if not (out_dir / name).exists():
            np.lib.format.open_memmap(out_dir / name, mode="w+", dtype=kind, shape=shape).flush()
    chunks = range(-(-n_people // _CHUNK))
    todo = [chunk for chunk in chunks if not _chunk_file(out_dir, chunk).exists()]
    if processes > 1 and len(todo) > 1:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, initializer=_begin) as pool:
            for _ in pool.map(_draw_chunk, [str(out_dir)] * len(todo), [settings] * len(todo), todo):
                pass
    else:
        for chunk in todo:
            _draw_chunk(str(out_dir), settings, chunk)
    return load(out_dir)


def load(out_dir: Path) -> Drawings:
    """Open a finished data set.

    Raises:
        RequestError: the folder holds none, or it is not finished.
    """
    out_dir = Path(out_dir)
    try:
        settings = json.loads((out_dir / "settings.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RequestError(f"{out_dir} holds no drawings.", field="out", cure="Draw them first.") from error
    records: list[dict] = []
    for chunk in range(-(-settings["people"] // _CHUNK)):
        file = _chunk_file(out_dir, chunk)
        if not file.exists():
            raise RequestError(f"{out_dir} is not finished.", field="out", cure="Run the drawing again; it goes on.")
        records.extend(json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    arrays = {name: np.load(out_dir / name, mmap_mode="r") for name, _, _ in _arrays(0, 0)}
    keypoints, boxes = np.array(arrays["keypoints.npy"]), np.array(arrays["boxes.npy"])
    return Drawings(arrays["images.npy"], keypoints, boxes, np.array(arrays["people.npy"]), records)


def joined(*sets: Drawings) -> Drawings:
    """Several data sets of one size as one, read into memory."""
    return Drawings(
        np.concatenate([one.images for one in sets]),
        np.concatenate([one.keypoints for one in sets]),
        np.concatenate([one.boxes for one in sets]),
        np.concatenate([one.people for one in sets]),
        [record for one in sets for record in one.records],
    )


def _arrays(count: int, size: int) -> Iterator[tuple[str, tuple[int, ...], type]]:
    yield "images.npy", (count, size, size, 3), np.uint8
    yield "keypoints.npy", (count, 5, 2), np.float32
    yield "boxes.npy", (count, 4), np.float32
    yield "people.npy", (count,), np.int64


def _claim(out_dir: Path, settings: dict) -> None:
    file = out_dir / "settings.json"
    if not file.exists():
        file.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    elif json.loads(file.read_text(encoding="utf-8")) != settings:
        raise RequestError(
            f"{out_dir} holds drawings of other settings.", field="out", cure="Choose another folder or empty this one."
        )


def _chunk_file(out_dir: Path, chunk: int) -> Path:
    return out_dir / f"shots-{chunk:05d}.jsonl"


def _begin() -> None:
    end_with_parent()
    cv2.setNumThreads(1)


def _draw_chunk(folder: str, settings: dict, chunk: int) -> None:
    """Draw one chunk of people; its JSON lines appear last and at once, so a chunk with lines is complete."""
    out_dir = Path(folder)
    arrays = {name: np.load(out_dir / name, mmap_mode="r+") for name, _, _ in _arrays(0, 0)}
    shots, size = settings["shots"], settings["size"]
    lines = []
    for index in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, settings["people"])):
        person_seed = settings["first_person"] + index
        person = Person.from_seed(person_seed)
        for number in range(shots):
            rng = np.random.default_rng([settings["seed"], person_seed, number])
            shot = Shot.sample(rng, **settings["options"])
            drawn = render(person, shot, size)
            row = index * shots + number
            arrays["images.npy"][row] = drawn.image
            arrays["keypoints.npy"][row] = drawn.keypoints
            arrays["boxes.npy"][row] = drawn.box
            arrays["people.npy"][row] = person_seed
            record = {
                "person": person_seed,
                "shot": asdict(shot),
                "captions": [caption(person, shot, rng) for _ in range(_CAPTIONS)],
                "plain_captions": [caption(person, shot, rng, identity_words=False) for _ in range(_CAPTIONS)],
            }
            lines.append(json.dumps(record))
    for array in arrays.values():
        array.flush()
    partial = _chunk_file(out_dir, chunk).with_suffix(".partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(_chunk_file(out_dir, chunk))


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw people of the miniature's world for training.")
    parser.add_argument("--people", type=int, default=6000)
    parser.add_argument("--shots", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--first-person", type=int, default=TRAINING_SEEDS.start)
    options = parser.parse_args()
    drawings = draw(
        options.people, options.shots, options.seed, options.out, options.size, options.processes, options.first_person
    )
    print(f"{len(drawings)} drawings in {options.out}")


if __name__ == "__main__":
    main()
