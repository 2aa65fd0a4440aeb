"""The stages as commands: each does what it was asked, and takes nothing that was made otherwise."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from errors import RequestError
from training.miniature import bundle, prepared, recogniser, stages
from training.miniature.claims import fingerprint, once
from training.miniature.codec import CHANNELS
from training.miniature.dataset import draw, load
from training.miniature.template_map import template_map
from weights.bundle import check, read_sums

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "assets" / "miniature"
SHORT = {"steps": 1, "workers": 1, "batch": 2}
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder up to its landmarks, a step a stage; the drawings are in it too."""
    out = tmp_path_factory.mktemp("run")
    draw(4, 3, 0, out / "pictures", processes=1)
    draw(4, 1, 1, out / "references", processes=1)
    prepared.prepare_components(load(out / "pictures"), out / "components.npz", CHANNELS)
    stages.text(out, out)
    stages.base(out, out, **SHORT)
    return out


def step_of(folder: Path) -> int:
    return json.loads((folder / "checkpoint" / "progress.json").read_text())["step"]


def test_the_joint_stage_is_as_long_as_it_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RequestError, match="landmarks stage"):
        stages.joint(run, run, **SHORT)
    stages.landmarks(run, run, **SHORT)
    capsys.readouterr()
    stages.joint(run, run, **SHORT)
    assert step_of(run / "landmarks") == step_of(run / "joint") == 1
    told = json.loads((run / "landmarks" / "run.json").read_text())
    assert (told["plan.steps"], told["plan.batch"]) == (1, 2)
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["joint", "joint"]


def test_a_stage_refuses_another_run_s_files(run: Path) -> None:
    with pytest.raises(RequestError, match=r"base.checkpoint was made otherwise \(stage.seed\)"):
        stages.base(run, run, seed=5, **SHORT)
    with pytest.raises(RequestError, match=r"references.npy was made otherwise \(seed\)"):
        stages.landmarks(run, run, seed=5, **SHORT)
    with pytest.raises(RequestError, match=r"references.npy was made otherwise \(recogniser\)"):
        stages.landmarks(run, run, pack=ASSETS / "face_other", **SHORT)


def test_what_is_kept_is_made_once_and_of_the_same(tmp_path: Path) -> None:
    made: list[int] = []
    file = tmp_path / "kept.npy"

    def make() -> None:
        made.append(1)
        file.write_bytes(b"kept")

    for _ in range(2):
        once(file, {"seed": 0, "of": "a"}, make)
    assert made == [1]
    with pytest.raises(RequestError, match=r"kept.npy was made otherwise \(of, seed\)"):
        once(file, {"seed": 1, "of": "b"}, make)
    file.unlink()
    once(file, {"seed": 1, "of": "b"}, make)
    assert made == [1, 1]
    (tmp_path / "kept.npy.made_of.json").unlink()
    once(file, {"seed": 2}, make)
    assert made == [1, 1], "what somebody put there is taken as it is"


def test_large_files_are_told_apart_by_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.miniature.claims.SAMPLED", 2**20)
    content = bytearray(os.urandom(3 * 2**20))
    found = set()
    for place in (None, 0, 2**20, len(content) - 1):
        if place is not None:
            content[place] ^= 1
        (tmp_path / "large").write_bytes(content)
        found.add(fingerprint(tmp_path / "large"))
    assert len(found) == 4
    with pytest.raises(RequestError, match="Run the stages before"):
        fingerprint(tmp_path / "nothing")


def test_the_map_between_recognisers_is_fitted_and_leaves_with_them(run: Path, tmp_path: Path) -> None:
    to = Path(shutil.copytree(ASSETS, tmp_path / "bundle"))
    file = to / "face_other" / "adapter.safetensors"
    before = file.read_bytes()
    template_map(tmp_path / "data", to, people=22)
    first = file.read_bytes()
    check(to)
    assert first != before
    template_map(tmp_path / "data", to, people=22)
    assert file.read_bytes() == first
    bundle.write(run, to)
    assert file.exists(), "a run without face packs of its own leaves them alone"

    out = Path(shutil.copytree(run, tmp_path / "out"))
    (out / "face_other").mkdir()
    shutil.copy(ASSETS / "face" / "rec.onnx", out / "face_other" / "rec.onnx")
    bundle.write(out, to)
    assert not file.exists() and "face_other/adapter.safetensors" not in read_sums(to)
    with pytest.raises(RequestError, match=r"made otherwise \(face_other\)"):
        template_map(tmp_path / "data", to, people=22)


def test_a_recogniser_of_few_people_takes_no_other_s_checkpoint(tmp_path: Path) -> None:
    asked = ["--people", "8", "--steps", "1", "--batch", "8", "--data", str(tmp_path / "data"), "--out", str(tmp_path)]
    recogniser.main(asked)
    assert (tmp_path / "rec.onnx").exists()
    assert len(load(tmp_path / "data" / "wide")) == 4 and len(load(tmp_path / "data" / "unseen")) == 24
    with pytest.raises(RequestError, match=r"recogniser.pt was made otherwise \(net, seed\)"):
        recogniser.main([*asked, "--net", "residual", "--seed", "1"])


def test_the_foreign_recogniser_is_trained_as_long_as_the_shipped_one() -> None:
    steps = int(stages.OTHER_RECOGNISER[stages.OTHER_RECOGNISER.index("--steps") + 1])
    assert f"It was trained for {steps:,} steps of 96 crops" in (ASSETS / "README.md").read_text()


@pytest.mark.parametrize("program", ["training.miniature", "benchmarks.control"])
def test_programs_are_quiet_and_errors_are_one_line(program: str, tmp_path: Path) -> None:
    asked = ["text", "--data", str(tmp_path), "--out", str(tmp_path)] if program == "training.miniature" else ["--help"]
    found = subprocess.run([sys.executable, "-m", program, *asked], cwd=ROOT, capture_output=True, text=True)
    lines = found.stderr.splitlines()
    if asked[0] == "text":
        assert found.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: ")
    else:
        assert (found.returncode, lines) == (0, [])
