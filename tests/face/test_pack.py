"""Packs as people have them: nested, half unpacked, damaged, or with a model missing."""

import shutil
from pathlib import Path

import pytest

from errors import WeightsCorrupt, WeightsMissing
from face.pack import find_pack, open_pack

CPU = ["CPUExecutionProvider"]


@pytest.mark.parametrize("inside", ["antelopev2", "models/antelopev2/antelopev2"])
def test_a_nested_pack_is_found(flag_pack, tmp_path, inside):
    shutil.copytree(flag_pack, tmp_path / "antelopev2" / inside)
    (tmp_path / "antelopev2" / "__MACOSX").mkdir()
    (tmp_path / "antelopev2" / "__MACOSX" / "._det.onnx").write_bytes(b"\0")
    pack = open_pack(tmp_path / "antelopev2", CPU)
    assert Path(pack.detector.model_file).parent == tmp_path / "antelopev2" / inside


def test_a_pack_is_known_by_its_absolute_path(flag_pack, monkeypatch):
    monkeypatch.chdir(flag_pack.parent)
    assert find_pack(Path("flags")) == flag_pack.absolute()


def test_folders_without_one_pack_are_missing(flag_pack, tmp_path):
    with pytest.raises(WeightsMissing, match="no face pack") as caught:
        open_pack(tmp_path / "nowhere", CPU)
    assert caught.value.cure and str(tmp_path / "nowhere") in caught.value.message
    with pytest.raises(WeightsMissing, match=r"no \.onnx files"):
        open_pack(tmp_path, CPU)
    for name in ("one", "two"):
        shutil.copytree(flag_pack, tmp_path / name)
    with pytest.raises(WeightsMissing, match="several folders"):
        open_pack(tmp_path, CPU)


@pytest.mark.parametrize(("gone", "task"), [("det.onnx", "detection"), ("rec.onnx", "recognition")])
def test_a_missing_model_is_named_by_its_task(flag_pack, tmp_path, gone, task):
    shutil.copytree(flag_pack, tmp_path / "pack")
    (tmp_path / "pack" / gone).unlink()
    with pytest.raises(WeightsMissing, match=f"no model for {task}"):
        open_pack(tmp_path / "pack", CPU)


def test_a_recogniser_alone_borrows_a_detector(flag_pack, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(flag_pack / "rec.onnx", alone / "r50.onnx")
    with pytest.raises(WeightsMissing, match="no model for detection") as caught:
        open_pack(alone, CPU)
    assert "another pack" in caught.value.cure
    pack = open_pack(alone, CPU, detector_of=flag_pack)
    assert Path(pack.detector.model_file) == flag_pack / "det.onnx"
    assert Path(pack.recogniser.model_file) == alone / "r50.onnx"
    with pytest.raises(WeightsMissing, match="no model for detection"):
        open_pack(alone, CPU, detector_of=alone)
    whole = tmp_path / "whole"
    shutil.copytree(flag_pack, whole)
    assert Path(open_pack(whole, CPU, detector_of=flag_pack).detector.model_file) == whole / "det.onnx"


@pytest.mark.parametrize("name", ["det.onnx", "rec.onnx"])
@pytest.mark.parametrize("damage", ["empty", "half", "page"])
def test_a_damaged_model_is_named(flag_pack, tmp_path, name, damage):
    shutil.copytree(flag_pack, tmp_path / "pack")
    path = tmp_path / "pack" / name
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "page": b"<html>404</html>" * 50}[damage])
    with pytest.raises(WeightsCorrupt, match=name) as caught:
        open_pack(tmp_path / "pack", CPU)
    assert caught.value.field == name and "download" in str(caught.value)


def test_other_models_of_a_pack_are_left_alone(flag_pack, tmp_path):
    shutil.copytree(flag_pack, tmp_path / "pack")
    shutil.copy(flag_pack / "rec.onnx", tmp_path / "pack" / "zz_second.onnx")
    pack = open_pack(tmp_path / "pack", CPU)
    assert Path(pack.recogniser.model_file).name == "rec.onnx"
