"""`python cli.py doctor` and `python cli.py download`, as a person runs them."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cli
from weights.published import WEIGHTS, File, Weight

ROOT = Path(__file__).parent.parent.parent
TINY = Weight(
    "tiny", "someone/weights", None, (File("config.json"), File("adapter.bin")), "MIT", "Be kind.", "for tests"
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WEIGHTS, "tiny", TINY)
    monkeypatch.setenv("COLUMNS", "120")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, answer: str = "") -> int:
    """The exit code of a command line."""
    monkeypatch.setattr(sys, "argv", ["cli.py", *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


def test_nothing_is_fetched_before_a_yes(tmp_path: Path, hub, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    models = tmp_path / "models"
    assert run(monkeypatch, "download", "--weight", "tiny", "--models-dir", str(models), answer="n\n") == 1
    told = capsys.readouterr()
    assert "someone/weights" in told.out and "Be kind." in told.out and str(models) in told.out.replace("\n", "")
    assert hub.log == [] and not models.exists()


def test_download_fetches_verifies_and_asks_nobody_the_second_time(tmp_path: Path, hub, monkeypatch, capsys) -> None:
    """In a process of its own, because huggingface_hub reads HF_ENDPOINT when it is imported."""
    program = (
        f"import cli\nfrom weights.published import WEIGHTS, File, Weight\nWEIGHTS['tiny'] = {TINY!r}\ncli.main()\n"
    )
    command = ["download", "--weight", "tiny", "--models-dir", str(tmp_path / "models")]
    done = subprocess.run(
        [sys.executable, "-c", program, *command, "--yes"],
        cwd=ROOT,
        env={**os.environ, "HF_ENDPOINT": hub.endpoint},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Complete and verified." in done.stdout
    assert (tmp_path / "models" / "tiny" / "adapter.bin").read_bytes() == hub.files["adapter.bin"]

    asked = len(hub.log)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert run(monkeypatch, *command) == 0
    assert "Complete and verified." in capsys.readouterr().out
    assert len(hub.log) == asked


def test_doctor_reports_as_json_and_fails_only_for_damage(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "models" / "antelopev2").mkdir(parents=True)
    damaged = tmp_path / "models" / "antelopev2" / "scrfd_10g_bnkps.onnx"
    damaged.write_bytes(b"cut off")
    assert run(monkeypatch, "doctor", "--json", "--models-dir", str(tmp_path / "models")) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["ok"]
    assert [row["name"] for row in told["rows"] if row["state"] == "corrupt"] == ["antelopev2"]
    assert str(damaged) in str(told["rows"])
    assert {"cpu", "disk"} <= {row["name"] for row in told["rows"] if row["section"] == "Devices"}

    damaged.unlink()
    monkeypatch.setenv("INSTANTID_MODELS_DIR", str(tmp_path / "models"))
    assert run(monkeypatch, "doctor") == 0
    shown = capsys.readouterr().out
    assert "antelopev2" in shown and "428 MB" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["download"], "--profile or --weight"),
        (["download", "--profile", "sd15"], "There is no profile 'sd15'"),
        (["download", "--weight", "sd15"], "There are no weights 'sd15'"),
        (["download", "--profile", "sdxl", "--yes"], "Unset HF_HUB_OFFLINE"),
        (["doctor", "--faces-on", "abacus"], "Choose cpu or cuda"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(arguments: list[str], words: str, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("INSTANTID_MODELS_DIR", str(tmp_path))
    assert run(monkeypatch, *arguments) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: ") and words in told.err and told.err.count("\n") == 1
    assert told.out == ""
