"""The one door for pictures from outside: a file, bytes, a PIL picture or an array in, a plain RGB picture out.

Nothing of the file's metadata comes through. Everything that can be wrong with a picture becomes a PhotoError.
"""

import io
import os
import re
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pillow_heif
from PIL import Image

from errors import PhotoError
from face.jpeg import count_scans

pillow_heif.register_heif_opener()

Source = str | os.PathLike | bytes | bytearray | memoryview | BinaryIO | Image.Image | np.ndarray

# Decoders of rarer formats are where the holes were (PSD, FITS, EPS); AVIF is left out with them.
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif")
"""What files of these formats are called, for those who look through folders; opening goes by the content."""

WELCOME = "Send a JPEG, PNG, WebP or HEIC picture."
MAX_BYTES = 200 * 1024 * 1024
MAX_ASPECT = 8
# A cheap file of thousands of progressive passes over one large picture keeps a decoder busy for minutes;
# encoders write about ten.
MAX_JPEG_SCANS = 100
URL = re.compile(r"\s*(?:[a-z][a-z0-9+.-]+:/|data:)", re.IGNORECASE)  # one slash: pathlib folds two
ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
FLOAT_TOLERANCE = 1e-3


def open_photo(
    source: Source,
    *,
    field: str = "photo",
    max_megapixels: float = 40,
    min_side: int = 64,
    background: str = "white",
) -> Image.Image:
    """Opens a picture of any accepted kind as upright 8-bit RGB.

    Args:
        source: the path of a file; the bytes of one, or an open binary file (read from where it stands); a PIL
            picture; or an array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) in RGB order, uint8, uint16 or float from
            0 to 1. Files must be JPEG, PNG, WebP or HEIC by their content, whatever their name says. Addresses
            on the web are refused.
        field: the name of the request field that an error is reported under.
        max_megapixels: the largest picture, in millions of pixels; read from the header before anything is decoded.
        min_side: the shortest side allowed, in pixels. A picture eight times longer than wide is refused too.
        background: the colour that transparency is laid over; of a mask "black", so that what was left out stays.

    Returns:
        A PIL picture in mode RGB with an empty `info`: turned upright as its EXIF data says, the first picture of an
        animation, transparency laid over the background, 16 bits brought to 8.

    Raises PhotoError for anything else.
    """
    limits = _Limits(field, max_megapixels, min_side, background)
    if isinstance(source, np.ndarray):
        return _from_array(source, limits)
    if isinstance(source, Image.Image):
        return _from_picture(source, limits)
    data = _read(source, field)
    if not data:
        raise PhotoError("The file is empty.", field=field, cure=WELCOME)
    if data[:2] == b"\xff\xd8" and count_scans(data) > MAX_JPEG_SCANS:
        raise PhotoError("The JPEG file has absurdly many passes.", field=field, cure="Save it again and send that.")
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise limits.too_large() from error
    except Exception as error:  # decoders of hostile bytes raise whatever comes
        raise PhotoError("This is not a picture that can be read here.", field=field, cure=WELCOME) from error
    with picture:
        return _from_picture(picture, limits)


class _Limits:
    """What a picture may measure, what lies under its transparency, and the words that refuse it."""

    def __init__(self, field: str, max_megapixels: float, min_side: int, background: str) -> None:
        self.field, self.max_megapixels, self.min_side, self.background = field, max_megapixels, min_side, background

    def check(self, width: int, height: int) -> None:
        if width * height > self.max_megapixels * 1e6:
            raise self.too_large(f" ({width} x {height} px)")
        if min(width, height) < self.min_side:
            raise PhotoError(
                f"The picture is too small ({width} x {height} px).",
                field=self.field,
                cure=f"Each side must have at least {self.min_side} px.",
            )
        if max(width, height) > MAX_ASPECT * min(width, height):
            raise PhotoError(
                f"The picture is a thin strip ({width} x {height} px).",
                field=self.field,
                cure=f"The long side may be at most {MAX_ASPECT} times the short one; crop it around the face.",
            )

    def too_large(self, measured: str = "") -> PhotoError:
        return PhotoError(
            f"The picture is too large{measured}.",
            field=self.field,
            cure=f"Send at most {self.max_megapixels:g} megapixels.",
        )

    def broken(self) -> PhotoError:
        return PhotoError(
            "The picture is damaged or cut off and cannot be read.", field=self.field, cure="Send the whole file again."
        )

    def unusable(self, reason: str) -> PhotoError:
        return PhotoError(reason, field=self.field, cure=WELCOME)


