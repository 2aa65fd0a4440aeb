"""The service as its clients meet it: `cli.py serve` in a process of its own, the shipped miniature, loopback alone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
import pytest

ROOT = Path(__file__).parents[2]
PHOTO = (ROOT / "assets" / "examples" / "person_1.jpg").read_bytes()
PATIENCE = 300
"""Seconds for things that take a few on a quiet machine."""

QUICK = {"width": "96", "height": "96", "steps": "2", "guidance": "1", "view": "front"}
SLOW = QUICK | {"steps": "200", "count": "8"}
"""A wish that nobody waits for: minutes of work, for tests that stop it."""


@dataclass(frozen=True)
class Served:
    """A running service. temporary: the only folder for temporary files that it knows; log: what it has printed."""

    address: str
    process: psutil.Process
    temporary: Path
    log: Path

    def client(self, **headers: str) -> httpx2.Client:
        return httpx2.Client(base_url=self.address, timeout=PATIENCE, headers=headers, trust_env=False)

    def metrics(self) -> dict[str, float]:
        """Prometheus' sample lines: name with labels -> value."""
        with self.client() as client:
            lines = client.get("/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (one.rpartition(" ") for one in lines if one[:1] != "#")}

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(folder: Path, port: int, jobs: str = "", **settings: str) -> Iterator[Served]:
    """A service that is ready; its jobs are in `folder`, or where `jobs` says. Killed at the end if it still lives."""
    temporary, log = folder / "temporary", folder / "log.txt"
    temporary.mkdir(exist_ok=True)
    environ = os.environ | {
        "INSTANTID_JOBS": jobs or f"sqlite:///{folder / 'jobs.db'}",
        "INSTANTID_MODELS_DIR": str(folder / "models"),
        "HF_HUB_OFFLINE": "1",
        "TMPDIR": str(temporary),
        "PYTHONUNBUFFERED": "1",
    }
    environ |= {f"INSTANTID_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "cli.py", "serve", "--profile", "miniature", "--port", str(port)]
    with log.open("a") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=output, stderr=output)
    served = Served(f"http://127.0.0.1:{port}", psutil.Process(process.pid), temporary, log)
    try:
        until_ready(served, process)
        yield served
    finally:
        process.kill()
        process.wait()


def until_ready(served: Served, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    with served.client() as client:
        while time.monotonic() < end:
            assert process.poll() is None, served.log.read_text()
            try:
                if client.get("/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.2)
    raise AssertionError(served.log.read_text())


def submit(client: httpx2.Client, options: dict[str, str], key: str | None = None) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(
        "/api/v1/generate", data=options, files={"photos": ("me.jpg", PHOTO, "image/jpeg")}, headers=headers
    )


def state(client: httpx2.Client, job_id: str) -> dict:
    answer = client.get(f"/api/v1/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def until_over(client: httpx2.Client, job_id: str) -> dict:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        job = state(client, job_id)
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.1)
    raise AssertionError(f"{job_id} is not over after {PATIENCE} s")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for every test that leaves it as it was."""
    with serving(
        tmp_path_factory.mktemp("served"), free_port(), queue_limit="8", max_upload=str(20 * 2**20)
    ) as running:
        yield running
