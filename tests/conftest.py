"""A whole InstantID at toy size, shared by the tests of everything above the pipeline."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from weights.registry import PROFILES


@pytest.fixture(scope="session")
def tiny_profile():
    return replace(
        PROFILES["miniature"],
        name="tiny",
        turbo="few-steps",
        fast=(),
        size=(64, 64),
        sizes=(("Square", 64, 64),),
        size_step=16,
        min_side=48,
        steps=3,
        guidance=3.0,
        keypoint_base_side=64,
    )


@pytest.fixture(scope="session")
def engine(tiny_profile):
    """One engine for the whole session: whatever a test leaves behind in it, another test sees."""
    from generation.engine import Engine
    from tests.steady_faces import SteadyAnalyzer
    from tests.tiny_engine import tiny_pipeline

    return Engine(tiny_pipeline(), SteadyAnalyzer(), tiny_profile)


@pytest.fixture(scope="session")
def photo():
    """A picture of noise: what SteadyAnalyzer takes for a face."""
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (80, 80, 3), np.uint8))
