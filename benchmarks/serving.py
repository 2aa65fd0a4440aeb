"""A service of the benchmarks' own: `cli.py serve` with the miniature on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import psutil

ROOT = Path(__file__).parents[1]
EXAMPLE = (ROOT / "assets" / "examples" / "person_1.jpg").read_bytes()
PATIENCE = 600


class Service:
    """A running service that keeps its jobs in a folder; used as a context. settings: of INSTANTID_<NAME>."""

    def __init__(self, folder: Path, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environ = os.environ | {
            "INSTANTID_JOBS": f"sqlite:///{folder / 'jobs.db'}",
            "INSTANTID_MODELS_DIR": str(folder / "models"),
            "HF_HUB_OFFLINE": "1",
        }
        environ |= {f"INSTANTID_{name.upper()}": value for name, value in settings.items()}
        command = [sys.executable, "cli.py", "serve", "--profile", "miniature", "--port", str(port)]
        self._log = (folder / "log.txt").open("w", encoding="utf-8")
        self._process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=self._log, stderr=self._log)
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False)

    def __enter__(self) -> Service:
        try:
            until_ready(self.client)
        except TimeoutError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()

    def megabytes(self) -> float:
        """The resident set of the process."""
        return psutil.Process(self._process.pid).memory_info().rss / 2**20

    def submit(self, options: dict[str, str], photo: bytes) -> dict[str, Any]:
        return submit(self.client, options, photo)


def until_ready(client: httpx2.Client) -> None:
    """Waits until the service behind the client would take a request."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError("the service is not ready")


def submit(client: httpx2.Client, options: dict[str, str], photo: bytes) -> dict[str, Any]:
    """The job that the service made of it."""
    answer = client.post("/api/v1/generate", data=options, files={"photos": ("photo.jpg", photo, "image/jpeg")})
    if answer.status_code != 202:
        raise RuntimeError(answer.text)
    return answer.json()


def wait_for(service: Service, job_id: str) -> dict[str, Any]:
    """The job when it is over."""
    while True:
        job = service.client.get(f"/api/v1/jobs/{job_id}").json()
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.02)
