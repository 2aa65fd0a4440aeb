"""Inputs of networks at work, a fair sample of them kept on disk for quantisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from openvino_backend.compiled import Network

SEED = 5


class Samples(Sequence[dict[str, np.ndarray]]):
    """Recorded inputs, read when they are asked for: those of one step of SDXL take hundreds of megabytes."""

    def __init__(self, folder: Path) -> None:
        self._files = sorted(folder.glob("*.npz"))

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index):  # type: ignore[override]
        with np.load(self._files[index]) as arrays:
            return dict(arrays)


class Recorder:
    """Keeps as many calls of each network as asked for, every call with the same chance (Vitter 1985, algorithm R).

    Args:
        folder: where a folder for each network is made.
        subset: calls kept of each.
    """

    def __init__(self, folder: Path, subset: int) -> None:
        self._folder = folder
        self._subset = subset
        self._random = np.random.default_rng(SEED)
        self._seen: dict[str, int] = {}

    def attach(self, networks: Mapping[str, Network]) -> None:
        """Listen to every call from now on."""
        for name, network in networks.items():
            network.watch = self._listener(name)

    def samples(self) -> dict[str, Samples]:
        """Network -> what was kept."""
        return {name: Samples(self._folder / name) for name in self._seen}

    def _listener(self, name: str) -> Callable[[Mapping[str, np.ndarray]], None]:
        (self._folder / name).mkdir(parents=True, exist_ok=True)
        self._seen[name] = 0

        def listen(arrays: Mapping[str, np.ndarray]) -> None:
            number = self._seen[name]
            self._seen[name] += 1
            place = number if number < self._subset else int(self._random.integers(number + 1))
            if place < self._subset:
                np.savez(self._folder / name / f"{place:06}.npz", allow_pickle=False, **arrays)

        return listen
