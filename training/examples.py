"""What one step learns from: photos of the shards as tensors, with all that is random about them.

Everything random belongs to a place of the run and the seed: which photo, whose other photo gives the face, what is
dropped, the noise and where in its schedule. So the same run comes out whatever processes share it and wherever it
was stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from face.face import similarity
from face.keypoints import draw_keypoints
from face.references import SAME_PERSON
from training.buckets import Order, cut, placed
from training.config import Data
from training.shards import NOBODY, Shards

OFFICIAL_SIDE = 1024  # of the picture at which the official keypoint drawing has its official thickness
DRAWS = 2  # uniform numbers that a loss may use for each sample


@dataclass(frozen=True)
class Canvas:
    """Sizes of what a profile's networks see.

    buckets: (width, height) in pixels. channels, factor: of the latents, and pixels for one of theirs.
    keypoint_base_side: of the profile.
    true_sizes: whether the base learned from pictures of many sizes and was told them, as SDXL was (arXiv 2307.01952,
        section 2.2); the miniature's knows one.
    """

    buckets: tuple[tuple[int, int], ...]
    channels: int
    factor: int
    keypoint_base_side: int
    true_sizes: bool = False


class Examples(Dataset[dict[str, Any]]):
    """The example at each place of a run.

    Items: pixels (3, h, w) in -1..1, landmarks (3, h, w) in 0..1, face (512,) raw or zeros, caption, sizes (6,)
    as SDXL is told them, noise (channels, h / factor, w / factor), draws (DRAWS,) uniform numbers from 0 to below 1,
    row of the photo. The sizes are height and width of the photo in the shard, what was cut off at its top and left
    after scaling, and h and w. The draws are float64 and stay numpy's: not every device knows such numbers.
    """

    def __init__(self, shards: Shards, order: Order, canvas: Canvas, data: Data, seed: int) -> None:
        self.shards, self.order, self.canvas, self.data, self.seed = shards, order, canvas, data, seed

    def __getitem__(self, place: int) -> dict[str, Any]:
        random = np.random.default_rng([self.seed, place, 1])
        row, bucket = self.order.at(place)
        caption, face = self.shards.caption(row), self.face(row, random)
        chance, data = random.random(), self.data
        if chance < data.drop_text + data.drop_both:
            caption = ""
        if data.drop_text <= chance < data.drop_text + data.drop_both + data.drop_face:
            face = np.zeros_like(face)
        return self.example(row, bucket, face, caption, random)

    def face(self, row: int, random: np.random.Generator) -> np.ndarray:
        """(512,) float32 of the photo, or of another of the person's; what looks like somebody else is passed by."""
        own, others = self.shards.embedding(row), self.shards.others(row)
        if random.random() < self.data.other_photo and len(others):
            other = self.shards.embedding(int(random.choice(others)))
            if similarity(own, other) >= SAME_PERSON:
                return other
        return own

    def example(
        self, row: int, bucket: int, face: np.ndarray, caption: str, random: np.random.Generator
    ) -> dict[str, Any]:
        size = self.canvas.buckets[bucket]
        photo, points = self.shards.picture(row), self.shards.keypoints(row)
        picture, keypoints = cut(photo, points, size)
        landmarks = draw_keypoints(keypoints, size, scale=self.canvas.keypoint_base_side / OFFICIAL_SIDE)
        shape = (self.canvas.channels, size[1] // self.canvas.factor, size[0] // self.canvas.factor)
        return {
            "pixels": _tensor(picture) * 2 - 1,
            "landmarks": _tensor(landmarks),
            "face": torch.from_numpy(face.astype(np.float32)),
            "caption": caption,
            "sizes": torch.tensor(self._sizes(photo.size, points, size), dtype=torch.float32),
            "noise": torch.from_numpy(random.standard_normal(shape, np.float32)),
            "draws": random.random(DRAWS),
            "keypoints": torch.from_numpy(keypoints),
            "row": row,
        }

    def _sizes(self, photo: tuple[int, int], keypoints: np.ndarray, size: tuple[int, int]) -> list[int]:
        """size: (width, height) of the example."""
        if not self.canvas.true_sizes:
            return [*size[::-1], 0, 0, *size[::-1]]
        scale, corner, _ = placed(photo, keypoints, size)
        left, top = (round(float(at) * scale) for at in corner)
        return [*photo[::-1], top, left, *size[::-1]]


class HeldOut(Examples):
    """Examples of fixed photos in which nothing is dropped, the face comes from another photo wherever there is one,
    and the first uniform number is spread evenly over the photos. Places are those of `rows`."""

    def __init__(self, shards: Shards, rows: np.ndarray, buckets: np.ndarray, canvas: Canvas, seed: int) -> None:
        super().__init__(
            shards, Order(rows, buckets, buckets, unit=1, seed=seed), canvas, Data((), other_photo=1), seed
        )
        self.rows, self.buckets = rows, buckets

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        random = np.random.default_rng([self.seed, place, 2])
        row = int(self.rows[place])
        made = self.example(row, int(self.buckets[place]), self.face(row, random), self.shards.caption(row), random)
        made["draws"][0] = (place + 0.5) / len(self.rows)
        return made


def collate(examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Tensors stacked along a first dimension of rows, the rest as lists."""
    kinds = examples[0].keys()
    return {
        kind: torch.stack([each[kind] for each in examples])
        if isinstance(examples[0][kind], torch.Tensor)
        else [each[kind] for each in examples]
        for kind in kinds
    }


def draws_of(batch: dict[str, Any]) -> torch.Tensor:
    """(rows, DRAWS) float64, on the CPU, of a collated batch."""
    return torch.from_numpy(np.stack(batch["draws"]))


def split(shards: Shards, held_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows to look at: whole people are held out, or single photos where nobody is named.

    At least one person or photo is held out if any share is, and one is left to learn from.
    """
    names = shards.people.astype(np.int64)
    groups = np.where(names == NOBODY, names.max() + 1 + np.arange(len(names)), names)
    everyone = np.unique(groups)
    count = min(max(1, round(held_out * len(everyone))), len(everyone) - 1) if held_out > 0 else 0
    chosen = np.random.default_rng([seed, 3]).permutation(everyone)[:count]
    out = np.isin(groups, chosen)
    return np.flatnonzero(~out), np.flatnonzero(out)


def one_person(shards: Shards) -> np.ndarray:
    """Rows of the person with the most photos; the first photo where nobody is named."""
    named = shards.people[shards.people != NOBODY]
    if not len(named):
        return np.zeros(1, np.int64)
    return np.flatnonzero(shards.people == np.bincount(named).argmax())


def _tensor(picture: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture, np.float32) / 255).permute(2, 0, 1).contiguous()
