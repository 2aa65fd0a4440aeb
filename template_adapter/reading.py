"""Templates from files: numpy arrays, base64 text, lists of numbers and pickles; every kind told by its content."""

from __future__ import annotations

import base64
import binascii
import io
import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np

from errors import RequestError, WrongWidth
from template_adapter.safe_pickle import load_array
from template_adapter.template import DIMENSIONS, checked
from template_adapter.vectors import COLUMNS

MAX_BYTES = 2**20
CURE = (
    "Give a template as .npy, .npz, pickle, base64 text, a list of numbers (JSON or separated by commas), or a photo."
)
PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"RIFF")
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")
SEPARATORS = re.compile(rb"[,;\s]+")
PICKLES = (b"\x80", b"c", b"(", b"]", b")")
"""How a pickle of an array or a list begins: the protocol, a name, or a list or tuple."""
FEWEST = 128
"""Bytes from which on bare floats can be a template of some recogniser."""


def is_picture(data: bytes) -> bool:
    """Whether a file begins as a JPEG, PNG, WebP or HEIC picture does."""
    return data.startswith(PICTURES) or data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc", b"ftypmsf1")


def read_bytes(path: str | os.PathLike[str], *, field: str = "template") -> bytes:
    """A file's bytes. Raises RequestError for one that is not there or is too large for a template or a photo."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(200 * MAX_BYTES + 1)
    except OSError as error:
        raise RequestError(
            f"{Path(path).name} cannot be read ({error.strerror}).", field=field, cure="Check its name and place."
        ) from error
    if len(data) > MAX_BYTES and not is_picture(data):
        raise RequestError("The file is far too large for one template.", field=field, cure=CURE)
    return data


def read_template(data: bytes, *, field: str = "template", dimensions: int = DIMENSIONS) -> np.ndarray:
    """The template in a file's bytes, (dimensions,) float32 as it stands there.

    Raises RequestError: for a picture too, whose face a recogniser must read first. WrongWidth where only the number of
    numbers is another one.
    """
    if len(data) > MAX_BYTES:
        raise RequestError("The file is far too large for one template.", field=field, cure=CURE)
    return checked(_values(data, field, dimensions), field=field, dimensions=dimensions)


def _values(data: bytes, field: str, dimensions: int) -> np.ndarray:
    if not data:
        raise RequestError("The file is empty.", field=field, cure=CURE)
    if is_picture(data):
        raise RequestError(
            "This is a picture, not a template.", field=field, cure="Give it where photos are asked for."
        )
    if data.startswith(b"\x93NUMPY"):
        return _npy(io.BytesIO(data), field)
    if data.startswith(b"PK"):
        return _npz(data, field)
    text = data.strip()
    if text.startswith((b"[", b"{")):
        return _json(text, field)
    numbers = _numbers(text)
    if numbers is not None:
        return numbers
    packed = b"".join(text.split())
    if BASE64.fullmatch(packed):
        return _base64(packed, field, dimensions)
    if data.startswith(PICKLES):
        return load_array(data, field=field)
    raise RequestError("The file is of no kind that templates are read from.", field=field, cure=CURE)


def _numbers(text: bytes) -> np.ndarray | None:
    """Numbers between commas, semicolons or white space; None for any other text."""
    parts = SEPARATORS.split(text.strip(b",;"))
    if len(parts) < 2:
        return None
    try:
        return np.array([float(part) for part in parts])
    except ValueError:
        return None


def _npy(file: io.BytesIO, field: str) -> np.ndarray:
    try:
        return np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # the header is Python text, and damage raises whatever its reader runs into
        raise RequestError("The .npy file is damaged or holds objects.", field=field, cure=CURE) from error


def _npz(data: bytes, field: str) -> np.ndarray:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) != 1 or members[0].file_size > MAX_BYTES:
                raise RequestError("The .npz file does not hold exactly one template.", field=field, cure=CURE)
            return _npy(io.BytesIO(archive.read(members[0])), field)
    except RequestError:
        raise
    except Exception as error:  # a damaged archive raises whatever its directory and its compressor run into
        raise RequestError("The .npz file is damaged.", field=field, cure=CURE) from error


def _json(text: bytes, field: str) -> np.ndarray:
    """A list of numbers, or an object that holds one under a name that vectors go by."""
    try:
        told = json.loads(text)
        if isinstance(told, dict):
            named = [name for name in COLUMNS if name in told]
            if len(named) != 1:
                raise RequestError(
                    "The JSON object does not hold exactly one template.",
                    field=field,
                    cure=f"Name it one of: {', '.join(COLUMNS)}.",
                )
            told = told[named[0]]
        return np.asarray(told, np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise RequestError("The text is no list of numbers.", field=field, cure=CURE) from error


def _base64(packed: bytes, field: str, dimensions: int) -> np.ndarray:
    """Bytes of a .npy file or a pickle, or bare little-endian floats whose width follows from their number."""
    try:
        raw = base64.b64decode(packed.translate(bytes.maketrans(b"-_", b"+/")) + b"=" * (-len(packed) % 4))
    except binascii.Error as error:
        raise RequestError("The text is no base64.", field=field, cure=CURE) from error
    if raw.startswith(b"\x93NUMPY"):
        return _npy(io.BytesIO(raw), field)
    width, rest = divmod(len(raw), dimensions)
    if rest == 0 and width in (2, 4, 8):
        return np.frombuffer(raw, f"<f{width}")
    if raw.startswith(b"\x80"):
        return load_array(raw, field=field)
    kind = WrongWidth if len(raw) >= FEWEST and len(raw) % 2 == 0 else RequestError
    raise kind(f"The base64 text holds {len(raw)} bytes, which are not {dimensions} numbers.", field=field, cure=CURE)
