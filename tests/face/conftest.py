"""Analyzers for the tests of this room."""

from pathlib import Path

import pytest

from face.analyzer import FaceAnalyzer
from tests.face.flags import save_detector, save_recogniser


@pytest.fixture(scope="session")
def flag_pack(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("packs") / "flags"
    save_detector(folder / "det.onnx")
    save_recogniser(folder / "rec.onnx")
    return folder


@pytest.fixture(scope="session")
def flags(flag_pack) -> FaceAnalyzer:
    return FaceAnalyzer(flag_pack, det_size=128)
