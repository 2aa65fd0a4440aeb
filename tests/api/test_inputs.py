"""What comes in: hostile pictures, paths, addresses, and forms that make no sense."""

import io
import struct
import time
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from api.body import BodyOptions
from api.options import ControlOption, Options
from api.pictures import FILE_FIELDS, Opened, opened, request_of
from generation.controls import KEPT
from generation.request import PICTURES, GenerationRequest
from tests.api.conftest import encoded

URL = "/api/v1/generate"
BODY = "/api/v1/generate-identity-body"


def bomb(width: int, height: int) -> bytes:
    """A PNG of one bit a pixel, all black, that is tiny as a file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes((width // 8 + 1) * height), 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("field", ["face_image", "photos"])
@pytest.mark.parametrize("side", [13000, 14000])
def test_an_image_bomb_is_refused_from_its_header(serve, field, side) -> None:
    data = bomb(side, side)
    assert len(data) < 100_000
    began = time.monotonic()
    answer = serve(worker=None).client.post(BODY if field == "face_image" else URL, files={field: data})
    assert time.monotonic() - began < 5
    assert answer.status_code == 422
    assert "too large" in answer.json()["error"]["message"]


def test_several_photos_of_a_face_are_taken(serve, jpeg) -> None:
    answer = serve(worker=None).client.post(BODY, files=[("face_image", jpeg)] * 2, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize("url", [BODY, URL, "/api/v1/faces"])
def test_many_large_pictures_are_refused_by_their_headers_together(serve, url, monkeypatch) -> None:
    data = bomb(6300, 6300)
    field = "face_image" if url == BODY else "photos"
    decoded = []
    monkeypatch.setattr("api.pictures.open_photo", lambda *args, **more: decoded.append(args))
    answer = serve(worker=None).client.post(url, files=[(field, data)] * 16)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert "635 megapixels" in answer.json()["error"]["message"]
    assert decoded == []


def test_a_photo_is_small_when_it_is_looked_at_and_only_one_is_open(photo) -> None:
    large = encoded(photo.resize((4000, 3000)), "JPEG")
    photos = {f"photos.{number}": large for number in range(3)}
    assert [picture.size for picture in opened(photos, "photos", 1600)] == [(1600, 1200)] * 3
    assert [picture.size for picture in Opened(photos, "photos")] == [(4000, 3000)] * 3
    assert Opened(photos, "photos")[1].size == (4000, 3000)


def test_a_full_queue_and_a_known_key_are_told_before_photos_are_opened(serve, jpeg, monkeypatch) -> None:
    served = serve(worker=None, queue_limit=1)
    job = served.job(files={"photos": jpeg}, headers={"Idempotency-Key": "k"})
    looked = []
    monkeypatch.setattr(served.service.recipes, "check", lambda *args: looked.append(args))
    again = served.job(files={"photos": jpeg}, headers={"Idempotency-Key": "k"})
    assert again["id"] == job["id"]
    assert served.client.post(URL, files={"photos": jpeg}).status_code == 429
    assert looked == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"%PDF-1.7 ...",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html><script>alert(1)</script>",
        b"8BPS\x00\x01" + bytes(60),
        b"SIMPLE  =                    T" + bytes(2880),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        b"\xff\xd8\xff\xe0" + bytes(300),
    ],
)
def test_only_pictures_by_content_are_taken(serve, data) -> None:
    client = serve(worker=None).client
    for path, field in ((BODY, "face_image"), (URL, "photos"), ("/api/v1/faces", "photos")):
        answer = client.post(path, files={field: ("photo.png", data, "image/png")})
        assert answer.status_code == 422, answer.text
        assert answer.json()["error"]["field"] == field


def test_half_a_photo_is_refused(serve, jpeg) -> None:
    answer = serve(worker=None).client.post(BODY, files={"face_image": jpeg[: len(jpeg) // 2]})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_photo"


@pytest.mark.parametrize(
    "value",
    ["http://127.0.0.1/a.jpg", "http://169.254.169.254/latest", "file:///etc/passwd", "/etc/passwd", "..\\..\\x.png"],
)
@pytest.mark.parametrize("field", FILE_FIELDS)
def test_addresses_and_paths_are_not_followed(serve, jpeg, field, value) -> None:
    files = {"photos": jpeg} if field != "photos" else {"pose": jpeg}
    answer = serve(worker=None).client.post(URL, files=files, data={field: value})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert "not followed" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../../x.safetensors", "..\\x", "someone/repository", "a\0b", "~/x.safetensors", ""]
)
def test_loras_are_named_from_the_registry_alone(serve, jpeg, name) -> None:
    import json

    answer = serve(worker=None).client.post(
        URL, files={"photos": jpeg}, data={"loras": json.dumps([{"name": name, "weight": 1}])}
    )
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "loras"


@pytest.mark.parametrize("path", ["../../etc/passwd", "%2e%2e%2f", "x" * 300, "%00", "null"])
def test_ids_that_are_none_are_not_found(serve, path) -> None:
    client = serve(worker=None).client
    for suffix in ("", "/events", "/images/0", "/images/-1", "/images/x"):
        assert client.get(f"/api/v1/jobs/{path}{suffix}").status_code in (404, 422)


def test_file_names_are_not_looked_at(serve, jpeg, tmp_path) -> None:
    before = set(tmp_path.iterdir())
    served = serve(worker=None)
    answer = served.client.post(URL, files={"photos": ("../../../../tmp/evil.jpg", jpeg)})
    assert answer.status_code == 202
    assert {path.name for path in set(tmp_path.iterdir()) - before} <= {"jobs.db", "jobs.db-wal", "jobs.db-shm"}


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"request": "[1]"}, "request"),
        ({"request": "{"}, "request"),
        ({"request": '{"prompt": "a"}', "prompt": "b"}, "prompt"),
        ({"keypoints": "no"}, "keypoints"),
        ({"controls": '[{"kind": "canny"}]'}, "controls"),
        ({"photo": "x"}, "photo"),
        ({"style": "No Such Style"}, "style"),
        ({"width": "1"}, "width"),
        ({"steps": "10000000000"}, "steps"),
        ({"guidance": "inf"}, "guidance"),
        ({"request": '{"guidance": NaN}'}, "guidance"),
        ({"prompt": "x" * 20_000}, "prompt"),
    ],
)
def test_options_at_fault_are_named(serve, jpeg, data, field) -> None:
    answer = serve(worker=None).client.post(URL, files={"photos": jpeg}, data=data)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["field"] == field


def test_a_prompt_of_a_megabyte_is_too_long(serve, jpeg) -> None:
    assert serve(worker=None).client.post(URL, files={"photos": jpeg}, data={"prompt": "x" * 2**20}).status_code == 413


def test_a_file_in_another_field_is_told_where_files_go(serve, jpeg) -> None:
    answer = serve().client.post("/api/v1/generate-identity-body", files={"photos": jpeg})
    told = answer.json()["error"]
    assert (answer.status_code, told["field"]) == (422, "photos")
    assert "face" in told["cure"] and "as text" in told["cure"]


def test_bodies_of_other_kinds_are_refused(serve) -> None:
    client = serve(worker=None).client
    assert client.post(URL, json={"prompt": "x"}).status_code == 415
    assert client.post(URL, content=b"x", headers={"Content-Type": "multipart/form-data"}).status_code == 422
    assert client.put(URL).status_code == 405


def test_every_field_of_a_request_can_be_asked_for() -> None:
    asked = set(Options.model_fields) | {*PICTURES, "template", "notes"}
    assert asked - {"adapter"} == set(GenerationRequest.__dataclass_fields__)


TEXT = st.text(max_size=60) | st.sampled_from(["NaN", "-0", "1e999", "[", "{}", "null", "true", "\u202e", "😀" * 20])


NAMES = st.sampled_from([*Options.model_fields, *BodyOptions.model_fields, "request"]) | st.text(min_size=1, max_size=9)


def plain(text: str) -> str:
    """Without lone surrogates, which no form can carry."""
    return text.encode("utf-8", "ignore").decode()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from([URL, BODY]),
    fields=st.dictionaries(NAMES, TEXT | st.integers().map(str) | st.floats().map(str), max_size=5),
    deadline=st.none() | TEXT,
)
def test_no_form_is_answered_with_500(fuzzing, jpeg, path, fields, deadline) -> None:
    answer = fuzzing.client.post(
        path,
        files={"face_image" if path == BODY else "photos": jpeg},
        data={plain(name) or "x": plain(text) for name, text in fields.items()},
        params={} if deadline is None else {"deadline": plain(deadline)},
        headers={"Prefer": "respond-async"},
    )
    assert answer.status_code in (202, 413, 422), answer.text
    if answer.status_code == 422:
        assert answer.json()["error"]["cure"]


@pytest.fixture
def fuzzing(serve):
    return serve(worker=None, queue_limit=100_000)


def test_faces_are_judged(serve, jpeg) -> None:
    answer = serve(worker=None).client.post("/api/v1/faces", files=[("photos", jpeg), ("photos", jpeg)])
    assert answer.status_code == 200
    told = answer.json()
    assert told["usable"] is True
    assert [photo["used"] for photo in told["photos"]] == [True, True]
    assert len(told["photos"][0]["face"]["keypoints"]) == 5
    assert "embedding" not in answer.text


def test_a_photo_without_a_face_is_told_by_the_coach(serve, engine, jpeg, monkeypatch) -> None:
    served = serve(worker=None)
    monkeypatch.setattr(engine.analyzer, "blind", True)
    told = served.client.post("/api/v1/faces", files={"photos": jpeg}).json()
    assert told["usable"] is False
    assert "No face" in told["photos"][0]["verdict"]


def test_pictures_of_every_accepted_kind_are_taken(serve, photo) -> None:
    client = serve(worker=None).client
    for kind in ("PNG", "WEBP", "JPEG"):
        buffer = io.BytesIO()
        photo.save(buffer, kind)
        assert client.post("/api/v1/faces", files={"photos": buffer.getvalue()}).status_code == 200
    buffer = io.BytesIO()
    Image.new("RGB", (10, 10)).save(buffer, "PNG")
    assert client.post("/api/v1/faces", files={"photos": buffer.getvalue()}).status_code == 422


def test_a_control_says_all_that_a_requests_own_does() -> None:
    assert set(ControlOption.model_fields) == set(KEPT)
    option = ControlOption(kind="canny", strength=0.4, start=0.1, end=0.9, is_map=True)
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    (control,) = request_of(Options(controls=[option]), {"control_canny.0": buffer.getvalue()}).controls
    assert control.picture is not None
    assert {name: getattr(control, name) for name in KEPT} == option.model_dump()


def test_what_is_transparent_in_a_mask_is_black() -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 255, 255, 0)).save(buffer, "PNG")
    (mask,), (pose,) = (opened({f"{field}.0": buffer.getvalue()}, field) for field in ("mask", "pose"))
    assert mask.getextrema() == ((0, 0),) * 3
    assert pose.getextrema() == ((255, 255),) * 3
