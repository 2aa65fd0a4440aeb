"""Several people in one picture: who stands where, and which part of the picture is whose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from errors import RequestError
from face.face import Face, similarity
from face.keypoints import VIEWS, carry_keypoints, face_region, keypoint_error, view_keypoints
from face.points import as_faces
from face.views import frontal_interocular
from generation import ranges
from generation.scoring import faces_at

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer
    from generation.request import GenerationRequest

MOST = 4
"""People in one picture; more would each be too small to be anybody."""

SOFTNESS = 0.25
"""Width of the seam between two people, in head sizes."""

SWAP_GAIN = 0.1
"""By how much the cosines must add up to more with two people exchanged before they count as swapped."""

FRONT = "front"


@dataclass(frozen=True, eq=False)
class Person:
    """A further person of a picture.

    photos: 1 to 16 pictures of the person, RGB, upright.
    face_choices: which face of each photo, 0 = the largest; None or missing = the largest.
    """

    photos: tuple[Image.Image, ...]
    face_choices: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class PersonScore:
    """How far one person of a finished picture is who stands there.

    identity: cosine of the face to that person; None when no face was found in the place.
    keypoint_error: as in `GeneratedImage`.
    """

    identity: float | None
    keypoint_error: float | None


def settled(request: GenerationRequest) -> dict[str, Any]:
    """The fields of a request that this file speaks of, checked but for the photos.

    Raises RequestError naming the field.
    """
    others = request.others
    if not isinstance(others, tuple | list) or not all(isinstance(one, Person) for one in others):
        raise RequestError("others holds something that is no person.", field="others", cure="Give persons.")
    count = len(others) + 1
    if count > MOST:
        raise RequestError(f"{count} people are too many.", field="others", cure=f"Ask for at most {MOST}.")
    if others and request.into is not None:
        raise RequestError(
            "Only one person at a time can be put into a photo.",
            field="into",
            cure="Put the next one into the picture that comes back.",
        )
    return {"others": tuple(others), "assignment": _assignment(request.assignment, count)}


def _assignment(assignment: Any, count: int) -> tuple[int, ...] | None:
    if assignment is None:
        return None
    if not isinstance(assignment, tuple | list) or len(assignment) != count:
        raise RequestError(
            "assignment does not fit the number of people.",
            field="assignment",
            cure=f"Give one number for each of the {count}, from left to right.",
        )
    order = tuple(ranges.whole("assignment", person, 0, count - 1) for person in assignment)
    if len(set(order)) != count:
        raise RequestError(
            "assignment puts one person in two places.", field="assignment", cure="Name each person once, 0 the first."
        )
    return order


def left_to_right(people: Sequence[Any], assignment: Sequence[int] | None) -> tuple[Any, ...]:
    """People in the order in which they stand: as given, or as assigned."""
    return tuple(people) if assignment is None else tuple(people[number] for number in assignment)


def places_of(faces: Sequence[Face], count: int, size: tuple[int, int], field: str) -> np.ndarray:
    """(count, 5, 2) keypoints of the largest faces of a picture, from left to right, carried to `size`.

    Raises RequestError when the picture has fewer faces.
    """
    if len(faces) < count:
        raise RequestError(
            f"{count} people are asked for, but the picture has {len(faces)} face{'s' if len(faces) > 1 else ''}.",
            field=field,
            cure="Give a picture with as many faces, or none: people then stand side by side.",
        )
    chosen = sorted(faces[:count], key=lambda face: float(face.box[0] + face.box[2]))
    return np.stack([carry_keypoints(face.keypoints, face.size, size) for face in chosen])


def side_by_side(count: int, size: tuple[int, int], view: str | None, face_size: float, height: float) -> np.ndarray:
    """(count, 5, 2) keypoints of heads side by side, as large as asked for where there is room.

    Args:
        face_size: height of a face over the short side.
        height: where the middle of the heads lies, as a fraction of the height.
    """
    room = 0.8 * size[0] / count / min(size)
    name = FRONT if view is None else ranges.one_of("view", view, VIEWS)
    centres = [((place + 0.5) / count, height) for place in range(count)]
    return np.stack([view_keypoints(name, size, face_size=min(face_size, room), centre=at) for at in centres])


def masks_of(keypoints: np.ndarray, size: tuple[int, int], *, face_region_only: bool) -> np.ndarray:
    """Whose each part of the picture is.

    Args:
        keypoints: (people, 5, 2) px.
        size: (width, height).
        face_region_only: whether each person is kept to the surroundings of the face.

    Returns:
        (people, height, width) float32 in 0..1 that add up to at most 1: a point belongs to the head that is nearest in
        sizes of that head, with a soft seam.
    """
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    distances = np.stack(
        [np.hypot(columns - face[2, 0], rows - face[2, 1]) / (3 * frontal_interocular(face)) for face in keypoints]
    )
    nearness = np.exp((distances.min(axis=0) - distances) / SOFTNESS * 4)
    masks = nearness / nearness.sum(axis=0)
    if face_region_only:
        masks = masks * np.stack([face_region(face, size) for face in keypoints])
    return masks.astype(np.float32)


def scores_of(
    image: Image.Image,
    embeddings: Sequence[np.ndarray],
    places: np.ndarray,
    analyzer: FaceAnalyzer,
    where: np.ndarray | None = None,
) -> tuple[tuple[PersonScore, ...], bool]:
    """A score for each person from left to right, and whether two of them were swapped.

    Args:
        image: RGB.
        embeddings: of each person, (512,).
        places, where: as in `generation.scoring.faces_at`.
    """
    faces = faces_at(image, places, analyzer, where)
    scores = tuple(
        PersonScore(None, None)
        if face is None
        else PersonScore(similarity(face.embedding, embedding), keypoint_error(face.keypoints, place))
        for face, embedding, place in zip(faces, embeddings, places, strict=True)
    )
    return scores, _swapped(faces, embeddings)


def _swapped(faces: Sequence[Face | None], embeddings: Sequence[np.ndarray]) -> bool:
    seen = [place for place, face in enumerate(faces) if face is not None]
    cosine = {
        (place, person): similarity(face.embedding, embeddings[person])
        for place in seen
        if (face := faces[place]) is not None
        for person in seen
    }
    sums = {order: sum(cosine[pair] for pair in zip(seen, order, strict=True)) for order in permutations(seen)}
    return bool(seen) and max(sums.values()) > sums[tuple(seen)] + SWAP_GAIN


def carried(keypoints: Any, before: tuple[int, int], after: tuple[int, int]) -> list[Any]:
    """Keypoints of one face or several, as settings keep them, carried to another size without distortion."""
    faces = [carry_keypoints(face, before, after).astype(float).tolist() for face in as_faces(keypoints)]
    return faces if len(faces) > 1 else faces[0]
