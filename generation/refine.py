"""Small faces made again: cropped upright, regenerated at full size from the picture itself, put back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from face.keypoints import draw_keypoints, face_region
from generation.crops import around_face, face_mask
from generation.into import square
from generation.scene import crop_scene
from generation.scoring import faces_at, identity_of

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer
    from generation.prepare import Prepared
    from weights.registry import Profile

STRENGTH = 0.4
"""Share of a run: enough to draw features anew, too little to move the head. Text to image instead leaves seams."""

SMALL = 1.3
"""How many times a face has to be enlarged to fill a crop for it to count as small."""

Make = Callable[["Prepared"], Image.Image]


@dataclass(frozen=True, eq=False)
class Refined:
    """A picture whose small faces were made again.

    changed: whether any was; `notes` say which was left as it was, and why.
    """

    image: Image.Image
    changed: bool
    notes: tuple[str, ...] = ()


def refined(
    picture: Image.Image, wanted: np.ndarray, prepared: Prepared, profile: Profile, analyzer: FaceAnalyzer, make: Make
) -> Refined:
    """Make the faces of a finished picture again as the request asks.

    Args:
        wanted: (people, 5, 2) px of the picture, where each face was asked for, and is taken to be if it is not found.
        make: makes the picture of a prepared request.

    With "auto" a face is made again when it is small and its likeness is below the profile's `refine_below`, and it is
    left as it was when that did not raise its likeness. Where the request allows no change, none is made here either.
    """
    always, size = prepared.request.refine == "always", square(profile)
    limit = None if prepared.scene.frame is None else prepared.scene.frame.mask
    changed, notes = False, []
    for number, (identity, place) in enumerate(zip(prepared.identities, wanted, strict=True)):
        face = faces_at(picture, wanted, analyzer, limit)[number]
        keypoints = place if face is None else face.keypoints
        crop = around_face(keypoints, size)
        before = identity_of(face, identity.embedding)
        fine = before is not None and before >= profile.refine_below
        if not always and (fine or crop.scale < SMALL):
            continue
        inside = face_mask(crop.carry(keypoints), size)
        if limit is not None:
            inside = np.minimum(inside, crop.mask_cut(limit))
        if not inside.any():
            notes.append("A face lies where nothing may change, so it was not made again.")
            continue
        # The same person before and after, so the face itself, not its surroundings, says which colours are right.
        scene = crop_scene(picture, keypoints, crop, inside, STRENGTH, inside, limit)
        made = make(
            replace(
                prepared,
                identities=(identity,),
                scene=scene,
                controls=(),
                landmarks=draw_keypoints(scene.keypoints, scene.size, scale=profile.keypoint_base_side / 1024),
                region=face_region(scene.keypoints, scene.size) if prepared.request.face_region else None,
            )
        )
        after = identity_of(faces_at(made, wanted, analyzer, limit)[number], identity.embedding)
        if not always and (after or -1.0) <= (-1.0 if before is None else before):
            notes.append("A small face was made again without a gain in likeness, so it was left as it was.")
            continue
        picture, changed = made, True
    return Refined(picture, changed, tuple(dict.fromkeys(notes)))
