"""Pictures to work on: one to start from, a photo to put the person into, and where they may change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from errors import RequestError
from face.photo import laid_over
from generation import ranges

if TYPE_CHECKING:
    from generation.request import GenerationRequest
    from weights.registry import Profile

SMALLEST_STRENGTH = 0.05
START_STRENGTH = 0.6
"""How much of a picture to start from is made anew: its composition stays."""

INTO_STRENGTH = 0.8
"""How much of a face is made anew when another person takes its place: light and place of the head stay."""

REFINE = ("never", "auto", "always")


def settled(request: GenerationRequest) -> dict[str, Any]:
    """The fields of a request that this file speaks of, checked.

    Raises RequestError naming the field.
    """
    pictures = {
        name: value for name in ("start_picture", "into", "mask") if (value := getattr(request, name)) is not None
    }
    for name, picture in pictures.items():
        if not isinstance(picture, Image.Image):
            raise RequestError(f"{name} is no picture.", field=name, cure="Give an opened picture.")
    if request.into is not None and request.start_picture is not None:
        raise RequestError("into and start_picture contradict each other.", field="into", cure="Give one of them.")
    ground = request.into if request.into is not None else request.start_picture
    if request.mask is not None:
        _check_mask(request.mask, ground)
    strength = request.strength
    if strength is None and ground is not None:
        strength = START_STRENGTH if request.into is None else INTO_STRENGTH
    return {
        "strength": None if strength is None else ranges.number("strength", strength, SMALLEST_STRENGTH, 1.0),
        "into_face": None if request.into_face is None else ranges.whole("into_face", request.into_face, 0, 99),
        "refine": ranges.one_of("refine", request.refine, REFINE),
    }


def notes(request: GenerationRequest, profile: Profile) -> list[str]:
    """What of a request has no effect, in plain words."""
    told = []
    if request.strength is not None and request.into is None and request.start_picture is None:
        told.append("strength has no effect without a picture to start from.")
    if request.into is not None and request.template is None:
        idle = [name for name in ("pose", "view", "keypoints") if getattr(request, name) is not None]
        told += [f"{name} has no effect where the photo to put the person into decides it." for name in idle]
    sides = zip((request.width, request.height), profile.size, strict=True)
    if request.into is not None and any(side not in (None, usual) for side, usual in sides):
        told.append("width and height have no effect where a person is put into a photo, which keeps its size.")
    if request.into is None and request.into_face is not None:
        told.append("into_face has no effect without a photo to put the person into.")
    return told


def _check_mask(mask: Image.Image, ground: Any) -> None:
    if not isinstance(ground, Image.Image):
        raise RequestError(
            "A mask needs a picture to lie on.", field="mask", cure="Give into or start_picture, or leave the mask out."
        )
    if mask.size != ground.size:
        raise RequestError(
            f"The mask is {mask.width} x {mask.height} px, its picture {ground.width} x {ground.height}.",
            field="mask",
            cure="Give a mask of the picture's own size, white where it may change.",
        )
    if not as_mask(mask).any():
        raise RequestError(
            "The mask is black everywhere, so nothing could change.", field="mask", cure="Paint white what may change."
        )


def as_mask(mask: Image.Image) -> np.ndarray:
    """A mask picture as (height, width) float32 in 0..1, 0 where it is transparent."""
    if mask.has_transparency_data:
        mask = laid_over(mask.convert("RGBA"), "black")
    return np.asarray(mask.convert("L"), np.float32) / 255


def size_like(picture: Image.Image, profile: Profile) -> tuple[int, int]:
    """Width and height, as many pixels as the profile's own size, of a picture's proportions."""
    area = profile.size[0] * profile.size[1]
    longest = 2 * max(profile.size)
    proportion = math.sqrt(picture.width / picture.height)

    def snapped(side: float) -> int:
        steps = round(side / profile.size_step)
        low, high = -(-profile.min_side // profile.size_step), longest // profile.size_step
        return max(low, min(high, steps)) * profile.size_step

    return snapped(math.sqrt(area) * proportion), snapped(math.sqrt(area) / proportion)


def square(profile: Profile) -> tuple[int, int]:
    """Size of the crop in which a face is made: a square of as many pixels as the profile's own size, or fewer."""
    side = math.isqrt(profile.size[0] * profile.size[1]) // profile.size_step * profile.size_step
    return side, side
