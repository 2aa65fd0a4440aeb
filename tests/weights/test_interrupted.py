"""What happens to a download whose process dies or whose disk refuses to take more."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from errors import WeightsMissing
from weights.published import File, Weight
from weights.store import Store

ROOT = Path(__file__).parent.parent.parent
PROGRAM = """
import sys
from weights.published import File, Weight
from weights.store import Store
from errors import InstantIDError
weight = Weight("tiny", "someone/weights", None, (File("big.bin"),), "MIT", "", "")
try:
    Store(sys.argv[1], offline=False, endpoint=sys.argv[2]).fetch(weight)
except InstantIDError as error:
    sys.exit(str(error))
"""
BIG = Weight("tiny", "someone/weights", None, (File("big.bin"),), "MIT", "", "")
SIZE = 48 * 1024**2


def start(models: Path, endpoint: str, **extra) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(models), endpoint], cwd=ROOT, stderr=subprocess.PIPE, text=True, **extra
    )


def on_disk(models: Path) -> int:
    return sum(path.stat().st_size for path in models.rglob("*.part"))


@pytest.mark.parametrize("part_of_it", [0.1, 0.5, 0.8])
def test_a_killed_download_is_continued_and_never_used_half(tmp_path: Path, hub, part_of_it: float) -> None:
    hub.files["big.bin"] = os.urandom(SIZE)
    hub.bytes_per_second = 40 * 1024**2
    models = tmp_path / "models"
    child = start(models, hub.endpoint)
    while on_disk(models) < part_of_it * SIZE and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    arrived = on_disk(models)
    assert part_of_it * SIZE <= arrived < SIZE
    with pytest.raises(WeightsMissing):
        Store(models, offline=True).path(BIG)

    hub.bytes_per_second = None
    hub.log.clear()
    root = Store(models, offline=False, endpoint=hub.endpoint).fetch(BIG)
    assert (root / "big.bin").read_bytes() == hub.files["big.bin"]
    assert f"bytes={arrived}-" in [asked for _, _, asked in hub.log]


def test_rubbish_in_a_partial_file_never_gets_a_name(tmp_path: Path, hub) -> None:
    hub.files["big.bin"] = os.urandom(SIZE)
    part = tmp_path / "models" / ".partial" / "tiny" / f"{hub.digest('big.bin')}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"rubbish")
    store = Store(tmp_path / "models", offline=False, endpoint=hub.endpoint)
    with pytest.raises(Exception, match="arrived damaged"):
        store.fetch(BIG)
    assert not part.exists() and not (store.models_dir / "tiny").exists()
    assert store.fetch(BIG).is_dir()


def test_a_disk_that_takes_no_more_is_told_in_one_line(tmp_path: Path, hub) -> None:
    hub.files["big.bin"] = os.urandom(SIZE)

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20 * 1024**2, 20 * 1024**2))

    child = start(tmp_path / "models", hub.endpoint, preexec_fn=little_room)
    _, told = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "someone/weights/big.bin: the disk is full" in told
    assert "Traceback" not in told


def test_two_downloads_at_once_share_the_work(tmp_path: Path, hub) -> None:
    hub.files["big.bin"] = os.urandom(SIZE)
    children = [start(tmp_path / "models", hub.endpoint) for _ in range(2)]
    assert [child.communicate(timeout=60)[1] for child in children] == ["", ""]
    assert hub.served == SIZE
