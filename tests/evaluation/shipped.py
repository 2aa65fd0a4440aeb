"""A handful of pictures of the shipped miniature and what is seen in them: for the test, and to set its bars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evaluation import figures as evaluated
from evaluation.measure import JUDGES, Eyes, Look
from face.face import similarity
from face.keypoints import keypoint_error
from face.recogniser import Recogniser
from face.views import VIEWS
from generation.engine import Engine
from generation.modes import TURBO
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
MARKED = 24
TURBO_STEPS = 4
FEW_STEPS = 12


@dataclass(frozen=True, eq=False)
class Measured:
    """figures: name -> value; of all, more is better. pictures: (n, side, side, 3) uint8 RGB."""

    figures: dict[str, float]
    pictures: np.ndarray


def measure(engine: Engine) -> Measured:
    """Make a picture of each of eight people, a view each, then one of each with another wish, and measure them.

    likeness: mean cosine to the own photo less that to the others'; neutral: the same by the recogniser that did not
    condition them; few_steps: that of four steps without guidance. known: share nearest to the own photo. placement:
    minus the keypoint error. turn: how far yaw and roll follow what was asked for, 1 exactly and 0 not at all. yaw:
    minus the mean error in degrees. found: share with a face. style, place, clothes: share that shows what was wished.
    stranger: minus the likeness of pictures made with both strengths at 0. detector: see `_near`.
    """
    shots = Shot.sample(np.random.default_rng(3), style="photo", yaw=15, pitch=8, roll=8, face_size=(0.6, 0.7))
    people = [Person.from_seed(EVALUATION_SEEDS.stop - 1 - number) for number in range(len(ASKED))]
    photos = [Image.fromarray(render(person, shots).image) for person in people]
    eyes = Eyes(engine.analyzer, Recogniser(ASSETS / "face_other"))
    judge = _Judge(engine, eyes, [_found(eyes.look(photo)) for photo in photos])
    seen = [judge.see(_request(photos[number], view, number), number) for number, view in enumerate(ASKED)]
    faces = [one for one in seen if one.found]
    asked = np.array([angle for one in faces for angle in one.asked])
    got = np.array([angle for one in faces for angle in one.got])
    off = {"identity_net_scale": 0.0, "adapter_scale": 0.0}
    bare = [judge.see(_request(photos[number], "front", number, **off), number) for number in range(WITHOUT_FACE)]
    few = [
        judge.see(_request(photo, "front", number, mode=TURBO, steps=TURBO_STEPS), number)
        for number, photo in enumerate(photos)
    ]
    figures = {
        "likeness": _mean([one.likeness for one in faces]),
        "neutral": _mean([one.neutral for one in faces]),
        "few_steps": _mean([one.neutral for one in few if one.found]),
        "known": _mean([one.known for one in seen]),
        "placement": -_mean([one.error for one in faces]),
        "turn": float(asked @ got / (asked @ asked)),
        "yaw": -float(np.abs(asked[::2] - got[::2]).mean()),
        "found": len(faces) / len(seen),
        "stranger": -_mean([one.likeness for one in bare if one.found]),
        "detector": _near(eyes),
    }
    return Measured(figures | _prompt_figures(engine, photos), np.stack([one.picture for one in seen]))


@dataclass(frozen=True, eq=False)
class _Seen:
    """A picture and its face. likeness, neutral: own cosine less the mean of the others', by each recogniser."""

    picture: np.ndarray
    found: bool = False
    likeness: float = 0.0
    neutral: float = 0.0
    known: bool = False
    error: float = 0.0
    asked: tuple[float, float] = (0.0, 0.0)
    got: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class _Judge:
    """references: everybody's photo, among which the right one has to be told."""

    engine: Engine
    eyes: Eyes
    references: list[Look]

    def see(self, request: GenerationRequest, own: int) -> _Seen:
        prepared = self.engine.prepare(request)
        *_, result = self.engine.generate(prepared)
        picture = result.images[0].image
        look = self.eyes.look(picture, prepared.keypoints)
        if look is None:
            return _Seen(np.asarray(picture))
        likeness, neutral = (self._cosines(look, name) for name in JUDGES)
        yaw, _, roll = look.angles
        wanted = VIEWS[str(request.view)]
        return _Seen(
            np.asarray(picture),
            True,
            _above(likeness, own),
            _above(neutral, own),
            int(likeness.argmax()) == own,
            keypoint_error(look.keypoints, prepared.keypoints),
            (wanted.yaw, wanted.roll),
            (yaw, roll),
        )

    def _cosines(self, look: Look, judge: str) -> np.ndarray:
        return np.array([similarity(look.embeddings[judge], one.embeddings[judge]) for one in self.references])


def _request(photo: Image.Image, view: str, seed: int, **rest: Any) -> GenerationRequest:
    usual: dict[str, Any] = {"prompt": "photo of a person, on a blue background"}
    return GenerationRequest(photos=(photo,), view=view, seed=seed, **(usual | rest))


def _near(eyes: Eyes) -> float:
    """Share of drawn faces, turned by up to 35 degrees, whose points are found within 0.05 of the eyes' distance."""
    random = np.random.default_rng(4)
    pose: dict[str, Any] = {"style": "photo", "yaw": 35, "pitch": 14, "roll": 15, "face_size": (0.55, 0.72)}
    shots = [Shot.sample(random, **pose) for _ in range(MARKED)]
    people = [Person.from_seed(EVALUATION_SEEDS.stop - 100 - number) for number in range(MARKED)]
    drawn = [render(person, shot) for person, shot in zip(people, shots, strict=True)]
    found = evaluated.detector([(Image.fromarray(one.image), one.keypoints) for one in drawn], eyes)
    assert found is not None
    return float(found["near"])


def _found(look: Look | None) -> Look:
    assert look is not None, "a face is found in every photo"
    return look


def _above(cosines: np.ndarray, own: int) -> float:
    return float(cosines[own] - np.delete(cosines, own).mean())


def _mean(values: list[Any]) -> float:
    return float(np.mean(values))


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
