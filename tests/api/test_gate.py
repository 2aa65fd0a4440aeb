"""Before the body is read: size, origin, key."""

import os
import socket
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from api.gate import BODIES
from api.keys import new_key
from api.settings import ServiceSettings
from errors import RequestError

URL = "/api/v1/generate-identity-body"
MB = 2**20


def send_zeros(address: str, megabytes: int, *, chunked: bool) -> tuple[bytes, int]:
    """Streams zeros until the server answers or hangs up; its answer and the bytes that were taken."""
    host, _, port = address.removeprefix("http://").partition(":")
    head = f"POST {URL} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    head += "Transfer-Encoding: chunked\r\n\r\n" if chunked else f"Content-Length: {megabytes * MB}\r\n\r\n"
    opening = b'--x\r\nContent-Disposition: form-data; name="face_image"; filename="a.jpg"\r\n\r\n'
    block = bytes(MB)
    sent = 0
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(head.encode())
        try:
            for part in [opening, *([block] * megabytes)]:
                line.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
                sent += len(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b""
        try:
            while more := line.recv(65536):
                answer += more
        except ConnectionResetError:
            pass
    return answer, sent


@pytest.mark.parametrize("chunked", [False, True])
def test_a_gigabyte_is_refused_before_it_costs_anything(serve, chunked, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    served = serve(worker=None, max_upload=20 * MB)
    before = psutil.Process(os.getpid()).memory_info().rss
    answer, sent = send_zeros(served.address, 1024, chunked=chunked)
    grown = psutil.Process(os.getpid()).memory_info().rss - before
    if answer:  # a client that goes on sending may see the line closed before the answer
        assert b"413" in answer.split(b"\r\n")[0]
    assert sent < 100 * MB
    assert grown < 100 * MB
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("jobs.db")] == []
    assert served.client.get("/healthz").status_code == 200
    assert served.service.metrics.requests.labels("POST", "other" if not chunked else URL, "413")._value.get() == 1


def opened(address: str, length: int, begun: int = 0) -> socket.socket:
    """A request that announces a body, sends so much of it, and then waits."""
    host, _, port = address.removeprefix("http://").partition(":")
    line = socket.create_connection((host, int(port)), timeout=60)
    head = f"POST {URL} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    opening = b'--x\r\nContent-Disposition: form-data; name="face_image"; filename="a.jpg"\r\n\r\n'
    line.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode() + opening + bytes(begun))
    return line


def test_a_body_has_its_time_to_arrive(serve) -> None:
    served = serve(worker=None, body_seconds=0.5)
    with opened(served.address, MB) as line:
        assert line.recv(65536).startswith(b"HTTP/1.1 408")
    assert served.client.get("/healthz").status_code == 200


def test_unfinished_uploads_do_not_pile_up(serve, jpeg) -> None:
    served = serve(worker=None, max_upload=MB)
    lines = [opened(served.address, MB, MB // 2) for _ in range(BODIES)]
    try:
        until = time.monotonic() + 60
        while (answer := served.client.post("/api/v1/faces", files={"photos": jpeg})).status_code != 429:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert answer.json()["error"]["code"] == "queue_full"
        assert int(answer.headers["retry-after"]) >= 1
        assert served.client.get("/api/v1/styles").status_code == 200
    finally:
        for line in lines:
            line.close()
    while (answer := served.client.post("/api/v1/faces", files={"photos": jpeg})).status_code == 429:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert answer.status_code == 200


def test_a_full_queue_is_told_before_the_body_is_read(serve, jpeg) -> None:
    served = serve(worker=None, queue_limit=1)
    served.job(files={"photos": jpeg})
    with opened(served.address, MB) as line:
        assert line.recv(65536).startswith(b"HTTP/1.1 429")


def test_photos_do_not_touch_the_disk_on_their_way_in(serve, photo, tmp_path, monkeypatch) -> None:
    made = []

    class Watched(tempfile.SpooledTemporaryFile):
        def rollover(self) -> None:
            made.append(self)
            super().rollover()

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", Watched)
    answer = serve(worker=None).client.post(URL, files={"face_image": bytes(5 * MB)})
    assert answer.status_code == 422
    assert made == []


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 422),
        ("{own}", 422),
        ("https://friend.example", 422),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:1", 403),
        ("https://friend.example.evil.example", 403),
        ("file://", 403),
    ],
)
def test_pages_of_other_origins_cannot_post(serve, origin, status) -> None:
    served = serve(worker=None, origins=("https://friend.example",))
    headers = {} if origin is None else {"Origin": origin.format(own=served.address)}
    assert served.client.post(URL, headers=headers).status_code in ({422, 415} if status == 422 else {403})
    assert served.client.delete("/api/v1/jobs/x", headers=headers).status_code == (404 if status == 422 else 403)
    assert served.client.get("/healthz", headers=headers).status_code == 200


