"""The form of `POST /generate-identity-body`, and the request for a whole figure that it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field, field_validator

from api.analysis import Analysis
from api.figure_below import Below, figure_for
from api.figures import figure_keypoints, figure_prompt, framing_of
from api.options import Strict
from errors import RequestError
from generation import modes, ranges
from generation.request import MAX_GUIDANCE, MAX_SCALE, MAX_STEPS, GenerationRequest
from weights.registry import Profile

FACES = "face_image"
LEAST_SHOWN = 0.5
"""Share of a figure's height below which a tall picture serves nothing."""
LONGEST_WORDS = 300

SPEED = {"lcm": {"steps": 20, "guidance": 0.0}}
"""Of a speed mode, the numbers that this endpoint has where the caller names none; other modes keep their own."""


class BodyOptions(Strict):
    """A person's figure in numbers and words; all but the photo may be left out."""

    body_type: Literal["slim", "athletic", "muscular", "average", "curvy"] = "average"
    height_cm: float | None = Field(None, ge=50, le=300)
    weight_kg: float | None = Field(None, ge=20, le=500)
    gender: Literal["male", "female", "other"] | None = None
    age: int | None = Field(None, ge=0, le=120, description="Years.")
    skin_tone: str | None = Field(None, description="In words, such as: light, tan, dark brown.")
    ethnicity: str | None = None
    pose: Literal["standing", "walking", "sitting"] = "standing"
    clothing: str | None = Field(None, description="In words, such as: a blue suit.")
    num_images: int = Field(1, ge=1, le=4)
    num_inference_steps: int | None = Field(None, ge=1, le=MAX_STEPS, description="20 with LCM.")
    guidance_scale: float | None = Field(None, ge=0, le=MAX_GUIDANCE, description="0 with LCM.")
    controlnet_conditioning_scale: float = Field(0.8, ge=0, le=MAX_SCALE)
    ip_adapter_scale: float = Field(0.8, ge=0, le=MAX_SCALE)
    seed: int | None = Field(None, ge=0, le=2**32 - 1)
    width: int | None = Field(None, ge=1, le=16384)
    height: int | None = Field(None, ge=1, le=16384)
    analysis: Literal["off", "none", "on", "local", "gemini"] = "off"
    use_gemini_analysis: bool = Field(False, description="The same as analysis=gemini.")

    @field_validator("skin_tone", "ethnicity", "clothing")
    @classmethod
    def _words(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if len(value) > LONGEST_WORDS:
            raise ValueError(f"give at most {LONGEST_WORDS} characters")
        try:
            words, _ = ranges.text("text", value)
        except RequestError as error:
            raise ValueError(error.message) from error
        return words or None

    @property
    def asked_analysis(self) -> str:
        return "gemini" if self.use_gemini_analysis else self.analysis

    @property
    def stated(self) -> Analysis:
        """What the caller says about the person."""
        return Analysis(self.skin_tone, self.ethnicity, self.age, self.gender)


def size_of(options: BodyOptions, profile: Profile) -> tuple[int, int]:
    """Width and height to be made, px, on the profile's grid: as asked for, else of the profile's presets the one that
    is highest for its width. Where hardly more than a head would fit into that, the profile's usual size.

    Raises RequestError.
    """
    width, height = profile.size if _heads_alone(options, profile) else _tallest(profile)
    longest = 2 * max(profile.size)
    wide, _ = ranges.side("width", options.width or width, profile.min_side, longest, profile.size_step)
    high, _ = ranges.side("height", options.height or height, profile.min_side, longest, profile.size_step)
    return wide, high


def _tallest(profile: Profile) -> tuple[int, int]:
    _, width, height = max(profile.sizes, key=lambda preset: preset[2] / preset[1])
    return width, height


def _heads_alone(options: BodyOptions, profile: Profile) -> bool:
    _, shown = figure_keypoints(options.pose, options.height_cm, _tallest(profile), profile.smallest_face)
    return shown < LEAST_SHOWN


def _drawn_below(options: BodyOptions, profile: Profile) -> bool:
    """Whether the figure is drawn by rule: weights of drawn people who have heads alone, and no size asked for."""
    asked = options.width is not None or options.height is not None
    return profile.drawn and not asked and _heads_alone(options, profile)


def below(options: BodyOptions, known: Analysis, request: GenerationRequest, profile: Profile) -> Below | None:
    """What is drawn below the portrait that `request` makes; None where all of the picture is made."""
    if not _drawn_below(options, profile):
        return None
    figure = figure_for(
        pose=options.pose,
        body_type=options.body_type,
        gender=known.gender,
        age=known.age,
        height_cm=options.height_cm,
        weight_kg=options.weight_kg,
        clothing=options.clothing,
    )
    return Below(figure, np.asarray(request.keypoints, np.float32))


def figure_request(
    options: BodyOptions, known: Analysis, photos: Sequence[Image.Image], profile: Profile
) -> tuple[GenerationRequest, list[str]]:
    """The request for a whole figure with the photos' face, and notes on what could not be as asked.

    known: what was stated and guessed of the person.
    """
    size = size_of(options, profile)
    keypoints, shown = figure_keypoints(options.pose, options.height_cm, size, profile.smallest_face)
    prompt, notes = figure_prompt(
        body_type=options.body_type,
        pose=options.pose,
        shown=shown,
        gender=known.gender,
        age=known.age,
        ethnicity=known.ethnicity,
        skin_tone=known.skin_tone,
        height_cm=options.height_cm,
        weight_kg=options.weight_kg,
        clothing=options.clothing,
    )
    told = list(notes)
    if shown < 1 and not _drawn_below(options, profile):
        told.append(
            "These weights draw no face as small as a whole figure has: "
            f"about {shown:.0%} of the height is in the picture."
        )
    speed = SPEED.get(modes.settled(modes.TURBO, profile), {})
    guidance = speed.get("guidance") if options.guidance_scale is None else options.guidance_scale
    request = GenerationRequest(
        photos=tuple(photos),
        prompt=prompt,
        # without guidance the engine would tell a caller about a negative prompt that is not the caller's
        negative_prompt="" if guidance is not None and guidance <= 1 else framing_of(shown).negative,
        keypoints=tuple(map(tuple, np.asarray(keypoints, np.float64).tolist())),
        mode=modes.TURBO,
        steps=speed.get("steps") if options.num_inference_steps is None else options.num_inference_steps,
        guidance=guidance,
        identity_net_scale=options.controlnet_conditioning_scale,
        adapter_scale=options.ip_adapter_scale,
        seed=options.seed,
        count=options.num_images,
        width=size[0],
        height=size[1],
        refine="auto",
    )
    return request, told
