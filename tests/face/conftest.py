"""Analyzers for the tests of this room."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from face.analyzer import FaceAnalyzer
from tests.face.flags import save_detector, save_recogniser

# A busy machine is no fault of the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def flag_pack(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("packs") / "flags"
    save_detector(folder / "det.onnx")
    save_recogniser(folder / "rec.onnx")
    return folder


@pytest.fixture(scope="session")
def flags(flag_pack) -> FaceAnalyzer:
    return FaceAnalyzer(flag_pack, det_size=128)
