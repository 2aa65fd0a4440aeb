"""Photos of one person become one identity, and each photo is told what it is worth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image

from errors import NoFaceFound, RequestError
from face.analyzer import FaceAnalyzer, pick_face
from face.face import Face, similarity

# Cosine below which two faces count as two people. antelopev2's glintr100 keeps pairs of strangers below about 0.2
# and nearly all pairs of one person above 0.3.
SAME_PERSON = 0.25
SMALL_FACE_PX = 60
TURNED_DEGREES = 25
# Variance of the Laplacian of the face at a fixed size, the focus measure of Pech-Pacheco et al. 2000. An out-of-focus
# or much enlarged face has some tens at most.
SHARP = 40.0
SHARPNESS_SIDE = 112


@dataclass(frozen=True, eq=False)
class PhotoReport:
    """What one photo gave.

    index: place of the photo in the request, from 0.
    used: whether it is part of the identity.
    face: the face that was chosen in it, or None.
    faces_found: how many faces it has.
    face_px: the shorter side of the face's box in pixels, 0 without a face.
    sharpness: variance of the Laplacian over the face at 112 px, 0 to about 5000; 0 without a face.
    yaw: degrees, positive = nose towards the right of the picture; 0 without a face.
    cosine: likeness to the mean of the other photos' faces, None when there is no other.
    verdict: one sentence in plain words.
    """

    index: int
    used: bool
    face: Face | None
    faces_found: int
    face_px: float
    sharpness: float
    yaw: float
    cosine: float | None
    verdict: str


@dataclass(frozen=True, eq=False)
class Identity:
    """One person.

    embedding: (512,) float32, the mean of the raw embeddings of the used photos; of one photo, exactly its own.
    face: the face of the first photo that was used; its keypoints are the pose when no other is asked for. None when
        the person is known by a template alone.
    reports: one for each photo, in the order given.
    """

    embedding: np.ndarray
    face: Face | None
    reports: tuple[PhotoReport, ...]


def identify(
    photos: Sequence[Image.Image], analyzer: FaceAnalyzer, *, choices: Sequence[int | None] | None = None
) -> Identity:
    """Makes one identity of one or several photos of a person.

    Photos without a face are skipped. Of three and more faces, those that look like somebody else than the others are
    left out; when the photos split into equal camps, the camp of the earliest photo stays. Of two faces that do not
    look alike there is no telling which is right: the first is used and the second left out.

    Args:
        photos: RGB, upright, as `open_photo` gives them.
        analyzer: finds the faces.
        choices: for each photo the face to take (its place among the faces, the largest first), None = the largest.
            May be shorter than `photos`: the rest are None.

    Raises NoFaceFound when no photo has a face, RequestError for no photos at all, more choices than photos, or a
    choice that is not there.
    """
    if not photos:
        raise RequestError("There is no photo.", field="photos", cure="Send at least one photo of a face.")
    chosen = [*(choices or ()), *[None] * (len(photos) - len(choices or ()))]
    if len(chosen) > len(photos):
        raise RequestError(
            f"{len(chosen)} faces were chosen in {len(photos)} photos.",
            field="face_choices",
            cure="Give at most one number per photo.",
        )
    reports = [_look(index, photo, analyzer, chosen[index]) for index, photo in enumerate(photos)]
    seen = {report.index: report.face for report in reports if report.face is not None}
    if not seen:
        raise _nothing_seen(photos, analyzer)
    kept = _same_person({index: face.embedding for index, face in seen.items()})
    for index in seen:
        reports[index] = _judge(reports[index], seen, kept, by_hand=chosen[index] is not None)
    return Identity(
        embedding=np.stack([seen[index].embedding for index in kept])
        .astype(np.float64)
        .mean(axis=0)
        .astype(np.float32),
        face=seen[kept[0]],
        reports=tuple(reports),
    )


def sharpness(photo: Image.Image, face: Face) -> float:
    """Variance of the Laplacian of the gray face, cut out by its box and brought to 112 x 112 px."""
    left, top = np.floor(face.box[:2]).astype(int)
    right, bottom = np.ceil(face.box[2:]).astype(int)
    cut = np.asarray(photo.crop((left, top, max(right, left + 1), max(bottom, top + 1))).convert("L"))
    shrink = cut.shape[0] > SHARPNESS_SIDE
    method = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    return float(cv2.Laplacian(cv2.resize(cut, (SHARPNESS_SIDE,) * 2, interpolation=method), cv2.CV_64F).var())


def _look(index: int, photo: Image.Image, analyzer: FaceAnalyzer, choice: int | None) -> PhotoReport:
    faces = analyzer.find(photo)
    if not faces:
        return PhotoReport(index, False, None, 0, 0.0, 0.0, 0.0, None, "No face found, skipped.")
    face = pick_face(faces, choice, field=f"photos[{index}]")
    return PhotoReport(
        index=index,
        used=True,
        face=face,
        faces_found=len(faces),
        face_px=float(min(face.box[2] - face.box[0], face.box[3] - face.box[1])),
        sharpness=sharpness(photo, face),
        yaw=face.yaw,
        cosine=None,
        verdict="",
    )


def _nothing_seen(photos: Sequence[Image.Image], analyzer: FaceAnalyzer) -> NoFaceFound:
    field = "photos[0]" if len(photos) == 1 else "photos"
    error = analyzer.no_face(field)
    if len(photos) == 1:
        return error
    return NoFaceFound(f"None of the {len(photos)} photos has a face. {error.message}", field=field, cure=error.cure)


def _same_person(embeddings: dict[int, np.ndarray]) -> list[int]:
    """The indices of the photos that show one person: the largest set around one photo, then around its own mean."""
    order = sorted(embeddings)
    if len(order) == 1:
        return order
    alike = {a: [b for b in order if similarity(embeddings[a], embeddings[b]) >= SAME_PERSON] for a in order}
    middle = max(order, key=lambda index: (len(alike[index]), -index))
    camp = alike[middle]
    mean = _mean_direction([embeddings[index] for index in camp])
    kept = [index for index in order if similarity(embeddings[index], mean) >= SAME_PERSON]
    return kept or [middle]


def _mean_direction(embeddings: Sequence[np.ndarray]) -> np.ndarray:
    return np.mean([row / max(float(np.linalg.norm(row)), 1e-12) for row in embeddings], axis=0)


def _judge(report: PhotoReport, seen: dict[int, Face], kept: list[int], *, by_hand: bool) -> PhotoReport:
    index, used = report.index, report.index in kept
    others = [other for other in kept if other != index] or [other for other in seen if other != index]
    cosine = None
    if others:
        cosine = similarity(seen[index].embedding, _mean_direction([seen[other].embedding for other in others]))
    if used:
        return replace(report, used=True, cosine=cosine, verdict=_praise(report, by_hand))
    if len(seen) == 2:
        verdict = f"Photo {index + 1} and photo {kept[0] + 1} look like two people, cosine {cosine:.2f}; left out."
    else:
        verdict = f"Photo {index + 1} looks like someone else, cosine {cosine:.2f}; left out."
    return replace(report, used=False, cosine=cosine, verdict=verdict)


def _praise(report: PhotoReport, by_hand: bool) -> str:
    small = report.face_px < SMALL_FACE_PX
    blurred = report.sharpness < SHARP
    turned = abs(report.yaw) >= TURNED_DEGREES
    parts = [f"very small face ({report.face_px:.0f} px)" if small else ""]
    parts += ["blurred" if blurred else "sharp"]
    parts += [f"turned {abs(report.yaw):.0f} degrees" if turned else "front"]
    if report.faces_found > 1:
        parts += [f"{report.faces_found} faces, the {'chosen' if by_hand else 'largest'} one used"]
    else:
        parts += ["used"]
    sentence = ", ".join(part for part in parts if part)
    warning = " Likeness may suffer." if small or blurred or abs(report.yaw) > 2 * TURNED_DEGREES else ""
    return sentence[0].upper() + sentence[1:] + "." + warning
