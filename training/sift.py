"""Which photo is fit to learn from: sharp, large enough, and of one clear person."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image

from errors import PhotoError
from face.analyzer import FaceAnalyzer
from face.photo import open_photo
from face.references import SHARP, sharpness
from face.views import head_angles
from training.photos import Photo
from training.shards import Sample

UPRIGHT_DEGREES = 45.0
BETTER_TURNED = 0.02  # of the detector's score
MAX_MEGAPIXELS = 100


@dataclass(frozen=True)
class Limits:
    """What a photo must have.

    min_side: shorter side of the picture in pixels. min_face: shorter side of the face's box in pixels.
    min_sharpness: variance of the Laplacian of the face at 112 px, see face.references.sharpness.
    second_face: a second face larger than this share of the first one's area makes it a photo of several people.
    max_side: larger pictures are shrunk to this longer side in pixels before they are stored.
    """

    min_side: int = 512
    min_face: int = 96
    min_sharpness: float = SHARP
    second_face: float = 0.1
    max_side: int = 2048


class Unfit(Exception):
    """Why a photo is left out, in a few words that can be counted."""


def sift(photo: Photo, analyzer: FaceAnalyzer, limits: Limits, key: str) -> Sample:
    """A photo as a sample.

    Raises:
        Unfit: it is not fit to learn from, or cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # from 89 megapixels
            picture = open_photo(photo.path, max_megapixels=MAX_MEGAPIXELS)
    except PhotoError as error:
        raise Unfit("unreadable: " + re.sub(r" \(.*\)", "", error.message)) from error  # without its size
    if min(picture.size) < limits.min_side:
        raise Unfit("small picture")
    shrink = min(1.0, limits.max_side / max(picture.size))
    if shrink < 1:
        width, height = (round(side * shrink) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    faces = analyzer.find(picture)
    if not faces:
        raise Unfit("no face")
    face = faces[0]
    if len(faces) > 1 and faces[1].area > limits.second_face * face.area:
        raise Unfit("several people")
    side = float(min(face.box[2] - face.box[0], face.box[3] - face.box[1]))
    if side < limits.min_face:
        raise Unfit("small face")
    if abs(head_angles(face.keypoints)[2]) > UPRIGHT_DEGREES:
        raise Unfit("face lies on its side")
    if analyzer.score_turned(picture, face) > face.det_score + BETTER_TURNED:
        raise Unfit("face lies on its side")
    sharp = sharpness(picture, face)
    if sharp < limits.min_sharpness:
        raise Unfit("blurred face")
    if not np.isfinite(face.embedding).all():
        raise Unfit("no embedding")
    facts = {"face_px": round(side, 1), "sharpness": round(sharp, 1), "det_score": round(face.det_score, 3)}
    return Sample(key, picture, face.embedding, face.keypoints, photo.caption, photo.person, facts)
