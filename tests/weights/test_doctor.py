from pathlib import Path

import pytest

from weights import doctor
from weights.bundle import write_sums
from weights.doctor import Device, Machine, Row, examine, size_in_words
from weights.published import WEIGHTS, File, Weight
from weights.store import Store
from weights.table import findings, to_download


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models", offline=True)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Weight:
    weight = Weight("tiny", "someone/weights", None, (File("a.bin", 4),), "MIT", "Be kind.", "for tests")
    monkeypatch.setitem(WEIGHTS, "tiny", weight)
    return weight


def named(rows: list[Row], section: str, name: str) -> Row:
    (row,) = [row for row in rows if (row.section, row.name) == (section, name)]
    return row


def lay(store: Store, content: bytes) -> None:
    (store.models_dir / "tiny").mkdir(parents=True, exist_ok=True)
    (store.models_dir / "tiny" / "a.bin").write_bytes(content)


def test_an_empty_machine_is_no_failure(store: Store) -> None:
    rows = examine(store, Machine(devices=(Device("cpu", "a processor", 16, 9),)))
    assert "corrupt" not in {row.state for row in rows}
    assert named(rows, "Devices", "cpu").detail == "a processor, 9.0 of 16.0 GiB free"
    missing = named(rows, "Weights", "antelopev2")
    assert missing.state == "missing" and "428 MB" in missing.detail and "non-commercial research" in missing.detail
    assert missing.cure == "python cli.py download --profile sdxl"
    assert named(rows, "Weights", "lcm-lora-sdxl").cure == "python cli.py download --weight lcm-lora-sdxl"
    assert named(rows, "Profiles", "sdxl").cure == "python cli.py download --profile sdxl"
    assert not store.models_dir.exists(), "looking must leave nothing behind"


def test_every_requirement_is_held_against_the_lock(store: Store) -> None:
    rows = examine(store, Machine())
    assert named(rows, "Packages", "diffusers").detail == "0.42.1"
    assert {"gradio", "torch", "insightface"} <= {row.name for row in rows if row.section == "Packages"}


@pytest.mark.parametrize(
    ("wanted", "locked", "state", "words"),
    [
        ("pytest>=1", "pytest==1.0", "note", "tested with 1.0"),
        ("pytest<1", "", "wrong", "needs <1"),
        ("no-such-package-here", "", "wrong", "not installed"),
        ('pytest<1; sys_platform == "elsewhere"', "", None, ""),
        ("pytest>=1  # a remark", "# nothing", "ok", ""),
    ],
)
def test_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, locked: str, state, words: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"# all of it\n{wanted}\n")
    (tmp_path / "constraints.txt").write_text(locked)
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    rows = [row for row in examine(Store(tmp_path / "models"), Machine()) if row.section == "Packages"]
    assert [row.state for row in rows] == ([state] if state else [])
    assert all(words in row.detail for row in rows)


def test_a_provider_that_was_asked_for_and_is_not_active_has_a_cure(store: Store) -> None:
    session = {"rec.onnx": ["CPUExecutionProvider"]}
    asked = Machine(providers=session, wanted_provider="CUDAExecutionProvider")
    row = named(examine(store, asked), "Face models", "rec.onnx")
    assert row.state == "wrong" and "CPUExecutionProvider is active" in row.detail
    assert "pip uninstall -y onnxruntime" in row.cure and "\n" not in row.cure
    row = named(examine(store, Machine(providers=session)), "Face models", "rec.onnx")
    assert row.state == "ok" and row.detail == "runs on CPUExecutionProvider"


def test_a_weight_from_missing_to_verified_to_corrupt(store: Store, tiny: Weight) -> None:
    def row(deep: bool = False) -> Row:
        return named(examine(store, Machine(), deep=deep), "Weights", "tiny")

    assert row().state == "missing" and row().detail == "4 B, MIT"
    lay(store, b"good")
    assert row().detail == "4 B, not verified yet, MIT"
    Store(store.models_dir, offline=True).path(tiny)
    assert row().detail == "4 B, unchanged since verified, MIT"
    lay(store, b"evil")
    assert row().state == "ok", "the quick look leaves it at: not verified yet"
    assert row(deep=True).state == "corrupt" and "expected" in row(deep=True).detail
    lay(store, b"shorter")
    assert row().state == "corrupt" and "7 bytes, expected 4" in row().detail


def test_a_profile_is_ready_when_all_its_weights_are(store: Store, tmp_path: Path, monkeypatch) -> None:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "a.bin").write_bytes(b"good")
    write_sums(shipped)
    weight = WEIGHTS["miniature"]
    monkeypatch.setitem(WEIGHTS, "miniature", Weight("miniature", "", None, (), "MIT", "", "", folder=shipped))
    machine = Machine(runs={"miniature": "runs on cpu"})
    assert named(examine(store, machine), "Profiles", "miniature").detail == "ready; runs on cpu"
    assert named(examine(store, machine), "Weights", "miniature").state == "ok"
    (shipped / "a.bin").write_bytes(b"evil")
    assert named(examine(store, machine), "Weights", "miniature").state == "corrupt"
    assert weight.folder is not None


def test_tables_show_every_row_and_every_licence(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    rows = [Row("Weights", "tiny", "corrupt", "a[b] is damaged", "Delete [it].")]
    Console(width=100).print(findings(rows), to_download([WEIGHTS["antelopev2"], WEIGHTS["YamerMIX_v8"]]))
    shown = capsys.readouterr().out
    for words in ("tiny", "corrupt", "a[b] is damaged", "Delete [it].", "428 MB", "about 6.94 GB", "Non-commercial"):
        assert words in shown


def test_sizes_in_words() -> None:
    assert [size_in_words(size) for size in (7, 1_500, 2_000_000, 6_939_000_000)] == ["7 B", "2 kB", "2 MB", "6.94 GB"]
