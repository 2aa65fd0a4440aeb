"""The pictures of an evaluation, made by the engine; a folder keeps them, so that a stopped run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from evaluation.cases import Take, World
from generation.request import GeneratedImage, GenerationRequest, GenerationResult

if TYPE_CHECKING:
    from generation.engine import Engine
    from weights.registry import Profile

Tell = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, eq=False)
class Made:
    """A finished picture, RGB, and the seconds that it took (those of the run that made it)."""

    image: Image.Image
    seconds: float


@dataclass(frozen=True)
class Shelf:
    """A folder that keeps pictures with their settings.

    Args:
        write: puts a picture with its settings into a PNG file; read: gives the settings back, or None.
    """

    folder: Path
    write: Callable[[GeneratedImage, Mapping[str, Any], Path], None]
    read: Callable[[Path], dict[str, Any] | None]

    def fetch(self, name: str) -> Made | None:
        """A picture that an earlier run left."""
        file = self.folder / name
        if not file.is_file() or not (settings := self.read(file)):
            return None
        with Image.open(file) as picture:
            return Made(picture.convert("RGB"), float(settings["seconds"]))

    def keep(self, name: str, result: GenerationResult) -> None:
        """Write the first picture of a result, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f"{name}.part"
        self.write(result.images[0], {**result.settings, "seconds": result.seconds}, unfinished)
        unfinished.replace(self.folder / name)


def make(
    engine: Engine, world: World, takes: Sequence[Take], weights: Mapping[str, str], shelf: Shelf | None, tell: Tell
) -> dict[Take, Made]:
    """Make every take, or take it from the shelf where an earlier run left it.

    Args:
        weights: fingerprints; pictures of other weights are not taken for these.
        shelf: None keeps nothing.
    """
    made: dict[Take, Made] = {}
    for number, take in enumerate(takes):
        tell("making", number, len(takes))
        request = request_of(world, take)
        name = f"{_key(request, engine.profile, weights)}.png"
        if shelf is not None and (kept := shelf.fetch(name)) is not None:
            made[take] = kept
            continue
        *_, result = engine.generate(request)
        assert isinstance(result, GenerationResult)
        made[take] = Made(result.images[0].image, result.seconds)
        if shelf is not None:
            shelf.keep(name, result)
    return made


def request_of(world: World, take: Take) -> GenerationRequest:
    """What the engine is asked for."""
    setting = take.setting
    return GenerationRequest(
        photos=world.subjects[take.subject].photos[: setting.references],
        prompt=world.wishes[take.wish].prompt,
        view=take.view,
        seed=take.seed,
        adapter_scale=setting.adapter_scale,
        identity_net_scale=setting.identity_net_scale,
        guidance=setting.guidance,
        steps=setting.steps,
        mode=setting.mode,
    )


def _key(request: GenerationRequest, profile: Profile, weights: Mapping[str, str]) -> str:
    """A name that only the same request, with the profile's defaults in it, the same weights and photos has."""
    photos = [hashlib.sha256(photo.tobytes()).hexdigest() for photo in request.photos]
    told: list[Any] = [profile.name, dict(weights), request.resolved(profile).to_settings(), photos]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:20]
