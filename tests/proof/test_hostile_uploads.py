"""Hostile uploads are refused before they cost anything: time, memory and the disk are watched while they arrive."""

import io
import struct
import zlib
from collections.abc import Iterator

import httpx2
import pytest
from PIL import Image

from tests.proof.conftest import PHOTO, QUICK, Served, submit, until_over

GIB = 2**30
BOUNDARY = "a-boundary-of-the-tests"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n'
    "Content-Type: image/jpeg\r\n\r\n"
).encode()
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def flood(total: int) -> Iterator[bytes]:
    yield HEAD
    zeros = bytes(2**16)
    for _ in range(total // len(zeros)):
        yield zeros


def bomb(width: int, height: int) -> bytes:
    """A PNG of one bit a pixel: some kilobytes that become width x height pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress(bytes((width // 8 + 1) * height), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def frames(kind: str) -> bytes:
    pictures = [Image.new("P", (8, 8), number % 2) for number in range(2000)]
    buffer = io.BytesIO()
    pictures[0].save(buffer, kind, save_all=True, append_images=pictures[1:])
    return buffer.getvalue()


class Watched:
    """What the service had before, and what may have changed afterwards."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.files = set(served.temporary.rglob("*"))
        self.memory = served.process.memory_info().rss

    def cheap(self, megabytes: float) -> None:
        grown = (self.served.process.memory_info().rss - self.memory) / 2**20
        assert grown < megabytes, f"{grown:.0f} MB more"
        assert set(self.served.temporary.rglob("*")) == self.files


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx2.Client]:
    """To a service that has made a picture and has nothing to do."""
    with served.client() as opened:
        until_over(opened, submit(opened, QUICK).json()["id"])
        yield opened


@pytest.mark.parametrize("announced", [True, False], ids=["content-length", "chunked"])
def test_a_gigabyte_is_refused_before_it_arrives(served: Served, client: httpx2.Client, announced: bool) -> None:
    watched = Watched(served)
    sent = 0

    def counted() -> Iterator[bytes]:
        nonlocal sent
        for part in flood(GIB):
            sent += len(part)
            yield part

    headers = FORM | ({"Content-Length": str(len(HEAD) + GIB)} if announced else {})
    try:
        answer = client.post("/api/v1/generate", content=counted(), headers=headers)
    except httpx2.TransportError:
        # the service answered and closed while the client was still writing
        answer = None
    assert answer is None or (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    # the limit is 20 MB; what the sockets hold comes on top of it
    assert sent < 40 * 2**20
    watched.cheap(60)
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("size", [(13000, 13000), (14000, 14000), (60000, 60000)], ids=str)
def test_a_bomb_is_refused_by_its_header(served: Served, client: httpx2.Client, size: tuple[int, int]) -> None:
    data = bomb(*size)
    watched = Watched(served)
    answer = client.post("/api/v1/generate", data=QUICK, files={"photos": ("a.png", data, "image/png")})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_photo")
    watched.cheap(50)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PDF", "BMP", "PPM"])
def test_other_formats_are_refused_whatever_they_are_called(client: httpx2.Client, kind: str) -> None:
    if kind == "GIF":
        data = frames(kind)
    else:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(PHOTO)).save(buffer, kind)
        data = buffer.getvalue()
    answer = client.post("/api/v1/generate", data=QUICK, files={"photos": ("me.jpg", data, "image/jpeg")})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_photo")


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:1/a.png",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "/etc/passwd",
        "..\\x",
    ],
)
@pytest.mark.parametrize("field", ["photos", "pose", "into"])
def test_addresses_and_paths_in_the_place_of_pictures_are_not_followed(
    served: Served, client: httpx2.Client, field: str, text: str
) -> None:
    before = len(served.process.net_connections())
    files = [(name, value) for name, value in [("photos", ("a.jpg", PHOTO, "image/jpeg"))] if field != "photos"]
    answer = client.post("/api/v1/generate", data=QUICK | {field: text}, files=files or {"other": b""})
    assert answer.status_code == 422
    assert len(served.process.net_connections()) <= before + 1


@pytest.mark.parametrize("name", ["../../etc/x.png", "..\\..\\x.png", "/etc/x.png", "x\0.png", "x" * 4000, "<b>.html"])
def test_names_of_files_are_never_looked_at(served: Served, client: httpx2.Client, name: str) -> None:
    escaped = name.replace("\0", "%00").encode()
    body = HEAD.replace(b"a.jpg", escaped) + PHOTO + f"\r\n--{BOUNDARY}--\r\n".encode()
    watched = Watched(served)
    answer = client.post("/api/v1/faces", content=body, headers=FORM)
    assert answer.status_code == 200
    watched.cheap(100)


def test_a_form_of_a_thousand_parts_is_refused(served: Served, client: httpx2.Client) -> None:
    watched = Watched(served)
    answer = client.post("/api/v1/faces", files=[("photos", ("a.jpg", b"x", "image/jpeg"))] * 1000)
    assert answer.status_code in (413, 422)
    watched.cheap(30)
