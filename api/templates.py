"""Templates of a request in the place of photos, and the adapters that map them: by file, as text, by a name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import InstantIDError, RequestError, WeightsError, WrongWidth
from generation.recognisers import for_weights
from template_adapter.linear import load_map, load_map_bytes
from template_adapter.reading import read_template
from template_adapter.template import DIMENSIONS, Template

if TYPE_CHECKING:
    from template_adapter.linear import LinearMap
    from weights.registry import Profile

TEMPLATE = "template"
ADAPTER = "adapter"
EITHER = (TEMPLATE, ADAPTER)
"""Fields that are a file or a text."""

LARGEST_ADAPTER = 16 * 2**20
"""Bytes; one from a space of 8,000 numbers into that of the weights has as many."""
SHORTEST_TEXT = 128
"""Characters of base64 from which on a text can be a template; paths and names are shorter."""

NOT_ANOTHERS = (
    "The template was taken for one of the weights' own recogniser. If another one made it, the picture shows somebody "
    "else: send the adapter of its recogniser beside it, in the field adapter."
)
"""Told with every picture from a template that came without an adapter."""

_TEXT = re.compile(r"[A-Za-z0-9+/_-]+={0,2}|[-+0-9.eE,;]+")
_SEND_ADAPTER = "send the adapter of its recogniser beside it, in curl: -F adapter=@adapter.safetensors"

Adapters = Mapping[str, "LinearMap"]


def load_adapters(files: Iterable[tuple[str, Path]], profile: Profile) -> Adapters:
    """The adapters that a deployment offers, by name. Raises WeightsError, RequestError for one that cannot be used."""
    return {name: for_weights(load_map(file), profile) for name, file in files}


def as_file(value: Any) -> bytes:
    """A template from a text field or from JSON as the file that it could have come in.

    Raises RequestError for a text that is no template, such as an address or a path.
    """
    try:
        text = value.strip() if isinstance(value, str) else json.dumps(value)
    except (ValueError, RecursionError) as error:
        raise _no_template() from error
    packed = "".join(text.split())
    if not text.startswith(("[", "{")) and (len(packed) < SHORTEST_TEXT or not _TEXT.fullmatch(packed)):
        raise _no_template()
    return text.encode(errors="replace")


def template_of(sent: Mapping[str, bytes], named: str | None, adapters: Adapters, profile: Profile) -> Template | None:
    """Who a request is about, None where no template was sent.

    Args:
        sent: the request's files by name; `template.0` and `adapter.0` are looked at.
        named: one of `adapters`, in the place of a file.

    Raises RequestError: nothing that a caller sent is a failure of the server.
    """
    data, adapter = sent.get(f"{TEMPLATE}.0"), _adapter(sent.get(f"{ADAPTER}.0"), named, adapters, profile)
    if data is None:
        if adapter is not None:
            raise RequestError(
                "There is an adapter but no template.",
                field=ADAPTER,
                cure="Send the template beside it, in curl: -F template=@t.npy; photos need no adapter.",
            )
        return None
    try:
        values = read_template(data, dimensions=DIMENSIONS if adapter is None else adapter.matrix.shape[0])
        return Template(values) if adapter is None else adapter.map_template(values)
    except WrongWidth as error:
        raise RequestError(error.message, field=TEMPLATE, cure=_of_another_width(adapter)) from error
    except InstantIDError:
        raise
    except Exception as error:  # decoders of hostile bytes raise whatever comes
        raise RequestError("The template is damaged.", field=TEMPLATE, cure="Write its file anew.") from error


def _adapter(data: bytes | None, named: str | None, adapters: Adapters, profile: Profile) -> LinearMap | None:
    if data is not None and named is not None:
        raise RequestError("A field was sent twice.", field=ADAPTER, cure="Send a file, or name an adapter.")
    if named is not None:
        if named not in adapters:
            offered = f" Offered here: {', '.join(sorted(adapters))}." if adapters else ""
            raise RequestError(
                "adapter names none that is offered here; addresses and paths are not followed.",
                field=ADAPTER,
                cure=f"Send its file, in curl: -F adapter=@adapter.safetensors.{offered}",
            )
        return adapters[named]
    if data is None:
        return None
    if len(data) > LARGEST_ADAPTER:
        raise RequestError(
            "The adapter is too large.", field=ADAPTER, cure=f"Send at most {LARGEST_ADAPTER >> 20} MB: one matrix."
        )
    try:
        return for_weights(load_map_bytes(data), profile)
    except WeightsError as error:  # not the server's weights: what the caller sent
        cure = "Send the file as `cli.py template fit` wrote it."
        raise RequestError(error.message, field=ADAPTER, cure=cure) from error
    except InstantIDError:
        raise
    except Exception as error:  # decoders of hostile bytes raise whatever comes
        raise RequestError("The adapter is damaged.", field=ADAPTER, cure="Write its file anew.") from error


def _of_another_width(adapter: LinearMap | None) -> str:
    if adapter is None:
        return f"Give the {DIMENSIONS} numbers of the weights' own recogniser; if another one made it, {_SEND_ADAPTER}"
    return f"The adapter reads templates of {adapter.about.source}: send such a one, or another adapter."


def _no_template() -> RequestError:
    return RequestError(
        "template is neither base64 text nor a list of numbers; addresses and paths are not followed.",
        field=TEMPLATE,
        cure="Send its file, in curl: -F template=@t.npy",
    )
