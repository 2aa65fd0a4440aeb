"""Small faces made again: cropped upright, regenerated at full size from the picture itself, put back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from face.keypoints import draw_keypoints, face_region
from generation.into import square
from generation.scene import face_scene
from generation.scoring import face_at, identity_of

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
    left as it was when that did not raise its likeness.
    """
    how = prepared.request.refine
    changed, notes = False, []
    for identity, place in zip(prepared.identities, wanted, strict=True):
        face = face_at(picture, place, analyzer)
        keypoints = place if face is None else face.keypoints
        scene = face_scene(picture, keypoints, square(profile), STRENGTH)
        frame, canvas = scene.frame, scene.canvas
        if frame is None or canvas is None or canvas.mask is None:
            continue
        before = identity_of(face, identity.embedding)
        fine = before is not None and before >= profile.refine_below
        if how == "never" or (how == "auto" and (fine or frame.crop.scale < SMALL)):
            continue
        # The same person before and after, so the face itself, not its surroundings, says which colours are right.
        scene = replace(scene, frame=replace(frame, agree=canvas.mask))
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
        after = identity_of(face_at(made, place, analyzer), identity.embedding)
        if how == "auto" and (after or -1.0) <= (-1.0 if before is None else before):
            notes.append("A small face was made again without a gain in likeness, so it was left as it was.")
            continue
        picture, changed = made, True
    return Refined(picture, changed, tuple(dict.fromkeys(notes)))
