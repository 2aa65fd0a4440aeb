"""A saved picture tells how it was made, in three ways, and nothing of the photo it was made from."""

import io
import struct
import xml.etree.ElementTree as ElementTree
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from errors import RequestError
from generation.request import GeneratedImage, GenerationRequest, GenerationResult
from outputs.metadata import (
    SOURCE_TYPE,
    parameters_text,
    png_bytes,
    read_settings,
    request_from_settings,
    settings_of,
    write_png,
)
from weights.registry import PROFILES

PROFILE = PROFILES["miniature"]
PHOTO = Image.new("RGB", (80, 80), "teal")
PIXELS = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
NAMESPACE = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "iptc": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}


def wish(**values):
    return GenerationRequest(photos=(PHOTO,), **{"seed": 7, "prompt": "a cook", **values}).resolved(PROFILE)


def opened(data):
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def test_settings_come_back_and_make_the_same_request(tmp_path):
    request = wish(
        prompt='<b>&"cook"</b> 👩‍🍳 عربى, line',
        negative_prompt="blurry: yes",
        view="front",
        view_centre=(0.4, 0.5),
        style="Mars",
        scheduler="Euler a",
        guidance=1.5,
    )
    write_png(Image.fromarray(PIXELS), request.to_settings(), tmp_path / "out.png")
    settings = read_settings(tmp_path / "out.png")
    assert settings == request.to_settings()
    again = request_from_settings(settings, (PHOTO,)).resolved(PROFILE)
    assert again.to_settings() == request.to_settings()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), PIXELS)


def test_each_picture_of_a_batch_has_its_own_seed():
    images = tuple(GeneratedImage(Image.fromarray(PIXELS), seed, 0.5, None) for seed in (7, 8))
    settings = wish(count=2).to_settings()
    result = GenerationResult(images, settings, "miniature", 1.0, (), PHOTO)
    assert (settings_of(result, 1)["seed"], settings_of(result, 1)["count"]) == (8, 1)
    kept = read_settings(png_bytes(images[1], settings))
    assert (kept["seed"], kept["count"], kept["identity"], kept["keypoint_error"]) == (8, 1, 0.5, None)
    assert request_from_settings(kept, (PHOTO,)).resolved(PROFILE).seed == 8


def test_the_parameters_text_is_what_galleries_read():
    settings = {**wish(negative_prompt="blurry", guidance=4.0).to_settings(), "profile": "miniature"}
    text = opened(png_bytes(Image.fromarray(PIXELS), settings)).text["parameters"]
    assert text == parameters_text(settings)
    prompt, negative, pairs = text.split("\n")
    assert prompt == "a cook"
    assert negative == "Negative prompt: blurry"
    assert pairs.startswith("Steps: 25, Sampler: DDIM, CFG scale: 4, Seed: 7, Size: 128x128, Model: miniature")


def test_a_value_with_a_comma_is_quoted():
    assert 'Style: "ink, wash"' in parameters_text({"style": "ink, wash"})


def test_the_xmp_says_that_a_machine_made_it():
    settings = wish(prompt="</rdf:li> & ]]> \ufffe\uffff").to_settings()
    packet = opened(png_bytes(Image.fromarray(PIXELS), settings)).text["XML:com.adobe.xmp"]
    tree = ElementTree.fromstring(packet)
    (description,) = tree.findall(".//rdf:Description", NAMESPACE)
    assert description.get(f"{{{NAMESPACE['iptc']}}}DigitalSourceType") == SOURCE_TYPE
    assert description.find(".//rdf:li", NAMESPACE).text == "</rdf:li> & ]]> "


def test_nothing_but_pixels_comes_from_the_picture():
    source = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "a private place"
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "a private name")
    Image.fromarray(PIXELS).save(
        source, "PNG", exif=exif, pnginfo=info, icc_profile=b"private profile" * 20, dpi=(9, 9)
    )
    data = png_bytes(opened(source.getvalue()), wish().to_settings())
    assert b"private" not in data
    made = opened(data)
    assert set(made.info) == {"parameters", "instantid", "XML:com.adobe.xmp", "xmp"} & set(made.info)
    assert not made.getexif()


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "null", "[" * 10_000, '"text"', "{" * 2**20], ids=lambda text: f"{text[:6]} {len(text)}"
)
def test_damaged_settings_are_none(text):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("instantid", text)
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG", pnginfo=info)
    assert read_settings(buffer.getvalue()) is None


def test_a_picture_of_absurd_size_has_no_settings():
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    assert read_settings(bomb) is None


def test_other_pictures_have_no_settings():
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "JPEG")
    assert read_settings(buffer.getvalue()) is None
    assert read_settings(b"") is None
    assert read_settings(png_bytes(Image.fromarray(PIXELS), {})[:60]) is None
    assert read_settings(Image.fromarray(PIXELS)) is None


def test_what_belongs_to_other_weights_is_not_taken_over():
    kept = {**wish(steps=9, guidance=1.5, width=160).to_settings(), "profile": "miniature"}
    same = request_from_settings(kept, (PHOTO,), profile=PROFILE).resolved(PROFILE)
    assert (same.steps, same.guidance, same.width) == (9, 1.5, 160)
    sdxl = PROFILES["sdxl"]
    other = request_from_settings(kept, (PHOTO,), profile=sdxl, steps=12).resolved(sdxl)
    assert (other.width, other.height) == sdxl.size
    assert (other.steps, other.guidance, other.scheduler) == (12, sdxl.guidance, sdxl.scheduler)
    assert other.prompt == "a cook"


def test_chosen_faces_hold_for_the_same_number_of_photos():
    kept = wish(face_choices=(1,)).to_settings()
    assert request_from_settings(kept, (PHOTO,)).face_choices == (1,)
    assert request_from_settings(kept, (PHOTO,) * 2).resolved(PROFILE).face_choices == (None, None)


def test_keypoints_are_carried_to_another_size():
    points = ((50, 50), (78, 50), (64, 64), (52, 80), (76, 80))
    kept = {**wish(keypoints=points).to_settings(), "profile": "miniature"}
    assert request_from_settings(kept, (PHOTO,), profile=PROFILE).keypoints == points
    wide = request_from_settings(kept, (PHOTO,), width=160, height=128)
    assert np.allclose(wide.keypoints, np.add(points, (16, 0)))
    sdxl = PROFILES["sdxl"]
    large = request_from_settings(kept, (PHOTO,), profile=sdxl).resolved(sdxl)
    assert np.allclose(large.keypoints, np.add(np.multiply(points, 7), (0, 128)))


@pytest.mark.parametrize("keypoints", ["abcde", [[1]], [[10**400, 1]] * 5, 3, [None], {}])
def test_hostile_keypoints_are_refused(keypoints):
    kept = {"keypoints": keypoints, "width": 128, "height": 128}
    with pytest.raises(RequestError):
        request_from_settings(kept, (PHOTO,), width=160).resolved(PROFILE)


def test_foreign_settings_are_checked_like_any_request():
    hostile = {"steps": 10**9, "photos": ["/etc/passwd"], "loras": [{"name": "x", "weight": 1}], "other": 1}
    with pytest.raises(RequestError):
        request_from_settings(hostile, (PHOTO,)).resolved(PROFILE)


@hypothesis_settings(max_examples=80, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_prompt_survives(prompt, negative):
    settings = wish(prompt=prompt, negative_prompt=negative).to_settings()
    data = png_bytes(Image.fromarray(PIXELS), settings)
    assert read_settings(data) == settings
    ElementTree.fromstring(opened(data).text["XML:com.adobe.xmp"])
