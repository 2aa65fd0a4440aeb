"""People in folders, and eyes whose neutral recogniser is a real one."""

import numpy as np
import pytest
from PIL import Image

from evaluation.measure import Eyes
from face.recogniser import Recogniser
from weights.registry import ASSETS


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """Three people with three photos each, pictures of noise, and one folder without a photo."""
    folder = tmp_path_factory.mktemp("people")
    random = np.random.default_rng(0)
    for person in ("ada", "ben", "eve"):
        (folder / person).mkdir()
        for number in range(3):
            noise = Image.fromarray(random.integers(0, 256, (80, 80, 3), np.uint8))
            noise.save(folder / person / f"{number}.png")
    (folder / "nobody").mkdir()
    return folder


@pytest.fixture(scope="session")
def neutral():
    return ASSETS / "miniature" / "face"


@pytest.fixture(scope="session")
def eyes(engine, neutral):
    return Eyes(engine.analyzer, Recogniser(neutral))
