"""Forms as they arrive: text fields and files, in memory alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

from errors import PhotoError, RequestError, TooLarge, WrongMediaType

MOST_FILES = 32
MOST_FIELDS = 128
LONGEST_FIELD = 256 * 2**10
"""Bytes of one text field; the longest prompt that is taken has 40,000."""

_SEND = "Send the picture itself as a file, in curl: -F {field}=@photo.jpg"


class _InMemory(MultiPartParser):
    """Photos do not touch the disk; the gate has bounded them all together."""

    spool_max_size = 2**40


@dataclass(frozen=True)
class Form:
    """fields: text by name; files: contents by name, in the order sent. File names are not looked at."""

    fields: dict[str, str]
    files: dict[str, list[bytes]]


async def read_form(request: Request, file_fields: Collection[str], either: Collection[str] = ()) -> Form:
    """The form of a request.

    file_fields: names under which files are taken; a text there (an address, a path) is refused, and so is a file
        anywhere else.
    either: those of them that may be a text as well.

    Raises RequestError, PhotoError, WrongMediaType, TooLarge.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "multipart/form-data":
            items = await _InMemory(
                request.headers,
                request.stream(),
                max_files=MOST_FILES,
                max_fields=MOST_FIELDS,
                max_part_size=LONGEST_FIELD,
            ).parse()
        elif kind == "application/x-www-form-urlencoded":
            items = await FormParser(
                request.headers, request.stream(), max_fields=MOST_FIELDS, max_part_size=LONGEST_FIELD
            ).parse()
        else:
            raise WrongMediaType("The body is no form.", cure="Send multipart/form-data, in curl: -F name=value.")
    except MultiPartException as error:
        if "exceeded" in error.message:
            raise TooLarge("A field of the form is too long.", cure="Send texts of a usual length.") from error
        raise RequestError("The form cannot be read.", cure="Send multipart/form-data with its boundary.") from error
    fields: dict[str, str] = {}
    files: dict[str, list[bytes]] = {}
    for name, value in items.multi_items():
        if isinstance(value, UploadFile):
            files.setdefault(name, []).append(await value.read())
            await value.close()
        elif name in fields:
            raise RequestError("A field was sent twice.", field=name[:80], cure="Send it once.")
        else:
            fields[name] = value
    files_alone = [name for name in file_fields if name not in either]
    _check_kinds(fields, files, file_fields, files_alone)
    return Form({name: text for name, text in fields.items() if name not in files_alone}, files)


def _check_kinds(
    fields: dict[str, str], files: dict[str, list[bytes]], file_fields: Collection[str], files_alone: Collection[str]
) -> None:
    for name, text in fields.items():
        if name in files_alone and text.strip():
            cure = _SEND.format(field=name)
            raise PhotoError("Addresses and paths are not followed.", field=name, cure=cure)
    for name in files:
        if name not in file_fields:
            cure = f"Files are taken in {', '.join(sorted(file_fields))}; everything else is sent as text."
            raise RequestError("A file was sent where none is taken.", field=name[:80], cure=cure)
