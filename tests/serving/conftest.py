"""The service on Ray, as small as it can be: a cluster in a process of its own, a door or two, an engine or two."""

import os
import signal
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

from tests.proof.conftest import ROOT, free_port

PATIENCE = 600


@dataclass(frozen=True)
class Deployed:
    """jobs: address of the job store; cluster: number of the process group to which everything of Ray's belongs."""

    address: str
    client: httpx2.Client
    jobs: str
    cluster: int

    def until_ready(self) -> None:
        end = time.monotonic() + PATIENCE
        while self.client.get("/readyz").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.3)

    def processes(self, name: str) -> list[psutil.Process]:
        """Of this cluster's replicas, those of a deployment: "Door" or "Engine"."""
        found = []
        for one in psutil.process_iter(["cmdline"]):
            title = (one.info["cmdline"] or [""])[0]
            if title.startswith("ray::") and name in title and self.cluster in [up.pid for up in one.parents()]:
                found.append(one)
        return found


@contextmanager
def deploying(folder: Path, jobs: str, *, doors: int, engines: int, queue_limit: int = 8) -> Iterator[Deployed]:
    """A cluster with the service, ready. jobs: address of the job store."""
    port = free_port()
    environ = os.environ | {
        "INSTANTID_JOBS": jobs,
        "INSTANTID_MODELS_DIR": str(folder / "models"),
        "INSTANTID_QUEUE_LIMIT": str(queue_limit),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
        # a busy machine needs more than Ray's own few seconds for its parts to start
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
        "RAY_raylet_start_wait_time_s": "180",
    }
    log = Path(folder / "log.txt")
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.serving.cluster", str(port), str(doors), str(engines)],
            cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            start_new_session=True,
        )  # fmt: skip
    try:
        assert process.stdout
        assert process.stdout.readline().strip() == "deployed", log.read_text()
        address = f"http://127.0.0.1:{port}"
        with httpx2.Client(base_url=address, timeout=PATIENCE, trust_env=False) as client:
            served = Deployed(address, client, jobs, process.pid)
            served.until_ready()
            yield served
        process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """One door and one engine over SQLite."""
    folder = tmp_path_factory.mktemp("ray")
    with deploying(folder, f"sqlite:///{folder / 'jobs.db'}", doors=1, engines=1) as served:
        yield served
