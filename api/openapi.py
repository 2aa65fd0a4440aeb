"""The description of forms, whose bodies this service reads itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from api.failures import FailureAnswer

FILE = {"type": "string", "format": "binary"}

MEANINGS = {
    401: "No key, or an unknown one.",
    403: "Sent by a web page of another origin.",
    404: "There is no such thing, or it is somebody else's.",
    405: "No such method.",
    408: "The request did not arrive in time.",
    409: "Canceled before it was done.",
    413: "Too large.",
    415: "The body is no form.",
    422: "The request is at fault; `field` and `cure` say where and what to do.",
    429: "Too many requests wait; Retry-After says when to try again.",
    500: "Something went wrong on the server.",
    503: "The weights or the job store are not there; Retry-After says when to try again.",
    504: "Not done within its deadline.",
    507: "The device ran out of memory.",
}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that can fail in these ways; every route can be refused and can meet a broken store."""
    listed = sorted({401, 403, 500, 503, *statuses})
    return {status: {"model": FailureAnswer, "description": MEANINGS[status]} for status in listed}


def form(
    options: type[BaseModel] | None,
    files: Mapping[str, tuple[bool, str]],
    *,
    required: tuple[str, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a form.

    Args:
        options: its text fields.
        files: name -> whether several are taken, and what it is.
        required: names of files that must be there.
        more: further properties by name, and `example`.
    """
    example = more.pop("example", None)
    schema: dict[str, Any] = {} if options is None else options.model_json_schema()
    definitions = schema.pop("$defs", {})
    properties = {name: _inlined(one, definitions) for name, one in schema.get("properties", {}).items()}
    for name, (several, about) in files.items():
        one = {"type": "array", "items": FILE, "maxItems": 16} if several else dict(FILE)
        properties[name] = {**one, "description": about}
    properties |= more
    described: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        described["required"] = list(required)
    content: dict[str, Any] = {"schema": described}
    if example is not None:
        content["example"] = example
    return {"requestBody": {"required": bool(required), "content": {"multipart/form-data": content}}}


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Without references, which would point outside of the form."""
    if isinstance(schema, list):
        return [_inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(value, definitions) for name, value in schema.items()}