def test_a_name_that_was_made_to_mean_this_machine_is_refused(serve) -> None:
    served = serve(worker=None, hosts=ServiceSettings().listening_on("127.0.0.1").hosts)
    for name in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "[", ""):
        headers = {"Host": name, "Origin": f"http://{name}"}
        assert served.client.get("/api/v1/styles", headers=headers).status_code in (400, 403)
        assert served.client.post(URL, headers=headers).status_code in (400, 403)
    assert served.client.get("/api/v1/styles", headers={"Host": "evil.example"}).json()["error"]["field"] == "Host"
    for name in ("localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"):
        assert served.client.get("/api/v1/styles", headers={"Host": name}).status_code == 200


def test_only_on_this_machine_alone_names_are_looked_at() -> None:
    assert ServiceSettings().listening_on("0.0.0.0").hosts == ()
    assert ServiceSettings(hosts=("a.b",)).listening_on("0.0.0.0").hosts == ("a.b",)
    assert ServiceSettings(hosts=("a.b",)).listening_on("::1").hosts == ("a.b", "localhost", "127.0.0.1", "::1")


def test_pages_of_listed_origins_may_ask_and_read(serve) -> None:
    served = serve(worker=None, origins=("https://friend.example",))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Authorization"}
    friend = served.client.options(URL, headers={"Origin": "https://friend.example", **asked})
    assert friend.status_code == 200
    assert friend.headers["access-control-allow-origin"] == "https://friend.example"
    read = served.client.get("/api/v1/styles", headers={"Origin": "https://friend.example"})
    assert read.headers["access-control-allow-origin"] == "https://friend.example"
    foe = served.client.options(URL, headers={"Origin": "https://evil.example", **asked})
    assert "access-control-allow-origin" not in foe.headers


def test_keys_are_asked_for_before_the_body_is_read(serve) -> None:
    key, entry = new_key("alice")
    settings = ServiceSettings.from_environment({"INSTANTID_API_KEYS": entry})
    assert key not in entry
    assert key not in repr(settings)
    served = serve(worker=None, api_keys=settings.api_keys)
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {key}"}, {"X-API-Key": "ünfug"}):
        answer = served.client.get("/api/v1/styles", headers={k: v.encode("latin-1") for k, v in headers.items()})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["code"] == "key_needed"
    for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
        assert served.client.get("/api/v1/styles", headers=headers).status_code == 200
    assert served.client.get("/healthz").status_code == 200
    assert served.client.get("/api/v1/docs").status_code == 200
    assert served.client.get("/api/v1/nothing").status_code == 401


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INSTANTID_API_KEYS", "alice:plain"),
        ("INSTANTID_QUEUE_LIMIT", "-1"),
        ("INSTANTID_QUEUE_LIMIT", "many"),
        ("INSTANTID_DEADLINE", "nan"),
        ("INSTANTID_DEADLINE", "0"),
        ("INSTANTID_FALLBACK", "perhaps"),
        ("INSTANTID_TEMPLATE_ADAPTERS", "arcface"),
        ("INSTANTID_TEMPLATE_ADAPTERS", "arcface:"),
        ("INSTANTID_TEMPLATE_ADAPTERS", "a name:arcface.safetensors"),
    ],
)
def test_settings_without_meaning_are_named(name, value) -> None:
    with pytest.raises(RequestError) as refused:
        ServiceSettings.from_environment({name: value})
    assert refused.value.field == name


def test_settings_of_the_environment_are_read() -> None:
    told = ServiceSettings.from_environment(
        {
            "INSTANTID_QUEUE_LIMIT": "3",
            "INSTANTID_DEADLINE": "1.5",
            "INSTANTID_ORIGINS": "https://a.b/, https://c",
            "INSTANTID_TEMPLATE_ADAPTERS": "arcface:/srv/arcface.safetensors, other: b.safetensors",
        }
    )
    assert told.template_adapters == (("arcface", Path("/srv/arcface.safetensors")), ("other", Path("b.safetensors")))
    assert (told.queue_limit, told.deadline, told.origins) == (3, 1.5, ("https://a.b", "https://c"))
    assert Path(told.jobs_of(8000).removeprefix("sqlite:///")).name == "jobs-8000.db"
