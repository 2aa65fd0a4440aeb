"""Do made pictures follow a control, and wear a LoRA's look? Each figure stands beside the same without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from generation.annotate import canny, depth
from generation.controls import Control
from generation.engine import Engine
from generation.lora_choice import Lora
from generation.request import GenerationRequest, GenerationResult
from generation.sources import Sources
from training.miniature.depth import render_depth
from training.miniature.draw import render
from training.miniature.person import Person as Drawn
from training.miniature.shot import Shot
from training.miniature.tone import CYANOTYPE, cyanotype

FIRST_UNSEEN = 9_000_000
FOLLOWED_FROM = 9_100_000
NEAR = 2  # px between an edge and the one that it counts for
PROMPT = "a photo of a person on a grey background"
LOOK = "miniature-cyanotype"


def references(count: int) -> list[Image.Image]:
    """Photos of people whom no training has seen."""
    return [Image.fromarray(render(Drawn.from_seed(FIRST_UNSEEN + number), Shot()).image) for number in range(count)]


def followed(count: int) -> list[tuple[Image.Image, np.ndarray]]:
    """Pictures of other people in any pose, and their true depth."""
    shots = [
        Shot.sample(np.random.default_rng(number), yaw=30, pitch=14, roll=15, face_size=(0.55, 0.7), styles=("photo",))
        for number in range(count)
    ]
    people = [Drawn.from_seed(FOLLOWED_FROM + number) for number in range(count)]
    pairs = list(zip(people, shots, strict=True))
    return [(Image.fromarray(render(*pair).image), render_depth(*pair)) for pair in pairs]


def edges_found(made: Image.Image, wanted: Image.Image) -> float:
    """Share of the wanted picture's edges that the made one has within NEAR px."""
    there, asked = (np.asarray(canny(picture))[..., 0] for picture in (made, wanted))
    wide = cv2.dilate(there, np.ones((2 * NEAR + 1, 2 * NEAR + 1), np.uint8))
    return float((wide[asked > 0] > 0).mean())


def edges(engine: Engine, count: int) -> Iterator[str]:
    pictures = [picture for picture, _ in followed(count)]
    yield f"| canny | edges found within {NEAR} px | of another picture's | likeness |\n|---|---|---|---|"
    for strength in (0.0, 0.7, 1.0):
        images = _following(engine, "canny", strength, pictures)
        own, other = _own_and_other(edges_found, [one.image for one in images], pictures)
        yield f"| {strength} | {own:.3f} | {other:.3f} | {_likeness(images)} |"


def depths(engine: Engine, count: int) -> Iterator[str]:
    wanted = followed(count)
    folder = _annotator(engine)
    true, pictures = [one for _, one in wanted], [picture for picture, _ in wanted]

    def agree(first: np.ndarray, second: np.ndarray) -> float:
        return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])

    def told(picture: Image.Image) -> np.ndarray:
        return np.asarray(depth(picture, folder))[..., 0]

    yield "| depth | correlation with the true depth | with another picture's | likeness |\n|---|---|---|---|"
    ceiling = _own_and_other(agree, [told(picture) for picture in pictures], true)
    yield f"| the followed pictures themselves | {ceiling[0]:.3f} | {ceiling[1]:.3f} | |"
    for strength in (0.0, 0.7, 1.0):
        images = _following(engine, "depth", strength, pictures)
        own, other = _own_and_other(agree, [told(one.image) for one in images], true)
        yield f"| {strength} | {own:.3f} | {other:.3f} | {_likeness(images)} |"


def off_the_ramp(picture: np.ndarray) -> float:
    """Mean distance, in steps of 255, of pixels (h, w, 3) from the line between a cyanotype's two colours."""
    blue, paper = (np.array(colour, float) for colour in CYANOTYPE)
    along = (paper - blue) / np.linalg.norm(paper - blue)
    rest = picture.astype(float) - blue
    return float(np.linalg.norm(rest - (rest @ along)[..., None] * along, axis=-1).mean())


def look(engine: Engine, count: int) -> Iterator[str]:
    yield "| LoRA of the look | distance from its two colours | likeness |\n|---|---|---|"
    drawn = [np.asarray(photo) for photo in references(count)]
    yield f"| true drawings, printed so | {np.mean([off_the_ramp(cyanotype(one)) for one in drawn]):.1f} | |"
    for weight in (0.0, 0.6, 1.0):
        wish: dict[str, Any] = {"loras": (Lora(LOOK, weight),), "prompt": PROMPT.replace("photo", "cyanotype")}
        images = [_made(engine, photo, seed, view="front", **wish).images[0] for seed, photo in
                  enumerate(references(count))]  # fmt: skip
        colours = np.mean([off_the_ramp(np.asarray(one.image)) for one in images])
        yield f"| {weight} | {colours:.1f} | {_likeness(images)} |"


def _following(engine: Engine, kind: str, strength: float, pictures: list[Image.Image]) -> list[Any]:
    return [
        _made(
            engine, photo, seed, pose=picture, controls=(Control(kind, strength, picture=picture),) if strength else ()
        ).images[0]
        for seed, (photo, picture) in enumerate(zip(references(len(pictures)), pictures, strict=True))
    ]


def _made(engine: Engine, photo: Image.Image, seed: int, **wish: Any) -> GenerationResult:
    *_, result = engine.generate(GenerationRequest(photos=(photo,), seed=seed, **{"prompt": PROMPT, **wish}))
    assert isinstance(result, GenerationResult)
    return result


def _own_and_other(agree: Any, made: list[Any], wanted: list[Any]) -> tuple[float, float]:
    """Mean agreement with what was to be followed, and with what the next picture was to follow."""
    own = [agree(one, other) for one, other in zip(made, wanted, strict=True)]
    others = [agree(one, other) for one, other in zip(made, [*wanted[1:], wanted[0]], strict=True)]
    return float(np.mean(own)), float(np.mean(others))


def _likeness(images: list[Any]) -> str:
    return likeness([one.identity for one in images])


def likeness(cosines: Sequence[float | None]) -> str:
    """Their mean, in which a face that was not found counts as 0, and how many those were."""
    lost = sum(cosine is None for cosine in cosines)
    told = f"{np.mean([cosine or 0.0 for cosine in cosines]):.3f}" if len(cosines) else "-"
    return f"{told}, {lost} of {len(cosines)} lost" if lost else told


def _annotator(engine: Engine) -> Path:
    ((part,),) = [parts for kind, parts in engine.profile.annotators if kind == "depth"]
    return Sources().weight(part.weight, "controls") / part.path
