"""The weights that come with the app, from a drawn face to a scored picture, loaded as a user loads them."""

import numpy as np
import pytest
import skimage.data
from PIL import Image

from face.views import head_angles
from generation.loading import load_engine
from generation.request import GenerationRequest, Progress
from generation.settings import Settings
from outputs.metadata import png_bytes, read_settings, request_from_settings
from training.miniature.draw import render
from training.miniature.person import Person
from training.miniature.shot import Shot

CLOSE = {"view_size": 0.62, "view_centre": (0.5, 0.47)}
"""The face as large as the miniature was taught to draw it."""


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


def test_a_photograph_becomes_a_picture(miniature):
    _, result = make(miniature, Image.fromarray(skimage.data.astronaut()), view="front", **CLOSE)
    assert np.asarray(result.images[0].image).std() > 10
    assert [report.used for report in result.references] == [True]


def test_the_picture_follows_the_person(miniature, portraits):
    first, second = (
        np.asarray(make(miniature, portrait, view="front", **CLOSE)[1].images[0].image) for portrait in portraits
    )
    assert np.abs(np.int16(first) - np.int16(second)).mean() > 2


@pytest.mark.parametrize(
    ("views", "angle"),
    [(("tilt_left", "tilt_right"), 2), (("three_quarter_left", "three_quarter_right"), 0)],
    ids=["roll", "yaw"],
)
def test_the_picture_follows_the_pose(miniature, portraits, views, angle):
    measured = []
    for view in views:
        made = make(miniature, portraits[0], view=view, **CLOSE)[1].images[0]
        assert made.keypoint_error is not None, f"no face was found in the picture of the view {view}"
        (face, *_) = miniature.analyzer.find(made.image)
        measured.append(head_angles(face.keypoints)[angle])
    assert measured[1] - measured[0] > 10, "degrees between the two views, of which far more are asked for"
