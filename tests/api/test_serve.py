"""`cli.py serve` as a process: the API alone, keys, a taken port, and an orderly end."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "assets" / "examples" / "person_1.jpg"
PATIENCE = 300
GRACE = 1
SLOW = {"steps": "200", "count": "8"}


def test_sigterm_under_load_ends_in_order(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path),
        "INSTANTID_JOBS": f"sqlite:///{tmp_path}/jobs.db",
        "INSTANTID_GRACE": str(GRACE),
        "HF_HUB_OFFLINE": "1",
    }
    log = tmp_path / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "cli.py", "serve", "--profile", "miniature", "--port", "0"],
            cwd=ROOT,
            env=environment,
            stderr=output,
            stdout=output,
        )
    try:
        address = _address(process, log)
        jobs = [_send(address) for _ in range(3)]
        while _state(address, jobs[0]) != "running":
            time.sleep(0.05)
        streams = [httpx2.stream("GET", f"{address}/api/v1/jobs/{job}/events", timeout=PATIENCE) for job in jobs[:2]]
        with streams[0] as running, streams[1] as waiting:
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            ends = [stream.read().decode().strip().split("\n\n")[-1] for stream in (waiting, running)]
            assert "event: error" in ends[0] and "not_ready" in ends[0]
            assert "event: failed" in ends[1] and "cancelled" in ends[1]
            assert process.wait(PATIENCE) == 0, log.read_text()
        assert time.monotonic() - began < GRACE + 10
    finally:
        process.kill()
        process.wait()
    assert {re.split("[-_]", path.name)[0] for path in tmp_path.iterdir()} <= {"jobs.db", "log.txt", "torchinductor"}
    from api.store import JobStore

    counts = JobStore(f"sqlite:///{tmp_path}/jobs.db").counts()
    assert (counts["queued"], counts["running"], counts["failed"]) == (2, 0, 1)
    assert "Traceback" not in log.read_text()
    assert "CancelledError" not in log.read_text()


def _address(process: subprocess.Popen, log: Path) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            try:
                if httpx2.get(f"{found[0]}/healthz", timeout=5).status_code == 200:
                    return found[0]
            except httpx2.HTTPError:
                pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def _send(address: str) -> str:
    photo = {"photos": PHOTO.read_bytes()}
    answer = httpx2.post(f"{address}/api/v1/generate", data=SLOW, files=photo, timeout=PATIENCE)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def _state(address: str, job: str) -> str:
    return httpx2.get(f"{address}/api/v1/jobs/{job}", timeout=PATIENCE).json()["state"]


def test_a_taken_port_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "cli.py", "serve", "--profile", "miniature", "--port", port]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert ran.returncode == 2
    assert ran.stderr.strip().splitlines()[-1].startswith("error: Nothing can listen")


def test_a_key_is_made_and_its_hash_is_accepted() -> None:
    from api.keys import hashed, owner_of
    from api.settings import ServiceSettings

    command = [sys.executable, "cli.py", "api-key", "alice"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True)
    key, entry = re.search(r"(iid_\S+)", ran.stdout)[1], re.search(r"(alice:\w+)", ran.stdout)[1]
    known = ServiceSettings.from_environment({"INSTANTID_API_KEYS": entry}).api_keys
    assert owner_of(key, known) == "alice"
    assert owner_of(key + "x", known) is None
    assert hashed(key) == entry.partition(":")[2]


@pytest.mark.parametrize(("thread", "reached"), [("generation", False), ("another", True)])
def test_a_process_whose_step_cannot_be_broken_off_ends_without_pythons_clean_up(thread: str, reached: bool) -> None:
    program = (
        "import atexit, threading, time; from commands.serve import _leave\n"
        "atexit.register(print, 'cleaned up')\n"
        f"threading.Thread(target=time.sleep, args=(60,), name={thread!r}, daemon=True).start()\n"
        "print('told'); _leave()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (ended.returncode, ended.stdout.split()[0]) == (0, "told")
    assert ("cleaned up" in ended.stdout) is reached
