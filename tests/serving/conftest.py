"""The service on Ray, as small as it can be: a cluster in a process of its own, a door and an engine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.proof.conftest import ROOT, free_port

PATIENCE = 600


@dataclass(frozen=True)
class Deployed:
    client: httpx2.Client
    jobs: str
    cluster: int

    def until_ready(self) -> None:
        end = time.monotonic() + PATIENCE
        while self.client.get("/readyz").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.3)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """jobs: address of the job store; cluster: number of the process group to which everything of Ray's belongs."""
    folder, port = tmp_path_factory.mktemp("ray"), free_port()
    jobs = f"sqlite:///{folder / 'jobs.db'}"
    environ = os.environ | {
        "INSTANTID_JOBS": jobs,
        "INSTANTID_MODELS_DIR": str(folder / "models"),
        "INSTANTID_QUEUE_LIMIT": "8",
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
            [sys.executable, "-m", "tests.serving.cluster", str(port)],
            cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            start_new_session=True,
        )  # fmt: skip
    try:
        assert process.stdout
        assert process.stdout.readline().strip() == "deployed", log.read_text()
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False) as client:
            served = Deployed(client, jobs, process.pid)
            served.until_ready()
            yield served
        process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
