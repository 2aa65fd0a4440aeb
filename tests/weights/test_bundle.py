from pathlib import Path

import pytest

from errors import WeightsCorrupt, WeightsMissing
from weights.bundle import SUMS, check, read_sums, write_sums
from weights.hashing import git_blob_of, sha256_of
from weights.published import MINIATURE, Part, Weight
from weights.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shipped" / "base").mkdir(parents=True)
    (tmp_path / "shipped" / "base" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "shipped" / "README.md").write_text("a card")
    write_sums(tmp_path / "shipped")
    return tmp_path / "shipped"


def test_the_list_is_what_sha256sum_writes(folder: Path) -> None:
    digest = sha256_of(folder / "base" / "model.safetensors")
    assert (folder / SUMS).read_text() == f"{digest}  base/model.safetensors\n"
    assert read_sums(write_sums(folder).parent) == {"base/model.safetensors": digest}


def test_hashes_are_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "hello").write_bytes(b"hello\n")
    assert git_blob_of(tmp_path / "hello") == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert sha256_of(tmp_path / "hello") == "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"


def test_an_intact_folder_opens(folder: Path) -> None:
    check(folder)
    shipped = Weight("shipped", "", None, (), "MIT", "", "", folder=folder)
    assert Store(folder / "unused", offline=True).path(Part(shipped, "base")) == folder / "base"
    assert Store(folder / "unused", offline=True).status(shipped).verified == "hashed"


def test_a_changed_file_is_named_with_both_hashes(folder: Path) -> None:
    before = sha256_of(folder / "base" / "model.safetensors")
    (folder / "base" / "model.safetensors").write_bytes(b"Weights")
    with pytest.raises(WeightsCorrupt) as told:
        check(folder)
    assert "base/model.safetensors" in told.value.message and before in told.value.message
    shipped = Weight("shipped", "", None, (), "MIT", "", "", folder=folder)
    assert Store(folder / "unused", offline=True).status(shipped).corrupt


def test_a_missing_file_and_a_missing_list_are_told(folder: Path) -> None:
    (folder / "base" / "model.safetensors").unlink()
    with pytest.raises(WeightsMissing, match=r"base/model\.safetensors is missing"):
        check(folder)
    (folder / SUMS).unlink()
    with pytest.raises(WeightsMissing, match="SHA256SUMS"):
        check(folder)


def test_a_list_of_something_else_is_told(folder: Path) -> None:
    (folder / SUMS).write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(WeightsCorrupt, match="not a list"):
        check(folder)


def test_the_shipped_miniature_is_intact() -> None:
    assert MINIATURE.folder is not None
    check(MINIATURE.folder)
    listed = set(read_sums(MINIATURE.folder))
    assert {"ip-adapter.safetensors", "ControlNetModel/config.json", "base/model_index.json", "face/det.onnx"} <= listed


def test_the_shipped_card_is_filled_in() -> None:
    card = (MINIATURE.folder / "README.md").read_text()
    assert "## Measured" in card and "@" not in card
