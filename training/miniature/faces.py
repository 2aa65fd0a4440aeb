"""Drawn faces kept on disk as memory-mapped arrays: what the recogniser and the detector are trained on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from training.miniature.draw import render
from training.miniature.person import Person
from training.miniature.shot import Shot


@dataclass(frozen=True, eq=False)
class Faces:
    """images: (n, side, side, 3) uint8 RGB; keypoints: (n, 5, 2) float32 x, y px; people: (n,) int64 numbers from 0."""

    images: np.ndarray
    keypoints: np.ndarray
    people: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def _draw_part(folder: Path, start: int, stop: int, plan: Mapping[str, Any]) -> None:
    images = np.load(folder / "images.npy", mmap_mode="r+")
    keypoints = np.load(folder / "keypoints.npy", mmap_mode="r+")
    shots = plan["shots"]
    for person_number in range(start, stop):
        person = Person.from_seed(plan["first_person"] + person_number)
        rng = np.random.default_rng([plan["seed"], plan["first_person"] + person_number])
        for k in range(shots):
            drawn = render(person, Shot.sample(rng, **plan["limits"]), plan["side"])
            images[person_number * shots + k] = drawn.image
            keypoints[person_number * shots + k] = drawn.keypoints
    images.flush()
    keypoints.flush()


def draw_faces(
    folder: Path,
    *,
    people: int,
    shots: int,
    first_person: int = 0,
    side: int = 128,
    seed: int = 0,
    processes: int = 2,
    **limits: Any,
) -> Faces:
    """Draw `people` x `shots` pictures into `folder`, or open what an earlier call drew with the same plan.

    Args:
        first_person: seed of the first person (the ranges of person.py keep training and evaluation apart).
        limits: passed to `Shot.sample`.
    """
    plan = {"people": people, "shots": shots, "first_person": first_person, "side": side, "seed": seed, "limits": limits}
    finished = folder / "plan.json"
    written = json.dumps(plan, sort_keys=True)
    if not finished.exists() or finished.read_text() != written:
        finished.unlink(missing_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        count = people * shots
        np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (count, side, side, 3))
        np.lib.format.open_memmap(folder / "keypoints.npy", "w+", np.float32, (count, 5, 2))
        parts = max(1, min(people, 4 * processes))
        edges = np.linspace(0, people, parts + 1).astype(int).tolist()
        jobs = [(folder, start, stop, plan) for start, stop in zip(edges, edges[1:], strict=False)]
        if processes == 1:
            for job in jobs:
                _draw_part(*job)
        else:
            with get_context("spawn").Pool(processes) as pool:
                pool.starmap(_draw_part, jobs, chunksize=1)
        finished.write_text(written)
    return Faces(
        np.load(folder / "images.npy", mmap_mode="r"),
        np.load(folder / "keypoints.npy", mmap_mode="r"),
        np.repeat(np.arange(people), shots),
    )
