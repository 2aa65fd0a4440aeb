"""A handful of pictures of the shipped miniature and what is seen in them: for the test, and to set its bars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from face.face import similarity
from face.keypoints import keypoint_error
from face.views import VIEWS, head_angles
from generation.engine import Engine
from generation.request import GenerationRequest
from training.miniature.draw import render
from training.miniature.person import EVALUATION_SEEDS, Person
from training.miniature.shot import Shot

HOME = Path(__file__).parent
BARS = HOME / "bars.json"
SHEET = HOME / "pictures.png"
ASKED = (
    "front", "three_quarter_left", "three_quarter_right", "tilt_left", "tilt_right", "up_left", "down_right", "front",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Measured:
    """figures: name -> value; of all, more is better. pictures: (n, side, side, 3) uint8 RGB."""

    figures: dict[str, float]
    pictures: np.ndarray


def measure(engine: Engine) -> Measured:
    """Make a picture of each of eight people, a view each, and measure them together.

    likeness: mean cosine to the own photo less that to the others'. placement: minus the keypoint error. turn: how far
    yaw and roll follow what was asked for, 1 exactly and 0 not at all. found: share with a face.
    """
    shots = Shot.sample(np.random.default_rng(3), style="photo", yaw=15, pitch=8, roll=8, face_size=(0.6, 0.7))
    people = [Person.from_seed(EVALUATION_SEEDS.stop - 1 - number) for number in range(len(ASKED))]
    photos = [Image.fromarray(render(person, shots).image) for person in people]
    references = [engine.analyzer.faces(photo)[0].embedding for photo in photos]
    own, strangers, errors, asked, got, pictures = [], [], [], [], [], []
    for number, view in enumerate(ASKED):
        request = GenerationRequest(
            photos=(photos[number],), prompt="photo of a person, on a blue background", view=view, seed=number,
            view_size=0.62, view_centre=(0.5, 0.47),
        )  # fmt: skip
        prepared = engine.prepare(request)
        *_, result = engine.generate(prepared)
        picture = result.images[0].image
        pictures.append(np.asarray(picture))
        faces = engine.analyzer.find(picture)
        if not faces:
            continue
        face = min(faces, key=lambda one: keypoint_error(one.keypoints, prepared.keypoints))
        cosines = [similarity(face.embedding, reference) for reference in references]
        own.append(cosines.pop(number))
        strangers += cosines
        errors.append(keypoint_error(face.keypoints, prepared.keypoints))
        yaw, _, roll = head_angles(face.keypoints)
        asked += [VIEWS[view].yaw, VIEWS[view].roll]
        got += [yaw, roll]
    figures = {
        "likeness": float(np.mean(own) - np.mean(strangers)),
        "placement": -float(np.mean(errors)),
        "turn": float(np.dot(asked, got) / np.dot(asked, asked)),
        "found": len(errors) / len(ASKED),
    }
    return Measured(figures, np.stack(pictures))


def differences(pictures: np.ndarray) -> np.ndarray:
    """(n,) mean absolute difference in levels of 255 of each picture to the recorded one."""
    with Image.open(SHEET) as sheet:
        recorded = np.asarray(sheet.convert("RGB"))
    recorded = np.stack(np.split(recorded, len(pictures), axis=1))
    return np.abs(pictures.astype(np.int16) - recorded.astype(np.int16)).mean(axis=(1, 2, 3))


def record(pictures: np.ndarray) -> None:
    """Lay the pictures side by side into the recorded sheet, with half a level of loss at most: PNG."""
    Image.fromarray(np.concatenate(list(pictures), axis=1)).save(SHEET, optimize=True)
