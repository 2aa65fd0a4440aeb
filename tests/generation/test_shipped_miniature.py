"""The weights that come with the app, from a drawn face to a scored picture, loaded as a user loads them."""

import numpy as np
import pytest
from PIL import Image

from generation.loading import load_engine
from generation.request import GenerationRequest, Progress
from generation.settings import Settings
from outputs.metadata import png_bytes, read_settings, request_from_settings
from training.miniature.draw import render
from training.miniature.person import Person
from training.miniature.shot import Shot


@pytest.fixture(scope="module")
def miniature():
    return load_engine("miniature", Settings(device="cpu"))


@pytest.fixture(scope="module")
def portraits():
    shot = Shot()
    return [Image.fromarray(render(Person.from_seed(seed), shot).image) for seed in (11, 12)]


def make(engine, photo, **wish):
    events = list(engine.generate(GenerationRequest(photos=(photo,), prompt="a portrait", seed=3, **wish)))
    return events[:-1], events[-1]


def test_a_drawn_face_becomes_a_scored_picture_that_can_be_made_again(miniature, portraits):
    progress, result = make(miniature, portraits[0], view="front")
    assert result.profile == "miniature"
    assert result.images[0].image.size == (128, 128)
    assert result.images[0].identity is not None, "no face was found in the picture"
    assert result.images[0].keypoint_error is not None
    assert any(isinstance(event, Progress) and event.previews for event in progress)
    assert result.settings["weights"]["miniature"]
    settings = read_settings(png_bytes(result.images[0], result.settings))
    assert settings is not None
    *_, again = miniature.generate(request_from_settings(settings, (portraits[0],)))
    assert np.array_equal(np.asarray(again.images[0].image), np.asarray(result.images[0].image))


def test_the_picture_follows_the_person_and_the_pose(miniature, portraits):
    pictures = [
        np.asarray(make(miniature, portrait, view=view)[1].images[0].image)
        for portrait, view in ((portraits[0], "front"), (portraits[1], "front"), (portraits[0], "tilt_left"))
    ]
    for number in (1, 2):
        assert np.abs(np.int16(pictures[number]) - np.int16(pictures[0])).mean() > 2
