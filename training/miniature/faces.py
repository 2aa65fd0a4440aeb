"""The drawn faces that the recogniser and the detector are trained and measured on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.miniature.dataset import Drawings, draw, load
from training.miniature.person import EVALUATION_SEEDS, TRAINING_SEEDS

UNSEEN = 30  # people who are learnt from, for each one who is not
_CALM: dict[str, Any] = {"yaw": 35.0, "pitch": 16.0, "roll": 18.0, "scene_share": 0.5, "face_size": (0.55, 0.75)}
_WIDE: dict[str, Any] = {"face_size": (0.35, 0.9), "offset": 0.08}
_TURNED: dict[str, Any] = {"yaw": 75.0, "pitch": 25.0, "face_size": (0.45, 0.85)}


@dataclass(frozen=True, eq=False)
class Faces:
    """Several sets of pictures as one.

    images: arrays (n, side, side, 3) uint8 RGB, memory-mapped or not, one after the other; keypoints: (N, 5, 2)
    float32 x, y px; people: (N,) int64, whose face it is.
    """

    images: tuple[np.ndarray, ...]
    keypoints: np.ndarray
    people: np.ndarray

    @classmethod
    def of(cls, *sets: Drawings) -> "Faces":
        return cls(
            tuple(one.images for one in sets),
            np.concatenate([one.keypoints for one in sets]),
            np.concatenate([one.people for one in sets]),
        )

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of whose faces these are and where they lie."""
        arrays = (np.ascontiguousarray(array) for array in (self.keypoints, self.people))
        return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]

    def image(self, index: int) -> np.ndarray:
        for part in self.images:
            if index < len(part):
                return np.asarray(part[index])
            index -= len(part)
        raise IndexError(index)

    def pick(self, indices: Sequence[int] | np.ndarray) -> "Faces":
        """Some of the pictures, read into memory; all must have the same size."""
        chosen = np.asarray(indices)
        return Faces((np.stack([self.image(int(i)) for i in chosen]),), self.keypoints[chosen], self.people[chosen])


def _drawn(folder: Path, people: int, shots: int, seed: int, **options: Any) -> Drawings:
    if (folder / "settings.json").exists():
        return load(folder)
    return draw(people, shots, seed, folder, **options)


def training_faces(data: Path, people: int = 6000) -> Faces:
    """Eight calm shots of everybody, two in any pose of a third, and five of further people up to the profile.

    They are opened in `data` or drawn there. Folders that exist are taken as they are, so the sets drawn for the
    diffusion model (pictures, references, turned, turned_references) serve.
    """
    first = TRAINING_SEEDS.start + people
    return Faces.of(
        _drawn(data / "pictures", people, 6, 0, **_CALM),
        _drawn(data / "references", people, 2, 1, **_CALM),
        _drawn(data / "wide", max(1, people // 3), 2, 2, **_WIDE),
        _drawn(data / "turned", people, 4, 5, first_person=first, **_TURNED),
        _drawn(data / "turned_references", people, 1, 6, first_person=first, **_CALM),
    )


def unseen_faces(data: Path, people: int = 200) -> Faces:
    """Six shots each, in any pose and style, of people who are in no training set."""
    return Faces.of(_drawn(data / "unseen", max(4, people), 6, 3, first_person=EVALUATION_SEEDS.start, **_WIDE))


def crisp_faces(data: Path, people: int = 1500) -> Faces:
    """One shot each at 256 px, in any pose."""
    return Faces.of(_drawn(data / "crisp", people, 1, 4, size=256, **_WIDE))
