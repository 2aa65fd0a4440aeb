"""Hostile bytes at the photo door: a picture or a PhotoError comes out, nothing else."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes
from PIL import Image

from errors import PhotoError
from face.photo import open_photo

pytestmark = pytest.mark.filterwarnings("default")
FUZZ = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def _seeds() -> list[bytes]:
    rng = np.random.default_rng(3)
    picture = Image.fromarray(rng.integers(0, 255, (66, 70, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    files = []
    for source, format, options in [
        (picture, "JPEG", {"exif": exif}),
        (picture, "JPEG", {"progressive": True}),
        (picture.convert("CMYK"), "JPEG", {}),
        (picture, "PNG", {"exif": exif}),
        (picture.convert("P"), "PNG", {"transparency": b"\x10\x20"}),
        (picture.convert("RGBA"), "WEBP", {"exif": exif}),
        (picture, "WEBP", {"save_all": True, "append_images": [picture.rotate(90)], "lossless": True}),
        (picture, "HEIF", {"exif": exif}),
    ]:
        buffer = io.BytesIO()
        source.save(buffer, format, **options)
        files.append(buffer.getvalue())
    return files


SEEDS = _seeds()


def _only_typed(source) -> None:
    try:
        picture = open_photo(source)
    except PhotoError:
        return
    assert picture.mode == "RGB" and picture.info == {} and min(picture.size) >= 64


@FUZZ
@given(st.binary(max_size=300), st.sampled_from(SEEDS), st.integers(0, 40))
def test_foreign_bytes_even_after_a_true_beginning(noise, seed, kept):
    _only_typed(seed[:kept] + noise)


@FUZZ
@given(st.sampled_from(SEEDS), st.data())
def test_flipped_bytes(seed, data):
    damaged = bytearray(seed)
    # Most damage goes into the headers, where the decoders take decisions.
    place = st.one_of(st.integers(0, 200), st.integers(0, len(seed) - 1))
    for at, value in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=12)):
        damaged[at] = value
    _only_typed(bytes(damaged))


@FUZZ
@given(st.sampled_from(SEEDS), st.data())
def test_pieces_left_out_doubled_and_cut(seed, data):
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(seed))] * 2)))
    times = data.draw(st.integers(0, 3))
    end = data.draw(st.integers(0, len(seed)))
    _only_typed((seed[:start] + seed[start:stop] * times + seed[stop:])[:end] if times else seed[:start] + seed[stop:])


@settings(FUZZ, max_examples=150)
@given(arrays(scalar_dtypes(), array_shapes(min_dims=1, max_dims=4, max_side=80)))
def test_any_array(values):
    _only_typed(values)


@settings(FUZZ, max_examples=60)
@given(
    st.sampled_from(
        ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16", "LA", "PA", "RGBX"]
    ),
    st.tuples(st.integers(1, 130), st.integers(1, 130)),
)
def test_any_mode_in_any_size(mode, size):
    _only_typed(Image.new(mode, size))
