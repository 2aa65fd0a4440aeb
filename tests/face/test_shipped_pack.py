"""The face pack that comes with the miniature, through the same door as every other pack."""

from pathlib import Path

import numpy as np
import pytest
from insightface.app import FaceAnalysis
from PIL import Image

from face.analyzer import FaceAnalyzer

PACK = Path(__file__).parents[2] / "assets" / "miniature" / "face"


@pytest.fixture(scope="module")
def miniature() -> FaceAnalyzer:
    return FaceAnalyzer(PACK, det_size=128)


def test_it_opens_with_both_models(miniature):
    assert len(miniature.active_providers()) == 2
    assert {provider for row in miniature.active_providers().values() for provider in row} == {"CPUExecutionProvider"}


def test_its_embeddings_are_insightfaces_own(miniature):
    """The keypoints are given, so that this holds whatever the detector sees."""
    pixels = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    points = np.array([[45, 50], [80, 52], [60, 70], [48, 90], [78, 92]], np.float32)
    ours = miniature._face(pixels, np.array([[30, 20], [100, 110]]), points, 1.0)
    recogniser = FaceAnalysis(name=str(PACK), providers=["CPUExecutionProvider"]).models["recognition"]
    theirs = recogniser.get(np.ascontiguousarray(pixels[:, :, ::-1]), type("Given", (), {"kps": points})())
    assert np.allclose(ours.embedding, theirs, atol=1e-3 * np.abs(theirs).max())


def test_an_empty_picture_has_no_face(miniature):
    assert miniature.find(Image.new("RGB", (128, 128), "white")) == []
