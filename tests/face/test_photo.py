"""The photo door: every accepted kind of picture comes out as the same upright RGB, everything else is refused."""

import io
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from errors import PhotoError
from face.photo import open_photo


def _scene(width=160, height=96) -> Image.Image:
    """A smooth picture without symmetry, so that lossy formats stay near and any turn is seen."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return Image.fromarray((np.stack([x, y, (1 - x) * (1 - y)], axis=2) * 255).astype(np.uint8))


SCENE = _scene()


def _file(picture: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def _distance(picture: Image.Image, expected: Image.Image = SCENE) -> float:
    assert picture.mode == "RGB" and picture.info == {} and type(picture) is Image.Image
    assert picture.size == expected.size
    return float(np.abs(np.asarray(picture, np.float32) - np.asarray(expected, np.float32)).mean())


LOSSLESS = {
    "png": _file(SCENE, "PNG"),
    "webp lossless": _file(SCENE, "WEBP", lossless=True),
    "png hardly packed": _file(SCENE, "PNG", compress_level=1),
}
LOSSY = {
    "jpeg": _file(SCENE, "JPEG", quality=95),
    "jpeg progressive": _file(SCENE, "JPEG", quality=95, progressive=True),
    "jpeg with pictures inside": _file(SCENE, "MPO", save_all=True, append_images=[SCENE.rotate(180)], quality=95),
    "jpeg cmyk": _file(SCENE.convert("CMYK"), "JPEG", quality=95),
    "webp": _file(SCENE, "WEBP", quality=95),
    "heic": _file(SCENE, "HEIF", quality=95),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_files_come_out_exactly(name):
    assert _distance(open_photo(LOSSLESS[name])) == 0


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_files_come_out_nearly(name):
    assert _distance(open_photo(LOSSY[name])) < 3


def test_every_kind_of_source_gives_the_same_picture(tmp_path: Path):
    data = LOSSLESS["png"]
    path = tmp_path / "photo of me.jpg"
    path.write_bytes(data)
    with path.open("rb") as file:
        pictures = [open_photo(source) for source in (path, str(path), data, bytearray(data), memoryview(data), file)]
    pictures += [open_photo(SCENE), open_photo(np.asarray(SCENE)), open_photo(Image.open(path))]
    assert [_distance(picture) for picture in pictures] == [0] * 9


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_eight_orientations_give_the_same_pixels(format):
    lossless = {"PNG": {}, "WEBP": {"lossless": True}}.get(format, {"quality": 95})
    for orientation in range(1, 9):
        undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
        stored = SCENE if undo is None else SCENE.transpose(Image.Transpose(undo))
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = _file(stored, format, exif=exif.tobytes(), **lossless)
        opened = open_photo(data)
        assert opened.getexif() == {}
        assert _distance(opened) <= (0 if format in ("PNG", "WEBP") else 3)
        if format != "HEIF":
            assert _distance(opened, ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")) == 0


def test_nothing_of_the_files_metadata_comes_through():
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    data = _file(SCENE, "JPEG", exif=exif, comment=b"a secret word", dpi=(300, 300))
    again = _file(open_photo(data), "PNG")
    assert b"secret" in data and b"secret" not in again
    assert Image.open(io.BytesIO(again)).info == {}


@pytest.mark.filterwarnings("ignore:.*EXIF:UserWarning")
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\0\xff"]
)
def test_broken_exif_does_not_spoil_a_picture(exif):
    assert _distance(open_photo(_file(SCENE, "JPEG", quality=95, exif=exif))) < 3


def test_transparency_is_laid_over_white():
    half = SCENE.convert("RGBA")
    half.putalpha(Image.linear_gradient("L").resize(SCENE.size))
    alpha = np.asarray(half)[..., 3:] / 255.0
    expected = Image.fromarray(np.round(np.asarray(SCENE) * alpha + 255 * (1 - alpha)).astype(np.uint8))
    for source in (half, np.asarray(half), _file(half, "PNG"), _file(half, "WEBP", lossless=True, exact=True)):
        assert _distance(open_photo(source), expected) < 1

    gray = SCENE.convert("LA")
    gray.putalpha(0)
    assert open_photo(_file(gray, "PNG")).getextrema() == ((255, 255),) * 3

    palette = Image.new("P", (64, 64), 1)
    palette.putpalette([0, 0, 0, 200, 10, 10])
    assert open_photo(_file(palette, "PNG")).getpixel((5, 5)) == (200, 10, 10)
    assert open_photo(_file(palette, "PNG", transparency=1)).getpixel((5, 5)) == (255, 255, 255)
    assert open_photo(_file(palette, "PNG", transparency=b"\xff\x00")).getpixel((5, 5)) == (255, 255, 255)
    assert open_photo(_file(Image.new("RGB", (64, 64), (9, 8, 7)), "PNG", transparency=(9, 8, 7))).getpixel((1, 1)) == (
        255,
        255,
        255,
    )


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBX", "CMYK", "YCbCr", "HSV", "LA", "PA", "RGBA", "RGBa"])
def test_every_usual_mode_becomes_rgb(mode):
    source = SCENE
    for step in {"PA": ["P", "PA"], "RGBa": ["RGBA", "RGBa"]}.get(mode, [mode]):
        source = source.convert(step)
    limit = {"1": 130, "L": 70, "LA": 70, "P": 30, "PA": 30, "HSV": 4}.get(mode, 2)
    assert source.mode == mode
    assert _distance(open_photo(source)) < limit


def test_sixteen_bits_are_scaled_not_cut():
    deep = np.linspace(0, 65535, 96 * 160).reshape(96, 160).astype(np.uint16)
    expected = Image.fromarray(np.round(deep / 257).astype(np.uint8)).convert("RGB")
    for source in (_file(Image.fromarray(deep), "PNG"), Image.fromarray(deep), deep, deep[..., None]):
        assert _distance(open_photo(source), expected) == 0
    as_integers = Image.fromarray(deep.astype(np.int32))
    assert as_integers.mode == "I" and _distance(open_photo(as_integers), expected) == 0
    assert _distance(open_photo(np.stack([deep] * 3, axis=2)), expected) == 0
    shallow = expected.convert("L")
    for mode in ("I", "F"):
        assert _distance(open_photo(shallow.convert(mode)), expected) == 0


def test_sixteen_bit_colour_png():
    rows = b"".join(b"\0" + struct.pack(">3H", 0xFF80, 0x8000, 0x0100) * 64 for _ in range(64))
    assert open_photo(_png(64, 64, depth=16, colour=2, rows=rows)).getpixel((3, 3)) == (255, 128, 1)


def test_float_arrays_run_from_nought_to_one():
    values = np.asarray(SCENE, np.float32) / 255
    assert _distance(open_photo(values)) == 0
    assert _distance(open_photo(values.astype(np.float64)[::1])) == 0
    assert _distance(open_photo(np.asarray(SCENE)[:, ::-1]), ImageOps.mirror(SCENE)) == 0
    for wrong in (values * 255, values - 0.5, np.where(values > 0.5, np.nan, values), values + np.inf):
        with pytest.raises(PhotoError):
            open_photo(wrong)


@pytest.mark.parametrize("format", ["WEBP", "PNG"])
def test_of_an_animation_the_first_picture_is_taken(format):
    frames = [SCENE, SCENE.rotate(180), Image.new("RGB", SCENE.size)]
    data = _file(
        frames[0], format, save_all=True, append_images=frames[1:], **({"lossless": True} if format == "WEBP" else {})
    )
    Image.open(io.BytesIO(data)).seek(2)
    assert _distance(open_photo(data)) == 0


@pytest.mark.parametrize("size", [(63, 200), (200, 63), (1, 1), (10_000, 1), (10_000, 70), (2100, 100), (70, 10_000)])
@pytest.mark.parametrize("kind", ["file", "picture", "array"])
def test_sizes_that_are_no_photo_are_refused(size, kind):
    picture = Image.new("RGB", size)
    source = {"file": _file(picture, "PNG"), "picture": picture, "array": np.asarray(picture)}[kind]
    with pytest.raises(PhotoError, match=r"small|strip") as caught:
        open_photo(source, field="photos[1]")
    assert caught.value.field == "photos[1]" and caught.value.cure


def test_the_limits_can_be_set():
    assert open_photo(Image.new("RGB", (20, 20)), min_side=16).size == (20, 20)
    with pytest.raises(PhotoError, match=r"0\.01 megapixels"):
        open_photo(SCENE, max_megapixels=0.01)
    assert open_photo(Image.new("L", (8000, 5000))).size == (8000, 5000)


def _png(width, height, depth=1, colour=0, rows: bytes | None = None) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    if rows is None:
        packer, row = zlib.compressobj(9), bytes(1 + (width * depth + 7) // 8)
        packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    else:
        packed = zlib.compress(rows)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def _jpeg_claiming(width, height) -> bytes:
    data = bytearray(LOSSY["jpeg"])
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _webp_claiming(width, height) -> bytes:
    data = bytearray(_file(SCENE, "WEBP", save_all=True, append_images=[SCENE.rotate(180)]))
    data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def _heic_claiming(width, height) -> bytes:
    data = bytearray(LOSSY["heic"])
    at = data.find(b"ispe")
    data[at + 8 : at + 16] = struct.pack(">II", width, height)
    return bytes(data)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    "bomb",
    [
        lambda: _png(13_000, 13_000),
        lambda: _png(14_000, 14_000),
        lambda: _png(7000, 6000),
        lambda: _jpeg_claiming(65_000, 65_000),
        lambda: _jpeg_claiming(8000, 6000),
        lambda: _webp_claiming(16_000, 16_000),
        lambda: _heic_claiming(20_000, 20_000),
    ],
    ids=["169 MP png", "196 MP png", "42 MP png", "4225 MP jpeg", "48 MP jpeg", "256 MP webp", "400 MP heic"],
)
def test_bombs_are_refused_by_their_header(bomb):
    data = bomb()
    assert len(data) < 50_000
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(PhotoError, match="too large"):
        open_photo(data)
    seconds, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 0.5 and peak < 5_000_000


def test_ten_thousand_frames_cost_no_more_than_one():
    frames = [Image.new("RGB", (64, 64), (i % 256, i // 256, 0)) for i in range(10_000)]
    data = _file(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, method=0)
    started = time.process_time()
    assert open_photo(data).getpixel((0, 0)) == (0, 0, 0)
    assert time.process_time() - started < 0.5


def test_a_jpeg_of_a_thousand_passes_is_refused():
    """One cheap pass repeated over a picture of 36 megapixels would keep the decoder busy for minutes."""
    data = _file(Image.new("L", (6000, 6000)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    hostile = data[:last] + data[last:-2] * 2000 + b"\xff\xd9"
    started = time.process_time()
    with pytest.raises(PhotoError, match="passes"):
        open_photo(hostile)
    assert time.process_time() - started < 2


def test_scan_markers_outside_of_the_picture_are_no_passes():
    comment = b"\xff\xfe\x02\x02" + b"\xff\xda" * 256
    data = LOSSY["jpeg progressive"]
    assert _distance(open_photo(data[:2] + comment + data[2:] + b"\xff\xda\x00\x04" * 5000)) < 3


@pytest.mark.parametrize(
    "name", ["gif", "bmp", "tiff", "ico", "psd", "fits", "eps", "svg", "pdf", "html", "avif", "mp4"]
)
def test_foreign_formats_are_refused_whatever_they_are_called(name, tmp_path: Path):
    drawn = {"gif", "bmp", "tiff", "ico", "avif"}
    heads = {
        "psd": b"8BPS\0\x01" + bytes(200),
        "fits": b"SIMPLE  =                    T" + b" " * 3000,
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='100' height='100'/>",
        "pdf": b"%PDF-1.7\n",
        "html": b"<html><script>alert(1)</script></html>",
        "mp4": b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(500),
    }
    path = tmp_path / "me.png"
    path.write_bytes(_file(SCENE, name.upper()) if name in drawn else heads[name])
    for source in (path, path.read_bytes()):
        with pytest.raises(PhotoError, match="JPEG, PNG, WebP or HEIC"):
            open_photo(source)


def test_sources_that_are_no_picture_are_refused_in_words(tmp_path: Path):
    closed = io.BytesIO(LOSSLESS["png"])
    closed.close()
    shut = Image.open(io.BytesIO(LOSSLESS["png"]))
    shut.close()
    cases = [
        (b"", "empty"),
        ("https://example.org/me.jpg", "web"),
        (Path("https://example.org/me.jpg"), "web"),
        ("FILE:///etc/passwd", "web"),
        ("data:image/png;base64,AAAA", "web"),
        (tmp_path, "folder"),
        (tmp_path / "nothing.png", "no such file"),
        ("with\0nul.png", "no such file"),
        ("x" * 5000, "could not be read"),
        (closed, "could not be read"),
        (io.StringIO("text"), "as text"),
        (io.BytesIO(), "empty"),
        (None, "NoneType"),
        (17, "int"),
        (shut, "damaged"),
    ]
    for source, words in cases:
        with pytest.raises(PhotoError, match=words) as caught:
            open_photo(source, field="pose")  # type: ignore[arg-type]
        assert caught.value.field == "pose"
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((100, 100, 2), np.uint8),
        np.zeros((2, 100, 100, 3), np.uint8),
        np.zeros(1000, np.uint8),
        np.zeros((100, 100), np.int64),
        np.zeros((100, 100), bool),
        np.full((100, 100), None, object),
        np.zeros((100, 100), complex),
        np.zeros((0, 100, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_picture_are_refused(values):
    with pytest.raises(PhotoError):
        open_photo(values)


def test_pil_pictures_without_brightness_are_refused():
    for wrong in (np.full((64, 64), np.nan, np.float32), np.full((64, 64), -5.0, np.float32)):
        with pytest.raises(PhotoError, match="brightness"):
            open_photo(Image.fromarray(wrong))
    with pytest.raises(PhotoError, match="brightness"):
        open_photo(Image.new("I", (64, 64), 1_000_000))
    with pytest.raises(PhotoError, match="La"):
        open_photo(SCENE.convert("LA").convert("La"))


@pytest.mark.parametrize("name", sorted((LOSSLESS | LOSSY).keys() - {"jpeg with pictures inside"}))
def test_a_file_cut_off_anywhere_is_refused(name):
    data = (LOSSLESS | LOSSY)[name]
    for part in np.linspace(0.02, 0.9, 12):
        with pytest.raises(PhotoError):
            open_photo(data[: int(len(data) * part)])


def test_a_picture_cut_off_is_refused_when_given_open():
    half = Image.open(io.BytesIO(LOSSLESS["png"][:600]))
    with pytest.raises(PhotoError, match="damaged"):
        open_photo(half)


def test_what_is_transparent_in_a_mask_is_black():
    brush = Image.new("RGBA", (64, 64), (255, 255, 255, 0))
    brush.paste((255, 255, 255, 255), (0, 0, 32, 64))
    for source in (brush, np.asarray(brush), _file(brush, "PNG")):
        levels = np.asarray(open_photo(source, background="black"))
        assert levels[:, :32].min() == 255
        assert levels[:, 32:].max() == 0
