"""What may be asked for over HTTP beside the pictures: GenerationRequest's own fields, with the types of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.failures import explained
from errors import RequestError
from generation.request import MAX_COUNT, MAX_GUIDANCE, MAX_SCALE, MAX_STEPS

Model = TypeVar("Model", bound=BaseModel)

Scale = Field(None, ge=0, le=MAX_SCALE)
Share = Field(None, ge=0, le=1)


class Strict(BaseModel):
    """Unknown fields are refused, and so are infinity and NaN."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class LoraOption(Strict):
    """A LoRA by its name in the registry or, where the deployment allows it, `owner/repository[/file.safetensors]`."""

    name: str = Field(max_length=300)
    weight: float = Field(1.0, ge=-MAX_SCALE, le=MAX_SCALE)


class ControlOption(Strict):
    """A further ControlNet. Its picture is the file `control_<kind>`, else the pose picture or the start picture."""

    kind: str = Field(max_length=40)
    strength: float = Field(0.7, ge=0, le=2)
    start: float = Field(0.0, ge=0, le=1)
    end: float = Field(1.0, ge=0, le=1)
    is_map: bool = Field(False, description="The picture is what the net reads already: edges, depth, a skeleton.")


class Options(Strict):
    """Each field as in `GenerationRequest`, whose defaults are the profile's."""

    prompt: str = Field("", description="What to see.")
    negative_prompt: str = Field("", description="What not to see.")
    style: str | None = Field(None, description="A name of /api/v1/styles.")
    face_choices: list[int | None] | None = Field(None, description="Which face of each photo, 0 the largest.")
    assignment: list[int] | None = Field(None, description="Who stands where, left to right, 0 the first person.")
    pose_face: int | None = Field(None, ge=0, le=99)
    view: str | None = Field(None, description="Pose by name, such as front or three_quarter_left.")
    view_size: float | None = Field(None, ge=0.1, le=1, description="Face height over the short side.")
    view_centre: list[float] | None = Field(None, description="x, y of the face, each from 0 to 1.")
    keypoints: list[Any] | None = Field(None, description="Five x, y pairs in pixels, or five for each person.")
    identity_net_scale: float | None = Scale
    adapter_scale: float | None = Scale
    identity_start: float | None = Share
    identity_end: float | None = Share
    strengths: str | None = Field(None, description="Preset of the strengths, such as balanced.")
    adapter_start: float | None = Share
    adapter_end: float | None = Share
    guidance_rescale: float | None = Share
    face_noise: float | None = Share
    compare_colours: bool = False
    mode: str | None = Field(None, description="Speed: quality, fast, turbo, lcm, ...")
    steps: int | None = Field(None, ge=1, le=MAX_STEPS)
    guidance: float | None = Field(None, ge=0, le=MAX_GUIDANCE)
    guidance_start: float | None = Share
    guidance_end: float | None = Share
    seed: int | None = Field(None, ge=0, le=2**32 - 1, description="Drawn when not given.")
    scheduler: str | None = None
    width: int | None = Field(None, ge=1, le=16384)
    height: int | None = Field(None, ge=1, le=16384)
    count: int = Field(1, ge=1, le=MAX_COUNT, description="Number of pictures.")
    best_of: int | None = Field(None, ge=1, le=32, description="Make so many and keep the best `count`.")
    controls: list[ControlOption] = Field(default=[], max_length=4)
    into_face: int | None = Field(None, ge=0, le=99)
    strength: float | None = Field(None, ge=0, le=1, description="How much of a start picture may change.")
    refine: str | None = Field(None, description="Small faces again at full size: never, auto or always.")
    face_region: bool = True
    loras: list[LoraOption] = Field(default=[], max_length=8)
    adapter: str | None = Field(None, description="Name of an adapter of the deployment, for the template.")


JSON_FIELD = "request"
"""Name of the form field that may hold all options as one JSON object."""


def options_in(fields: Mapping[str, str], kind: type[Model], json_field: str | None = None) -> Model:
    """Options from the text fields of a form. Raises RequestError naming the field; the value is not repeated."""
    return validated(kind, values_in(fields, kind, json_field))


def values_in(fields: Mapping[str, str], kind: type[BaseModel], json_field: str | None = None) -> dict[str, Any]:
    """What the text fields of a form say, each by its own name or all in one JSON object, or some in each.

    Raises RequestError naming the field; the value is not repeated.
    """
    values: dict[str, Any] = {}
    for name, text in fields.items():
        if name != json_field and text != "":
            values[name] = _value(name, text, kind)
    if json_field is not None and fields.get(json_field, "").strip():
        document = _json(json_field, fields[json_field])
        if not isinstance(document, dict):
            raise RequestError("request is no JSON object.", field=json_field, cure='Write {"prompt": "...", ...}.')
        if twice := sorted(document.keys() & values.keys()):
            raise RequestError("A field was sent twice.", field=twice[0][:80], cure="Send it once.")
        values |= document
    return values


def validated(kind: type[Model], values: Mapping[str, Any]) -> Model:
    """Options from values by name. Raises RequestError naming the first that cannot be, without repeating it."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise explained(error) from error


def _value(name: str, text: str, kind: type[BaseModel]) -> Any:
    """Text as it is where text is wanted, numbers and flags for pydantic to read, JSON for lists."""
    field = kind.model_fields.get(name)
    if field is not None and "list" in str(field.annotation):
        return _json(name, text)
    return text


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{name} is no JSON.", field=name[:80], cure="Write it as JSON, such as [1, 2].") from error