def _read(source: Any, field: str) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif isinstance(source, (str, os.PathLike)) and URL.match(str(source)):
        raise PhotoError("Pictures are not fetched from the web.", field=field, cure="Download it and send the file.")
    elif isinstance(source, (str, os.PathLike)):
        data = _read_file(source, field)
    elif hasattr(source, "read"):
        try:
            data = source.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            raise PhotoError("The file could not be read.", field=field, cure="Open it again and send it.") from error
        if not isinstance(data, bytes):
            raise PhotoError("The file was opened as text, not as bytes.", field=field, cure="Open it in binary mode.")
    else:
        raise PhotoError(f"A picture cannot be made from {type(source).__name__}.", field=field, cure=WELCOME)
    if len(data) > MAX_BYTES:
        raise PhotoError(f"The file has more than {MAX_BYTES >> 20} MB.", field=field, cure=WELCOME)
    return data


def _read_file(path: str | os.PathLike, field: str) -> bytes:
    try:
        path = Path(os.fsdecode(path))
        if path.is_dir():
            raise PhotoError("This is a folder, not a picture.", field=field, cure=WELCOME)
        if not path.is_file():
            raise PhotoError("There is no such file.", field=field, cure="Check its name and place.")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PhotoError("The file could not be read.", field=field, cure="Check that you may read it.") from error


def _from_picture(picture: Image.Image, limits: _Limits) -> Image.Image:
    limits.check(*picture.size)
    try:
        picture.load()
    except Exception as error:  # decoders of hostile bytes raise whatever comes
        raise limits.broken() from error
    turn = UPRIGHT.get(_orientation(picture))
    rgb = _to_rgb(picture, limits)
    if turn is not None:
        rgb = rgb.transpose(turn)
    rgb.info = {}
    return rgb


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ORIENTATION_TAG, 1))
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, struct.error, Warning):
        # Broken EXIF data say nothing about the pixels; Warning for callers that turn warnings into errors.
        return 1


def _to_rgb(picture: Image.Image, limits: _Limits) -> Image.Image:
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _from_deep(np.asarray(picture), limits)
    try:
        if picture.has_transparency_data:
            return laid_over(picture.convert("RGBA"), limits.background)
        return picture.convert("RGB")
    except (ValueError, OSError) as error:
        raise limits.unusable(f"Colours of the kind {picture.mode} cannot be brought to RGB.") from error


def laid_over(picture: Image.Image, background: str) -> Image.Image:
    """An RGBA picture as RGB, over a colour that Pillow knows by name."""
    return Image.alpha_composite(Image.new("RGBA", picture.size, background), picture).convert("RGB")


def _from_deep(values: np.ndarray, limits: _Limits) -> Image.Image:
    """One channel of 16 or 32 bits or of floats, whose full scale (1, 255 or 65535) is told by its largest value."""
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535:
        raise limits.unusable("The picture has values that are no brightness.")
    largest = values.max()
    full = 65535 if values.dtype.itemsize == 2 or largest > 255 else 255
    if values.dtype.kind == "f" and largest <= 1:
        full = 1
    gray = np.round(values.astype(np.float32) * (255 / full)).astype(np.uint8)
    return Image.fromarray(gray).convert("RGB")


def _from_array(values: np.ndarray, limits: _Limits) -> Image.Image:
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)):
        raise limits.unusable(
            f"An array of the shape {values.shape} is no picture; give (h, w), (h, w, 3) or (h, w, 4)."
        )
    limits.check(values.shape[1], values.shape[0])
    if values.dtype == np.uint16:
        pixels = np.round(values / np.float32(257)).astype(np.uint8)
    elif values.dtype.kind == "f":
        if not np.isfinite(values).all() or values.min() < -FLOAT_TOLERANCE or values.max() > 1 + FLOAT_TOLERANCE:
            raise limits.unusable("An array of floats must hold values from 0 to 1 only.")
        pixels = np.round(np.clip(values.astype(np.float32), 0, 1) * 255).astype(np.uint8)
    elif values.dtype == np.uint8:
        pixels = values
    else:
        raise limits.unusable(f"An array of {values.dtype} is no picture; give uint8, uint16 or floats from 0 to 1.")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return laid_over(picture, limits.background) if picture.mode == "RGBA" else picture.convert("RGB")
