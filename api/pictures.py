"""The pictures of a request on their way through the job store: form files, named bytes, and a GenerationRequest."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from api.body import FACES
from api.options import Options
from api.templates import ADAPTER, EITHER, TEMPLATE
from errors import PhotoError, RequestError
from face.photo import FORMATS, open_photo
from generation.controls import Control
from generation.people import MOST, Person
from generation.request import GenerationRequest, Lora
from generation.sources import find_lora
from generation.who import MAX_PHOTOS
from weights.registry import WEIGHTS

if TYPE_CHECKING:
    from template_adapter.template import Template

PHOTOS = "photos"
PEOPLE = tuple(f"person_{number}" for number in range(2, MOST + 1))
SINGLE = ("pose", "start_picture", "into", "mask")
CONTROLS = tuple(f"control_{kind}" for kind in ("pose", "canny", "depth"))

FILE_FIELDS = (PHOTOS, *PEOPLE, *SINGLE, *CONTROLS, TEMPLATE, ADAPTER)
"""Form fields of `POST /generate` that take files."""

LONGEST_PHOTO = 12 * 2**20
"""Bytes of a photo that comes as text in a call of the page's port."""
MOST_MEGAPIXELS = 120
"""Of all pictures of a request together, in millions; opened they take three bytes a pixel."""

Named = dict[str, bytes]


def named(files: Mapping[str, Sequence[bytes]]) -> Named:
    """Files of a form under one name each, `photos.0`, `photos.1`, `pose.0`, ...; empty ones are left out.

    Raises RequestError when there are too many under one name.
    """
    kept: Named = {}
    for field, contents in files.items():
        sent = [content for content in contents if content]
        most = MAX_PHOTOS if field in (PHOTOS, FACES, *PEOPLE) else 1
        if len(sent) > most:
            raise RequestError(f"{field} has {len(sent)} files.", field=field, cure=f"Send at most {most}.")
        kept |= {f"{field}.{number}": content for number, content in enumerate(sent)}
    return kept


def weigh(pictures: Mapping[str, bytes]) -> None:
    """Raises PhotoError when the headers of the pictures tell of more pixels than a request may have together."""
    total = sum(_megapixels(data) for name, data in pictures.items() if name.partition(".")[0] not in EITHER)
    if total > MOST_MEGAPIXELS:
        raise PhotoError(
            f"The pictures have {total:.0f} megapixels together.",
            field=next(iter(pictures)).rpartition(".")[0],
            cure=f"Send fewer or smaller ones: at most {MOST_MEGAPIXELS} megapixels.",
        )


def opened(pictures: Mapping[str, bytes], field: str, longest: int | None = None) -> tuple[Image.Image, ...]:
    """The pictures of one field, in their order.

    longest: px to which the long side of larger ones is brought, each before the next is opened.

    Raises PhotoError.
    """
    return tuple(Opened(pictures, field, longest))


class Opened(Sequence[Image.Image]):
    """The pictures of one field, each opened when it is asked for and not kept. Raises PhotoError then."""

    def __init__(self, pictures: Mapping[str, bytes], field: str, longest: int | None = None) -> None:
        self._pictures, self._field, self._longest = pictures, field, longest
        names = [name for name in pictures if name.rpartition(".")[0] == field]
        self._names = sorted(names, key=lambda name: int(name.rpartition(".")[2]))

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return tuple(self._open(name) for name in self._names[place])
        return self._open(self._names[place])

    def __iter__(self) -> Iterator[Image.Image]:
        return map(self._open, self._names)

    def _open(self, name: str) -> Image.Image:
        background = "black" if self._field == "mask" else "white"
        picture = open_photo(self._pictures[name], field=self._field, background=background)
        if self._longest is not None:
            picture.thumbnail((self._longest, self._longest))
        return picture


def request_of(
    options: Options,
    pictures: Mapping[str, bytes],
    *,
    template: Template | None = None,
    hub_loras: bool = False,
    longest: int | None = None,
) -> GenerationRequest:
    """The request that options and pictures ask for together; not resolved yet.

    template: in the place of photos, see `api.templates.template_of`.
    hub_loras: whether LoRAs in repositories of the hub may be named.
    longest: of photos of people, see `opened`.

    Raises PhotoError, RequestError.
    """
    single = {field: next(iter(opened(pictures, field)), None) for field in (*SINGLE, *CONTROLS)}
    values: dict[str, Any] = {
        name: _tuples(value)
        for name, value in options.model_dump(exclude={"controls", "loras", ADAPTER}).items()
        if value is not None
    }
    return GenerationRequest(
        photos=opened(pictures, PHOTOS, longest),
        template=template,
        others=tuple(Person(photos) for field in PEOPLE if (photos := opened(pictures, field, longest))),
        controls=_controls(options, single),
        loras=tuple(_lora(one.name, one.weight, hub_loras) for one in options.loras),
        **{field: single[field] for field in SINGLE},
        **values,
    )


def _megapixels(data: bytes) -> float:
    """By the header; 0 for what is no picture, which is refused when it is opened."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            return picture.width * picture.height / 1e6
    except Exception:  # decoders of hostile bytes raise whatever comes
        return 0.0


def _controls(options: Options, single: Mapping[str, Image.Image | None]) -> tuple[Control, ...]:
    asked = {one.kind for one in options.controls}
    for field in CONTROLS:
        if single[field] is not None and field.removeprefix("control_") not in asked:
            raise RequestError(
                f"{field} is a picture that no control follows.",
                field=field,
                cure='Name it in controls, such as [{"kind": "canny"}].',
            )
    return tuple(
        Control(one.kind, one.strength, one.start, one.end, single.get(f"control_{one.kind}"), one.is_map)
        for one in options.controls
    )


def _lora(name: str, weight: float, hub_loras: bool) -> Lora:
    """A LoRA by a public name: a path would let callers ask what lies on the server."""
    known = name in WEIGHTS and len(WEIGHTS[name].files) == 1
    in_hub = hub_loras and "\0" not in name and not name.startswith((".", "/", "~"))
    if known or (in_hub and find_lora(name) is not None):
        return Lora(name, weight)
    raise RequestError(
        "loras names something that is not offered here.",
        field="loras",
        cure="Name a LoRA of the registry" + (" or owner/repository." if hub_loras else "."),
    )


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
