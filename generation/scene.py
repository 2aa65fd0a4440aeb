"""Where the faces go in the picture to be made, and what it starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from errors import RequestError
from face.analyzer import pick_face
from face.keypoints import carry_keypoints
from face.photo import open_photo
from face.region import face_region
from face.views import view_keypoints
from generation.canvas import Canvas, Frame
from generation.crops import Crop, around_face, covering, face_mask, soft_edge
from generation.into import as_mask, square
from generation.people import FRONT, masks_of, places_of, side_by_side

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer
    from face.references import Identity
    from generation.request import GenerationRequest
    from weights.registry import Profile


@dataclass(frozen=True, eq=False)
class Scene:
    """The ground of a picture.

    Attributes:
        size: (width, height) px to be made.
        keypoints: (people, 5, 2) float32 x, y px wanted in it.
        canvas: what it starts from, None for noise.
        frame: where it goes when it is part of a larger picture.
        notes: on the places, in plain words.
    """

    size: tuple[int, int]
    keypoints: np.ndarray
    canvas: Canvas | None = None
    frame: Frame | None = None
    notes: tuple[str, ...] = ()


def scene_of(
    wish: GenerationRequest, identities: Sequence[Identity], analyzer: FaceAnalyzer, profile: Profile
) -> Scene:
    """The scene of a settled request.

    Raises RequestError, PhotoError, NoFaceFound.
    """
    size = (_known(wish.width), _known(wish.height))
    if wish.into is not None:
        return _into_photo(wish, open_photo(wish.into, field="into"), analyzer, square(profile))
    if wish.start_picture is None:
        keypoints, notes = _keypoints(wish, identities, analyzer, size)
        return Scene(size, keypoints, notes=notes)
    ground = open_photo(wish.start_picture, field="start_picture")
    crop = covering(ground.size, size)
    picture = crop.cut(ground)
    keypoints, notes = _keypoints(wish, identities, analyzer, size, picture)
    strength = _known(wish.strength)
    if wish.mask is None:
        return Scene(size, keypoints, Canvas(picture, strength), notes=notes)
    mask = crop.mask_cut(as_mask(wish.mask))
    if not mask.any():
        raise RequestError(
            "The mask lies off the part of the picture that is made.",
            field="mask",
            cure="Give width and height in the picture's proportions, or paint nearer to its middle.",
        )
    return Scene(size, keypoints, Canvas(picture, strength, mask), Frame(picture, _all_of(size), mask, 1 - mask), notes)


def crop_scene(
    picture: Image.Image,
    keypoints: np.ndarray,
    crop: Crop,
    inside: np.ndarray,
    strength: float,
    agree: np.ndarray,
    limit: np.ndarray | None = None,
) -> Scene:
    """One face of a picture to be made anew in its crop.

    Args:
        picture: RGB.
        keypoints: (5, 2) px of the picture.
        inside: (height, width) of the crop in 0..1, where it may change.
        agree: as in `Frame`.
        limit: (height, width) of the picture in 0..1, a further bound on where it may change.
    """
    outside = crop.mask_back(inside, picture.size)
    return Scene(
        crop.size,
        crop.carry(keypoints)[None],
        Canvas(crop.cut(picture), strength, inside),
        Frame(picture, crop, outside if limit is None else np.minimum(outside, limit), agree),
    )


def _into_photo(wish: GenerationRequest, photo: Image.Image, analyzer: FaceAnalyzer, size: tuple[int, int]) -> Scene:
    faces = analyzer.faces(photo, field="into")
    face = pick_face(faces, wish.into_face, field="into_face")
    crop = around_face(face.keypoints, size)
    if wish.mask is None:
        neighbours = [other.keypoints for other in faces if other is not face]
        inside = face_mask(crop.carry(face.keypoints), size) * (1 - _taken(photo, face.keypoints, neighbours, crop))
        return crop_scene(photo, face.keypoints, crop, inside, _known(wish.strength), 1 - inside)
    mask = as_mask(wish.mask)
    inside = crop.mask_cut(mask) * soft_edge(size)
    if not inside.any():
        raise RequestError(
            "The mask lies off the face.", field="mask", cure="Paint over the face, or leave the mask out."
        )
    return crop_scene(photo, face.keypoints, crop, inside, _known(wish.strength), 1 - inside, mask)


def _taken(photo: Image.Image, own: np.ndarray, neighbours: Sequence[np.ndarray], crop: Crop) -> np.ndarray:
    """What of a crop, (height, width) in 0..1, is the heads of neighbours, as far as they are nearer than the own."""
    if not neighbours:
        return np.zeros(crop.size[::-1], np.float32)
    heads = crop.mask_cut(face_region(np.stack(neighbours), photo.size, margin=0.0, feather=0.1))
    everybody = crop.carry(np.stack([own, *neighbours]))
    theirs = 1 - masks_of(everybody, crop.size, face_region_only=False)[0]
    return heads * np.clip(2 * theirs, 0, 1)


def _keypoints(
    wish: GenerationRequest,
    identities: Sequence[Identity],
    analyzer: FaceAnalyzer,
    size: tuple[int, int],
    ground: Image.Image | None = None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """(people, 5, 2): as asked for, else those of the picture to start from, else of the reference or side by side.

    With them notes on faces that nobody was asked for.
    """
    count = len(identities)
    if wish.keypoints is not None:
        return np.asarray(wish.keypoints, np.float32).reshape(count, 5, 2), ()
    found = []
    if wish.pose is not None:
        pose = open_photo(wish.pose, field="pose")
        found = analyzer.faces(pose, field="pose")
        if count == 1:
            found = [pick_face(found, wish.pose_face, field="pose_face")]
    elif wish.view is None and ground is not None:
        found = analyzer.find(ground)
    if wish.pose is not None or len(found) >= count:
        places = places_of(found, count, size, "pose")
        if len(found) <= count or count == 1:
            return places, ()
        note = f"There are {len(found)} faces in the picture for {count} people: the {count} largest give the places."
        return places, (note,)
    return _without_picture(wish, identities, size), ()


def _without_picture(wish: GenerationRequest, identities: Sequence[Identity], size: tuple[int, int]) -> np.ndarray:
    count, face_size, centre = len(identities), _known(wish.view_size), _known(wish.view_centre)
    if count > 1:
        return side_by_side(count, size, wish.view, face_size, centre[1])
    face = identities[0].face
    if wish.view is not None or face is None:  # None: known by a template alone
        return view_keypoints(wish.view or FRONT, size, face_size=face_size, centre=centre)[None]
    return carry_keypoints(face.keypoints, face.size, size)[None]


def _all_of(size: tuple[int, int]) -> Crop:
    return Crop(np.eye(2, 3), size)


def _known(value: Any) -> Any:
    if value is None:
        raise RequestError("The request is not settled yet.", field="width", cure="Resolve the request first.")
    return value
