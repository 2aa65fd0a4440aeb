"""Pictures of many shapes in batches of one shape each, in an order that is a function of the seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

SHARDS_TOGETHER = 64
"""Photos are shuffled within groups of this many shards, so that reading stays near one place of a disk."""


def nearest_bucket(sizes: np.ndarray, buckets: Sequence[tuple[int, int]]) -> np.ndarray:
    """(n,) number of the bucket whose shape is nearest. sizes: (n, 2) width, height. buckets: (width, height) each."""
    wanted = np.log([width / height for width, height in buckets])
    return np.abs(np.log(sizes[:, :1] / sizes[:, 1:]) - wanted).argmin(axis=1)


def placed(
    whole: tuple[int, int], keypoints: np.ndarray, size: tuple[int, int]
) -> tuple[float, np.ndarray, np.ndarray]:
    """How a picture of (width, height) covers another size: its scale, and the corner and the extent, x and y in pixels
    of it, of what is kept, with the face as near the middle as can be."""
    scale = max(size[0] / whole[0], size[1] / whole[1])
    held = np.minimum(np.array(size) / scale, whole)
    return scale, np.clip(keypoints.mean(axis=0) - held / 2, 0, np.array(whole, np.float64) - held), held


def cut(picture: Image.Image, keypoints: np.ndarray, size: tuple[int, int]) -> tuple[Image.Image, np.ndarray]:
    """Scale a picture to cover (width, height) and cut off what is over.

    Returns the picture and its keypoints (5, 2) float32 in pixels of it.
    """
    scale, corner, held = placed(picture.size, keypoints, size)
    box = (*corner, *np.minimum(corner + held, picture.size))
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS, box=tuple(map(float, box)))
    return picture, ((keypoints - corner) * scale).astype(np.float32)


class Order:
    """Which photo stands at which place of a run, epoch after epoch.

    Every `unit` consecutive places are of one bucket: the batches of all processes together. A bucket's last unit is
    filled up with its first photos, so each photo is seen in each epoch, and a set smaller than one batch will do.
    """

    def __init__(self, rows: np.ndarray, bucket_of: np.ndarray, shard_of: np.ndarray, *, unit: int, seed: int) -> None:
        """rows: (n,) numbers of the photos. bucket_of, shard_of: (n,) bucket and shard of each."""
        self.rows, self.bucket_of, self.shard_of = rows, bucket_of, shard_of
        self.unit, self.seed = unit, seed
        self._newest: tuple[int, np.ndarray] | None = None

    @property
    def epoch_length(self) -> int:
        """Places in one epoch."""
        counts = np.unique(self.bucket_of, return_counts=True)[1]
        return int((-(-counts // self.unit)).sum()) * self.unit

    def at(self, place: int) -> tuple[int, int]:
        """(row of the photo, its bucket) at a place of the run, from 0."""
        epoch, within = divmod(place, self.epoch_length)
        if self._newest is None or self._newest[0] != epoch:
            self._newest = epoch, self._shuffled(epoch)
        chosen = self._newest[1][within]
        return int(self.rows[chosen]), int(self.bucket_of[chosen])

    def _shuffled(self, epoch: int) -> np.ndarray:
        random = np.random.default_rng([self.seed, epoch])
        shards = random.permutation(np.unique(self.shard_of))
        rank = np.empty(int(shards.max()) + 1, np.int64)
        rank[shards] = np.arange(len(shards)) // SHARDS_TOGETHER
        order = np.lexsort((random.random(len(self.rows)), rank[self.shard_of]))
        units, first = [], []
        for bucket in np.unique(self.bucket_of):
            places = np.flatnonzero(self.bucket_of[order] == bucket)
            filled = np.resize(order[places], -(-len(places) // self.unit) * self.unit)
            units += list(filled.reshape(-1, self.unit))
            first += places[:: self.unit].tolist()
        return np.concatenate([units[index] for index in np.argsort(first)])


class Batches:
    """The places of each batch of one process, for a torch DataLoader; accelerate deals the batches out in turn."""

    def __init__(self, start: int, stop: int, batch_size: int) -> None:
        """start, stop: places of the run. batch_size: photos of one process and batch."""
        self.start, self.stop, self.batch_size, self.drop_last = start, stop, batch_size, True

    def __len__(self) -> int:
        return (self.stop - self.start) // self.batch_size

    def __iter__(self) -> Iterator[Any]:
        for at in range(self.start, self.stop - self.batch_size + 1, self.batch_size):
            yield list(range(at, at + self.batch_size))
