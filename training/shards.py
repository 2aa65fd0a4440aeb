"""Photos with their faces on disk: webdataset shards, and beside each a list that says where in it everything lies.

A shard is a tar file that any webdataset reader streams. Each photo is five members with one key:

    KEY.embedding.npy   (512,) float32, raw as the recogniser gives it
    KEY.jpg or KEY.png  upright RGB
    KEY.json            width, height, person, sharpness, face_px, det_score
    KEY.keypoints.npy   (5, 2) float32 x, y in pixels of the picture
    KEY.txt             caption, may be empty

`shard-00007.jsonl` has one line a photo with the places of its members, so training reads any photo at once: the order
of a run is then a function of its seed, whatever number of processes share it, and a run can go on exactly.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import webdataset
from PIL import Image

from errors import RequestError

EMBEDDING, KEYPOINTS, CAPTION = "embedding.npy", "keypoints.npy", "txt"
PICTURES = ("jpg", "png")
JPEG_QUALITY = 95
NOBODY = -1


@dataclass(frozen=True, eq=False)
class Sample:
    """One photo with one clear person.

    picture: RGB. embedding: (512,) float32 raw. keypoints: (5, 2) float32 x, y in pixels of the picture.
    person: whose face it is, None where nothing says so. facts: numbers about it, JSON-able.
    """

    key: str
    picture: Image.Image
    embedding: np.ndarray
    keypoints: np.ndarray
    caption: str
    person: str | None = None
    facts: dict[str, Any] | None = None

    def members(self, lossless: bool) -> dict[str, Any]:
        """What webdataset's writer takes."""
        held = io.BytesIO()
        kind, options = ("png", {}) if lossless else ("jpg", {"quality": JPEG_QUALITY})
        self.picture.save(held, "PNG" if lossless else "JPEG", **options)
        width, height = self.picture.size
        about = {"width": width, "height": height, "person": self.person, **(self.facts or {})}
        return {
            "__key__": self.key,
            EMBEDDING: self.embedding.astype(np.float32),
            kind: held.getvalue(),
            "json": about,
            KEYPOINTS: self.keypoints.astype(np.float32),
            CAPTION: self.caption,
        }


def write_shard(path: Path, samples: Iterable[Sample], *, lossless: bool = False) -> int:
    """Write a shard and, last, its list: a shard with a list is complete. Returns the number of photos.

    path: of the tar file. Without any photo only an empty list is written.
    """
    partial, lines = path.with_suffix(".tar.partial"), []
    with webdataset.TarWriter(str(partial), encoder=True) as writer:
        for sample in samples:
            writer.write(sample.members(lossless))
            width, height = sample.picture.size
            lines.append({"key": sample.key, "person": sample.person, "width": width, "height": height})
    places: dict[str, dict[str, list[int]]] = {}
    with tarfile.open(partial) as tar:
        for member in tar:
            key, _, kind = member.name.partition(".")
            places.setdefault(key, {})[kind] = [member.offset_data, member.size]
    if lines:
        partial.replace(path)
    else:
        partial.unlink()
    text = "".join(json.dumps(line | {"members": places[line["key"]]}) + "\n" for line in lines)
    listed = path.with_suffix(".jsonl.partial")
    listed.write_text(text, encoding="utf-8")
    listed.replace(path.with_suffix(".jsonl"))
    return len(lines)


class Shards:
    """Every photo of some folders of shards, by number.

    people: (n,) int32, equal numbers for equal names in whatever folder, NOBODY where no one is named.
    fingerprint: 16 hexadecimal digits of the lists, equal for the same photos in the same order.
    sizes: (n, 2) int32 width, height in pixels. shard_of: (n,) int32, photos of a shard stand together.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        """Reads the lists only. Raises RequestError for a folder without shards, or with an unfinished preparation."""
        self.paths: list[Path] = []
        digest = hashlib.sha256()
        people, sizes, shard_of, places, names = [], [], [], [], {}
        for folder in folders:
            lists = sorted(Path(folder).glob("shard-*.jsonl"))
            if not lists or list(Path(folder).glob("*.partial")):
                raise RequestError(
                    f"{folder} holds no finished shards.", field="data.shards", cure="Run: python cli.py prepare-data"
                )
            for listed in lists:
                first, tar = len(places), listed.with_suffix(".tar")
                try:
                    text = listed.read_bytes()
                    for line in map(json.loads, text.splitlines()):
                        person = line["person"]
                        people.append(NOBODY if person is None else names.setdefault(person, len(names)))
                        sizes.append((line["width"], line["height"]))
                        shard_of.append(len(self.paths))
                        members = line["members"]
                        (kind,) = (kind for kind in PICTURES if kind in members)
                        places.append([members[each] for each in (kind, EMBEDDING, KEYPOINTS, CAPTION)])
                    ends = [offset + size for place in places[first:] for offset, size in place]
                    if ends and tar.stat().st_size < max(ends):
                        raise EOFError
                except (OSError, ValueError, LookupError, TypeError, EOFError) as error:
                    raise _damaged(tar) from error
                digest.update(text)
                self.paths.append(tar)
        self.fingerprint = digest.hexdigest()[:16]
        if not people:
            raise RequestError("The shards hold no photo.", field="data.shards", cure="Prepare others.")
        self.people = np.array(people, np.int32)
        self.sizes = np.array(sizes, np.int32)
        self.shard_of = np.array(shard_of, np.int32)
        self._places = np.array(places, np.int64)  # (n, 4, 2): offset and bytes of picture, embedding, keypoints, text
        self._rows_of = _grouped(self.people)

    def __len__(self) -> int:
        return len(self.people)

    def picture(self, row: int) -> Image.Image:
        try:
            with Image.open(io.BytesIO(self._read(row, 0))) as picture:
                return picture.convert("RGB")
        except (OSError, ValueError, SyntaxError) as error:
            raise _damaged(self.paths[self.shard_of[row]]) from error

    def embedding(self, row: int) -> np.ndarray:
        """(512,) float32 raw."""
        return self._array(row, 1, (512,))

    def keypoints(self, row: int) -> np.ndarray:
        """(5, 2) float32 x, y in pixels."""
        return self._array(row, 2, (5, 2))

    def caption(self, row: int) -> str:
        return self._read(row, 3).decode(errors="replace")

    def others(self, row: int) -> np.ndarray:
        """Rows of the same person's other photos; empty where nobody is named."""
        rows = self._rows_of.get(int(self.people[row]), np.empty(0, np.int64))
        return rows[rows != row]

    def _array(self, row: int, which: int, shape: tuple[int, ...]) -> np.ndarray:
        path = self.paths[self.shard_of[row]]
        try:
            values = np.load(io.BytesIO(self._read(row, which)), allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise _damaged(path) from error
        if values.shape != shape or values.dtype != np.float32 or not np.isfinite(values).all():
            raise _damaged(path)
        return values

    def _read(self, row: int, which: int) -> bytes:
        offset, size = self._places[row, which]
        path = self.paths[self.shard_of[row]]
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            raise _damaged(path) from error


def _damaged(tar: Path) -> RequestError:
    return RequestError(
        f"The shard {tar.name} in {tar.parent} or its list is damaged.",
        field="data.shards",
        cure=f"Remove {tar.stem}.jsonl and run the same prepare-data again.",
    )


def _grouped(people: np.ndarray) -> dict[int, np.ndarray]:
    order = np.argsort(people, kind="stable")
    numbers, starts = np.unique(people[order], return_index=True)
    groups = dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True))
    groups.pop(NOBODY, None)
    return groups
