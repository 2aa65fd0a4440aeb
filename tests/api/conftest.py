"""The service as its callers meet it: a real server on a real port, with a whole InstantID at toy size behind it."""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from api.application import create_api
from api.service import Service
from api.settings import ServiceSettings
from api.store import JobStore
from api.studio import Studio
from generation.background import EngineRoom

PATIENCE = 120
"""Seconds for things that take less than one on a quiet machine."""


@dataclass(frozen=True)
class Served:
    """A running service and somebody who calls it."""

    address: str
    service: Service
    client: httpx2.Client

    def job(self, **form: Any) -> dict[str, Any]:
        """A job made by POST /generate."""
        answer = self.client.post("/api/v1/generate", **form)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def over(self, job_id: str) -> dict[str, Any]:
        """The job when it has come to an end."""
        until = time.monotonic() + PATIENCE
        while (job := self.client.get(f"/api/v1/jobs/{job_id}").json())["state"] in ("queued", "running"):
            assert time.monotonic() < until, job
            time.sleep(0.02)
        return job


@pytest.fixture
def jpeg(photo) -> bytes:
    return encoded(photo, "JPEG")


def encoded(picture, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def serve(engine, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts a service: keyword arguments are its settings, besides `room`, `styles`, `load_plain` and `worker`."""
    running: list[tuple[uvicorn.Server, threading.Thread, Served]] = []

    def start(*, room: EngineRoom | None = None, load_plain=None, worker: str | None = "test", **settings) -> Served:
        if room is None:
            room = EngineRoom(lambda told: engine)
            room.start(wait=True)
        values = {"jobs": f"sqlite:///{tmp_path / 'jobs.db'}", "grace": 5.0, **settings}
        chosen = ServiceSettings(**values)
        studio = Studio(room, engine.profile, load_plain=load_plain)
        service = Service(chosen, JobStore(chosen.jobs), studio, name=worker)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        config = uvicorn.Config(create_api(service), host="127.0.0.1", port=port, log_config=None, access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        service.start()
        until = time.monotonic() + PATIENCE
        while not server.started:
            assert thread.is_alive() and time.monotonic() < until
            time.sleep(0.01)
        address = f"http://127.0.0.1:{port}"
        served = Served(address, service, httpx2.Client(base_url=address, timeout=PATIENCE))
        running.append((server, thread, served))
        return served

    yield start
    for server, thread, served in running:
        served.client.close()
        server.should_exit = True
        thread.join(PATIENCE)
        served.service.stop()
