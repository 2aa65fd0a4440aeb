"""Templates from files: numpy arrays, base64 text, lists of numbers and pickles; every kind told by its content."""

from __future__ import annotations

import base64
import binascii
import codecs
import io
import json
import math
import os
import re
import zipfile
from pathlib import Path

import numpy as np

from errors import RequestError
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
NPY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""By format version; the third is for fields with names, which no template has."""

FEWEST = 128
"""Bytes from which on bare floats can be a template of some recogniser."""

WIDEST_SPREAD = 128
"""Of a template's numbers, the size that 95 % stay below over the one that 25 % do; 6 where they are normally
distributed. Floats taken for such of twice the width have about its eighth power, for mantissa bits become exponents.
"""


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
            f"{Path(path).name or path} cannot be read ({error.strerror}).",
            field=field,
            cure="Check its name and place.",
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
    return checked(_values(data, field), field=field, dimensions=dimensions)


def _values(data: bytes, field: str) -> np.ndarray:
    if not data:
        raise RequestError("The file is empty.", field=field, cure=CURE)
    if is_picture(data):
        raise RequestError(
            "This is a picture, not a template.", field=field, cure="Give it where photos are asked for."
        )
    if data.startswith(b"\x93NUMPY"):
        return _npy(data, field)
    if data.startswith(b"PK"):
        return _npz(data, field)
    text = data.removeprefix(codecs.BOM_UTF8).strip()
    if text.startswith((b"[", b"{")):
        return _json(text, field)
    numbers = _numbers(text)
    if numbers is not None:
        return numbers
    packed = b"".join(text.split())
    if BASE64.fullmatch(packed):
        return _base64(packed, field)
    if data.startswith(PICKLES):
        return load_array(data, field=field)
    raise RequestError("The file is of no kind that templates are read from.", field=field, cure=CURE)


def _numbers(text: bytes) -> np.ndarray | None:
    """Numbers between commas, semicolons or white space; None for any other text, such as one of decimal commas."""
    parts = SEPARATORS.split(text.strip(b",;"))
    if len(parts) < 2 or b"_" in text or (b"," in text and b";" in text):
        return None
    try:
        return np.array([float(part) for part in parts])
    except ValueError:
        return None


def _npy(data: bytes, field: str) -> np.ndarray:
    """What follows the header is counted before it is taken: numpy's own reader has memory for all that is claimed."""
    try:
        file = io.BytesIO(data)
        shape, fortran, kind = NPY_HEADERS[np.lib.format.read_magic(file)](file)
        return np.frombuffer(file.read(), kind, math.prod(shape)).reshape(shape, order="F" if fortran else "C")
    except Exception as error:  # the header is Python text, and damage raises whatever its reader runs into
        raise RequestError("The .npy file is damaged or holds objects.", field=field, cure=CURE) from error


def _npz(data: bytes, field: str) -> np.ndarray:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) != 1 or members[0].file_size > MAX_BYTES:
                raise RequestError("The .npz file does not hold exactly one template.", field=field, cure=CURE)
            return _npy(archive.read(members[0]), field)
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
        values = np.asarray(told, object)
        if not all(type(value) in (int, float) for value in values.flat):
            raise TypeError("true, words or nothing among the numbers")
        return values.astype(np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise RequestError("The text is no list of numbers.", field=field, cure=CURE) from error


def _base64(packed: bytes, field: str) -> np.ndarray:
    """Bytes of a .npy file or a pickle, or bare little-endian floats of the one width in which they can be a template.

    That is decided without a look at how many numbers are wanted: 512 floats are as many bytes as 256 doubles.
    """
    try:
        raw = base64.b64decode(packed.translate(bytes.maketrans(b"-_", b"+/")) + b"=" * (-len(packed) % 4))
    except binascii.Error as error:
        raise RequestError("The text is no base64.", field=field, cure=CURE) from error
    if raw.startswith(b"\x93NUMPY"):
        return _npy(raw, field)
    if raw.startswith(b"\x80") and raw.endswith(b"."):
        return load_array(raw, field=field)
    readings = [np.frombuffer(raw, f"<f{width}") for width in (2, 4, 8) if len(raw) >= FEWEST and len(raw) % width == 0]
    likely = [floats for floats in readings if _can_be_a_template(floats)]
    if len(likely) != 1:
        raise RequestError(
            f"The base64 text holds {len(raw)} bytes that do not show which numbers they are.",
            field=field,
            cure="Give a .npy file, as it is or as base64, or a list of numbers: these say what they hold.",
        )
    return likely[0]


def _can_be_a_template(floats: np.ndarray) -> bool:
    """Whether the numbers are of about one size, as those of embeddings are."""
    if not np.isfinite(floats).all():
        return False
    few, most = np.quantile(np.abs(floats.astype(np.float64)), (0.25, 0.95))
    return 0 < most / WIDEST_SPREAD <= few
