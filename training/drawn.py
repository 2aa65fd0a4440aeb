"""The miniature's drawn people as shards, so that the miniature trains by the same program as the real model.

The keypoints of a drawing are known exactly; no detector looks for them. A set of drawings is what
`python -m training.miniature.dataset --out DIR` makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from training.miniature.dataset import Drawings
from training.miniature.face_pack import ASSETS, Recogniser
from training.prepare import claim, pack_fingerprint, shard_path
from training.shards import Sample, write_shard


def write_drawn(drawings: Drawings, out: Path, *, pack: Path = ASSETS, per_shard: int = 1000) -> int:
    """Write drawings as shards, losslessly; parts that are done are kept. Returns the number of pictures.

    The caption of a picture is one that leaves out who the person is, so that the face has something to say.

    Args:
        pack: folder with the recogniser.

    Raises:
        RequestError: the folder holds shards of other drawings, or made with another recogniser.
    """
    told = {"drawings": drawings.digest, "size": drawings.images.shape[1], "pack": pack_fingerprint(pack)}
    claim(out, {**told, "per_shard": per_shard})
    recogniser = Recogniser(pack)
    for number, start in enumerate(range(0, len(drawings), per_shard)):
        path = shard_path(out, number)
        if not path.with_suffix(".jsonl").exists():
            rows = range(start, min(start + per_shard, len(drawings)))
            write_shard(path, _samples(drawings, rows, recogniser), lossless=True)
    return len(drawings)


def _samples(drawings: Drawings, rows: range, recogniser: Recogniser) -> Iterator[Sample]:
    pictures = np.asarray(drawings.images[rows.start : rows.stop])
    keypoints = drawings.keypoints[rows.start : rows.stop]
    embeddings = recogniser.embed_faces(pictures, keypoints)
    for row, picture, points, embedding in zip(rows, pictures, keypoints, embeddings, strict=True):
        captions = drawings.records[row]["plain_captions"]
        yield Sample(
            key=f"{row:08d}",
            picture=Image.fromarray(picture),
            embedding=embedding,
            keypoints=points,
            caption=captions[row % len(captions)],
            person=str(drawings.people[row]),
        )
