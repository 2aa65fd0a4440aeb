"""The app in one process: page and HTTP service on one port, the clients of gradio and of language models; its docs."""

import asyncio
import base64
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "assets" / "examples" / "person_1.jpg"
TEMPLATE = ROOT / "assets" / "examples" / "template.npy"
ADAPTER = ROOT / "assets" / "miniature" / "face_other" / "adapter.safetensors"
FRIEND = "https://friend.example"
PATIENCE = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = folder / "stderr.txt"
    environment = {
        **os.environ,
        "TMPDIR": str(folder),
        "HF_HUB_OFFLINE": "1",
        "INSTANTID_JOBS": f"sqlite:///{folder}/jobs.db",
        "INSTANTID_ORIGINS": FRIEND,
        "INSTANTID_HOSTS": "studio.example",
        "INSTANTID_TEMPLATE_ADAPTERS": f"face_other:{ADAPTER}",
    }
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--profile", "miniature", "--port", str(port), "--mcp"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + PATIENCE
        while not _ready(address):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.3)
        yield address, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


@pytest.fixture(scope="module")
def app(running: tuple[str, psutil.Process]) -> str:
    return running[0]


def _ready(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/readyz", timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


def test_page_and_service_share_the_port(app: str) -> None:
    assert "gradio" in httpx2.get(app, timeout=PATIENCE).text
    assert httpx2.get(f"{app}/healthz").text == "live"
    assert len(httpx2.get(f"{app}/api/v1/styles").json()) > 20
    assert "openapi" in httpx2.get(f"{app}/api/v1/openapi.json").json()
    assert "instantid_requests_total" in httpx2.get(f"{app}/metrics").text


def test_a_language_model_finds_and_calls_the_tool(app: str) -> None:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def talk() -> tuple[list[str], bytes]:
        async with (
            streamable_http_client(f"{app}/gradio_api/mcp/") as (reading, writing, _),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            photo = "data:image/jpeg;base64," + base64.b64encode(PHOTO.read_bytes()).decode()
            arguments = {"photo": photo, "prompt": "in a garden", "seed": 7}
            answer = await session.call_tool("generate_picture", arguments)
            assert not answer.isError, answer
            refused = await session.call_tool("generate_picture", {**arguments, "photo": "http://127.0.0.1/a.jpg"})
            assert refused.isError
            assert answer.content[0].type == "image"
            return [tool.name for tool in tools], base64.b64decode(answer.content[0].data)

    names, picture = asyncio.run(talk())
    assert names == ["generate_picture"]
    with Image.open(io.BytesIO(picture)) as made:
        assert made.size == (128, 128)


@pytest.mark.parametrize("path", ["upload", "call/generate_picture", "queue/join", "mcp/"])
def test_pages_of_other_origins_reach_nothing_of_the_page(app: str, path: str) -> None:
    url = f"{app}/gradio_api/{path}"
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        answer = httpx2.post(url, files={"files": b"x"}, headers=headers)
        assert answer.status_code == 403
        assert "/" not in answer.json()["error"]["message"]
    assert httpx2.post(f"{app}/gradio_api/upload", files={"files": b"x"}, headers={"Origin": app}).status_code == 200


@pytest.mark.parametrize("path", ["/gradio_api/call/generate_picture", "/gradio_api/upload", "/api/v1/generate"])
@pytest.mark.parametrize("host", [None, "studio.example"])
@pytest.mark.parametrize(("origin", "welcome"), [(FRIEND, True), ("https://evil.example", False), ("null", False)])
def test_only_pages_of_listed_origins_may_ask_and_read(app: str, path: str, host, origin: str, welcome: bool) -> None:
    headers = {"Origin": origin} | ({"Host": host} if host else {})
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Content-Type"}
    answers = httpx2.options(app + path, headers=headers | asked), httpx2.get(f"{app}/gradio_api/info", headers=headers)
    for answer in answers:
        assert answer.headers.get("access-control-allow-origin") == (origin if welcome else None)
        assert "access-control-allow-credentials" not in answer.headers
    assert answers[0].status_code == (200 if welcome else 400)


@pytest.mark.parametrize("announced", [True, False], ids=["content-length", "chunked"])
@pytest.mark.parametrize("path", ["call/generate_picture", "queue/join", "mcp/", "run/predict", "cancel"])
def test_a_call_of_the_page_has_no_body_without_an_end(running, path: str, announced: bool) -> None:
    app, process = running
    before, sent = process.memory_info().rss, 0

    def zeros() -> Iterator[bytes]:
        nonlocal sent
        for part in [b'{"data": ["', *[b"0" * 2**20] * 250]:
            sent += len(part)
            yield part

    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    headers |= {"Content-Length": str(11 + 250 * 2**20)} if announced else {}
    try:
        answer = httpx2.post(f"{app}/gradio_api/{path}", content=zeros(), headers=headers, timeout=PATIENCE)
    except httpx2.TransportError:
        answer = None  # the answer was given and the line closed while this side was still writing
    assert answer is None or answer.status_code == 413
    # the limit is 17 MB, what the sockets hold comes on top; past a smaller one of its own MCP drops what comes
    assert sent < 40 * 2**20 or path == "mcp/"
    assert process.memory_info().rss - before < 150 * 2**20
    assert httpx2.get(f"{app}/healthz").status_code == 200


def test_the_log_has_one_object_a_line_and_nothing_that_a_caller_wrote(app: str, folder: Path) -> None:
    httpx2.post(f"{app}/gradio_api/call/generate_picture", json={"data": ["base64-of-a-face"]})
    until = time.monotonic() + PATIENCE
    while '"ValueError"' not in (log := (folder / "stderr.txt").read_text()):
        assert time.monotonic() < until, log
        time.sleep(0.2)
    assert "base64-of-a-face" not in log
    assert [line for line in log.splitlines() if not isinstance(json.loads(line), dict)] == []


def snippets() -> list[tuple[str, str]]:
    text = (ROOT / "docs" / "API.md").read_text()
    found = re.findall(r"(<!-- not run -->\n)?```(bash|python)\n(.*?)```", text, re.DOTALL)
    return [(kind, code) for skipped, kind, code in found if not skipped]


@pytest.mark.parametrize(("kind", "code"), snippets(), ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(snippets())])
def test_the_snippets_of_the_docs_run(app: str, tmp_path: Path, kind: str, code: str) -> None:
    for name, file in (("user_photo.jpg", PHOTO), ("t.npy", TEMPLATE), ("adapter.safetensors", ADAPTER)):
        (tmp_path / name).write_bytes(file.read_bytes())
    code = code.replace("http://localhost:8000", app).replace("http://localhost:7860", app)
    command = ["bash", "-euc", code] if kind == "bash" else [sys.executable, "-c", code]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert ran.returncode == 0, ran.stderr
    if kind == "bash":
        told = json.loads(ran.stdout)
        assert told.get("success") is True or told.get("state") == "queued", told
        if "url" in told:  # what comes next would wait for it
            httpx2.delete(told["url"])
    else:
        (made,) = tmp_path.glob("*.png")
        with Image.open(made) as picture:
            assert picture.format == "PNG"
