"""A hub on this machine: the part of the real one's protocol that a download speaks, with faults on demand."""

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "c0ffee" + "0" * 34


@dataclass
class LocalHub:
    """Serves `files` (path -> bytes) as repository `someone/weights`.

    Files that are not text stand behind a redirect to another host name, as large files do on the real hub.
    """

    files: dict[str, bytes]
    cut_after: int | None = None
    """Bytes after which the next transfer breaks off, once."""
    bytes_per_second: int | None = None
    announce: dict[str, str] = field(default_factory=dict)
    """Hashes to announce instead of the true ones."""
    announce_size: dict[str, int] = field(default_factory=dict)
    status: int | None = None
    """Answer everything with this status."""
    log: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, path, Range header)"""
    served: int = 0
    """Bytes of bodies sent."""
    port: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def digest(self, path: str) -> str:
        content = self.files[path]
        if path.endswith((".json", ".txt")):
            return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
        return hashlib.sha256(content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LocalHub

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def log_message(self, format: str, *args: object) -> None:
        return

    def answer(self, body: bool) -> None:
        hub = self.hub
        asked = self.headers.get("Range", "")
        hub.log.append((self.command, self.path, asked))
        direct = self.path.startswith("/large/")
        path = self.path.removeprefix("/large/") if direct else self.path.split("/resolve/", 1)[-1].split("/", 1)[-1]
        if hub.status is not None or path not in hub.files:
            self.refuse(hub.status or 404)
            return
        content = hub.files[path]
        large = not path.endswith((".json", ".txt"))
        if large and not direct:
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{hub.port}/large/{path}")
            self.send_header("X-Linked-Size", str(hub.announce_size.get(path, len(content))))
            self.send_header("X-Linked-ETag", f'"{hub.announce.get(path, hub.digest(path))}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{hub.announce.get(path, hub.digest(path))}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if body:
            self.send(content[start:])

    def refuse(self, status: int) -> None:
        self.send_response(status)
        if status in {401, 404}:
            self.send_header("X-Error-Code", "RepoNotFound" if status == 401 else "EntryNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send(self, content: bytes) -> None:
        hub = self.hub
        if hub.cut_after is not None:
            self.wfile.write(content[: hub.cut_after])
            hub.served += min(hub.cut_after, len(content))
            hub.cut_after = None
            self.close_connection = True
            self.connection.close()
            return
        step = 1 << 16
        for start in range(0, len(content), step):
            try:
                self.wfile.write(content[start : start + step])
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
                return
            hub.served += len(content[start : start + step])
            if hub.bytes_per_second:
                time.sleep(step / hub.bytes_per_second)


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    local = LocalHub(
        files={
            "config.json": b'{"in_channels": 4}',
            "unet/model.safetensors": bytes(range(256)) * 8192,
            "adapter.bin": b"adapter" * 1000,
        }
    )
    handler = type("Handler", (_Handler,), {"hub": local})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    local.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield local
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or touches the caches of the person who runs it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
