"""Who a picture is of: the fields of a request with photos, the faces chosen in them, and templates, checked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from errors import RequestError
from generation import people, ranges
from generation.people import Person
from generation.placing import Noted
from template_adapter.template import Template, at_raw_length, checked

if TYPE_CHECKING:
    from generation.request import GenerationRequest

MAX_PHOTOS = 16


def settled(request: GenerationRequest, noted: Noted) -> dict[str, Any]:
    """The person of the request and the others. Raises RequestError naming the field."""
    photos = _pictures(request.photos) if request.template is None else ()
    together = people.settled(request)
    others = tuple(
        Person(pictures := _pictures(one.photos, "others"), _choices(one.face_choices, len(pictures), "others"))
        for one in together["others"]
    )
    return {
        "photos": photos,
        "template": None if request.template is None else noted(_template(request)),
        "face_choices": _choices(request.face_choices, len(photos)),
        **together,
        "others": others,
    }


def _pictures(photos: Any, field: str = "photos") -> tuple[Image.Image, ...]:
    if isinstance(photos, Image.Image):
        photos = (photos,)
    if not isinstance(photos, tuple | list) or not 1 <= len(photos) <= MAX_PHOTOS:
        raise RequestError(
            f"{field} holds no usable number of pictures.",
            field=field,
            cure=f"Give 1 to {MAX_PHOTOS} pictures of the person.",
        )
    if not all(isinstance(photo, Image.Image) for photo in photos):
        raise RequestError(f"{field} holds something that is no picture.", field=field, cure="Give opened pictures.")
    return tuple(photos)


def _template(request: GenerationRequest) -> tuple[Template, str | None]:
    """The template checked and at the length that the weights know, and a note when its length was changed."""
    template = request.template
    if not isinstance(template, Template):
        raise RequestError("template is no template.", field="template", cure="Give a template_adapter Template.")
    if request.photos:
        raise RequestError(
            "photos and template contradict each other.", field="template", cure="Give one of them; a pose is its own."
        )
    embedding, note = at_raw_length(checked(template.embedding))
    return replace(template, embedding=embedding), note


def _choices(choices: Any, photos: int, field: str = "face_choices") -> tuple[int | None, ...]:
    if not isinstance(choices, tuple | list) or len(choices) > photos:
        raise RequestError(
            "face_choices does not fit the photos.", field=field, cure="Give at most one number per photo."
        )
    chosen = [None if choice is None else ranges.whole(field, choice, 0, 99) for choice in choices]
    return tuple(chosen + [None] * (photos - len(chosen)))
