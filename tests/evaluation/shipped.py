"""A handful of pictures of the shipped miniature and what is seen in them: for the test, and to set its bars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from face.face import similarity
from face.keypoints import keypoint_error
from face.views import VIEWS, head_angles
from generation.engine import Engine
from generation.request import GenerationRequest
from training.miniature.attributes import ASSETS, FILE, AttributeReader, tellable
from training.miniature.caption import description
from training.miniature.draw import render
from training.miniature.person import EVALUATION_SEEDS, Person
from training.miniature.shot import GARMENTS, PLAIN_COLOURS, SCENES, STYLES, Shot

HOME = Path(__file__).parent
BARS = HOME / "bars.json"
SHEET = HOME / "pictures.png"
ASKED = (
    "front", "three_quarter_left", "three_quarter_right", "tilt_left", "tilt_right", "up_left", "down_right", "front",
)  # fmt: skip
PROMPT = ("style", "place", "clothes")
WISHES = tuple(
    {"style": style, "place": place, "clothes": clothes}
    for style, place, clothes in zip(
        (*STYLES, "photo"), [*SCENES[:4], *(f"plain {name}" for name in list(PLAIN_COLOURS)[2:6])], (*GARMENTS, "suit"),
        strict=True,
    )
)  # fmt: skip
WITHOUT_FACE = 4
FEW_STEPS = 12


@dataclass(frozen=True, eq=False)
class Measured:
    """figures: name -> value; of all, more is better. pictures: (n, side, side, 3) uint8 RGB."""

    figures: dict[str, float]
    pictures: np.ndarray


def measure(engine: Engine) -> Measured:
    """Make a picture of each of eight people, a view each, then one of each with another wish, and measure them.

    likeness: mean cosine to the own photo less that to the others'. known: share nearest to the own photo. placement:
    minus the keypoint error. turn: how far yaw and roll follow what was asked for, 1 exactly and 0 not at all. yaw:
    minus the mean error in degrees. found: share with a face. style, place, clothes: share that shows what was wished.
    stranger: minus the likeness of pictures made with both strengths at 0.
    """
    shots = Shot.sample(np.random.default_rng(3), style="photo", yaw=15, pitch=8, roll=8, face_size=(0.6, 0.7))
    people = [Person.from_seed(EVALUATION_SEEDS.stop - 1 - number) for number in range(len(ASKED))]
    photos = [Image.fromarray(render(person, shots).image) for person in people]
    references = np.stack([engine.analyzer.faces(photo)[0].embedding for photo in photos])
    seen = [
        _seen(engine, _request(photos[number], view, number), references, number) for number, view in enumerate(ASKED)
    ]
    faces = [one for one in seen if one.likeness is not None]
    asked = np.array([angle for one in faces for angle in one.asked])
    got = np.array([angle for one in faces for angle in one.got])
    bare = [
        _seen(
            engine,
            _request(photos[number], "front", number, identity_net_scale=0.0, adapter_scale=0.0),
            references,
            number,
        )
        for number in range(WITHOUT_FACE)
    ]
    figures = {
        "likeness": float(np.mean([one.likeness for one in faces])),
        "known": float(np.mean([one.known for one in seen])),
        "placement": -float(np.mean([one.error for one in faces])),
        "turn": float(asked @ got / (asked @ asked)),
        "yaw": -float(np.abs(asked[::2] - got[::2]).mean()),
        "found": len(faces) / len(seen),
        "stranger": -float(np.mean([one.likeness for one in bare if one.likeness is not None])),
    }
    return Measured(figures | _prompt_figures(engine, photos), np.stack([one.picture for one in seen]))


@dataclass(frozen=True, eq=False)
class _Seen:
    """A picture and its face; without one, likeness is None. likeness: own cosine less the mean of the others'."""

    picture: np.ndarray
    likeness: float | None = None
    known: bool = False
    error: float = 0.0
    asked: tuple[float, float] = (0.0, 0.0)
    got: tuple[float, float] = (0.0, 0.0)


def _request(photo: Image.Image, view: str, seed: int, **rest: Any) -> GenerationRequest:
    usual: dict[str, Any] = {"prompt": "photo of a person, on a blue background"}
    return GenerationRequest(
        photos=(photo,), view=view, seed=seed, view_size=0.62, view_centre=(0.5, 0.47), **(usual | rest)
    )


def _seen(engine: Engine, request: GenerationRequest, references: np.ndarray, own: int) -> _Seen:
    prepared = engine.prepare(request)
    *_, result = engine.generate(prepared)
    picture = result.images[0].image
    faces = engine.analyzer.find(picture)
    if not faces:
        return _Seen(np.asarray(picture))
    face = min(faces, key=lambda one: keypoint_error(one.keypoints, prepared.keypoints))
    cosines = np.array([similarity(face.embedding, reference) for reference in references])
    yaw, _, roll = head_angles(face.keypoints)
    wanted = VIEWS[str(request.view)]
    return _Seen(
        np.asarray(picture),
        float(cosines[own] - np.delete(cosines, own).mean()),
        int(cosines.argmax()) == own,
        keypoint_error(face.keypoints, prepared.keypoints),
        (wanted.yaw, wanted.roll),
        (yaw, roll),
    )


def _prompt_figures(engine: Engine, photos: list[Image.Image]) -> dict[str, float]:
    reader = AttributeReader(ASSETS / FILE)
    pictures = []
    for number, (photo, wish) in enumerate(zip(photos, WISHES, strict=True)):
        prompt = description(Shot(**wish))
        *_, result = engine.generate(_request(photo, "front", number, prompt=prompt, steps=FEW_STEPS))
        pictures.append(np.asarray(result.images[0].image))
    told = reader.read(pictures)
    return {
        name: float(
            np.mean(
                [
                    reader.options[name][int(row.argmax())] == wish[name]
                    for row, wish in zip(told[name], WISHES, strict=True)
                    if tellable(name, Shot(**wish))
                ]
            )
        )
        for name in PROMPT
    }


def differences(pictures: np.ndarray) -> np.ndarray:
    """(n,) mean absolute difference in levels of 255 of each picture to the recorded one."""
    with Image.open(SHEET) as sheet:
        recorded = np.asarray(sheet.convert("RGB"))
    recorded = np.stack(np.split(recorded, len(pictures), axis=1))
    return np.abs(pictures.astype(np.int16) - recorded.astype(np.int16)).mean(axis=(1, 2, 3))


def record(pictures: np.ndarray) -> None:
    """Lay the pictures side by side into the recorded sheet, with half a level of loss at most: PNG."""
    Image.fromarray(np.concatenate(list(pictures), axis=1)).save(SHEET, optimize=True)
