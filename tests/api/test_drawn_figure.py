"""The figure below a portrait: whole, in the portrait's colours, as wide as height and weight say."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from api.analysis import Analysis
from api.body import BodyOptions, below, figure_request
from api.drawn_figure import Figure
from api.figure_below import JEANS, TROUSERS, Below, figure_for
from api.figures import figure_keypoints
from face.views import FACE_HEIGHT, frontal_interocular
from weights.registry import PROFILES

GROUND, SKIN, HAIR, SHIRT = (230, 240, 250), (224, 172, 140), (90, 50, 30), (200, 40, 40)
KEYPOINTS = figure_keypoints("standing", 170, (128, 128), 0.62)[0]


@pytest.fixture
def portrait() -> Image.Image:
    """Hair, a face and red shoulders on a light ground, in colours that are flat but for the face."""
    pixels = np.empty((128, 128, 3), np.uint8)
    pixels[:] = GROUND
    pixels[6:110, 24:104] = HAIR
    pixels[26:112, 40:88] = SKIN + np.random.default_rng(1).integers(-6, 7, (86, 48, 1))
    pixels[112:, 8:120] = SHIRT
    return Image.fromarray(pixels)


def person(**changes) -> Figure:
    known = {"pose": "standing", "body_type": "average", "gender": None, "age": None}
    return figure_for(**{**known, "height_cm": 170, "weight_kg": 65, "clothing": None, **changes})


def drawn(portrait: Image.Image, **changes) -> np.ndarray:
    return np.asarray(Below(person(**changes), KEYPOINTS)(portrait), np.int32)


def like(pixels: np.ndarray, colour) -> np.ndarray:
    return np.abs(pixels - colour).max(axis=-1) < 12


def test_the_head_is_the_portraits_and_the_figure_whole(portrait) -> None:
    made = drawn(portrait)
    height, width = made.shape[:2]
    assert width / height == pytest.approx(0.5, abs=0.02)
    left, face = (width - 128) // 2, np.asarray(portrait)[30:100, 44:84]
    tops = [top for top in range(60) if np.array_equal(made[top + 30 : top + 100, left + 44 : left + 84], face)]
    assert len(tops) == 1
    head = frontal_interocular(KEYPOINTS) * 230 / 63
    figure = np.flatnonzero((np.abs(made - GROUND).max(axis=-1) > 40).any(axis=1))
    assert (figure[-1] - figure[0]) / head == pytest.approx(7.5, abs=0.3)
    # air above, below and at both sides
    for edge in (made[0], made[-1], made[:, 0], made[:, -1]):
        assert like(edge, GROUND).all()


def test_skin_and_clothes_are_the_portraits(portrait) -> None:
    made = drawn(portrait, clothing="a shirt and black trousers")
    lower = made[made.shape[0] // 4 :]
    for colour in (SHIRT, SKIN, (40, 40, 44)):
        assert like(lower, colour).mean() > 0.005
    # behind the head there is one colour, whatever the weights put there
    uneven = np.asarray(portrait).copy()
    uneven[:6] = (250, 250, 240)
    assert like(drawn(Image.fromarray(uneven))[:40], GROUND).mean() > 0.9


def widest(pixels: np.ndarray, low: float, high: float) -> int:
    rows = pixels[round(low * len(pixels)) : round(high * len(pixels))]
    return int((np.abs(rows - GROUND).max(axis=-1) > 40).sum(axis=1).max())


def test_height_and_weight_are_seen(portrait) -> None:
    waists = [widest(drawn(portrait, weight_kg=kg), 0.42, 0.46) for kg in (45, 65, 90, 130)]
    assert waists == sorted(set(waists))
    assert waists[-1] > 1.3 * waists[0]
    assert widest(drawn(portrait, body_type="muscular"), 0.22, 0.3) > widest(drawn(portrait), 0.22, 0.3)
    assert drawn(portrait, height_cm=190).shape[0] > drawn(portrait, height_cm=150).shape[0]


def test_somebody_who_sits_is_less_high_and_walking_lifts_a_foot(portrait) -> None:
    standing, walking = drawn(portrait), drawn(portrait, pose="walking")
    assert drawn(portrait, pose="sitting").shape[0] < 0.9 * standing.shape[0]
    assert walking.shape == standing.shape
    half = standing.shape[1] // 2
    assert np.abs(standing[-80:, :half] - standing[-80:, ::-1][:, :half]).mean() < 3
    assert np.abs(walking[-80:, :half] - walking[-80:, ::-1][:, :half]).mean() > 3


def test_of_children_no_build_is_drawn() -> None:
    child = person(age=9, height_cm=130, weight_kg=70, body_type="curvy", gender="female")
    assert child == person(age=9, height_cm=130, weight_kg=25, body_type="slim", gender="male")


@pytest.mark.parametrize(
    ("clothing", "legs", "skirt"),
    [
        (None, TROUSERS, False),
        ("white shirt, jeans", JEANS, False),
        ("a green skirt", (66, 132, 80), True),
        ("a blue suit", None, False),
        ("a pink dress", None, True),
        ("pants", TROUSERS, False),
    ],
)
def test_clothes_are_understood_where_they_can_be(clothing, legs, skirt) -> None:
    figure = person(clothing=clothing)
    assert (figure.legs, figure.skirt) == (legs, skirt)


@pytest.mark.parametrize(
    ("clothing", "colour"),
    [
        ("a blue suit", (60, 96, 170)),
        ("green shirt, black trousers", (66, 132, 80)),
        ("a yellow dress", (236, 204, 80)),
        ("a suit", SHIRT),
        ("a green skirt", SHIRT),
    ],
)
def test_what_is_worn_above_has_the_colour_that_was_said(portrait, clothing, colour) -> None:
    made = drawn(portrait, clothing=clothing)
    chest = made[round(0.25 * len(made)) : round(0.4 * len(made)), made.shape[1] // 2]
    assert like(chest, colour).mean() > 0.5


def test_only_weights_of_drawn_heads_get_one_and_only_without_a_size(photo) -> None:
    def drawn_below(profile, **asked) -> Below | None:
        options = BodyOptions(**asked)
        return below(options, Analysis(), figure_request(options, Analysis(), [photo], profile)[0], profile)

    assert drawn_below(PROFILES["miniature"]) is not None
    assert drawn_below(PROFILES["miniature"], width=128, height=160) is None
    assert drawn_below(PROFILES["realvisxl"]) is None
    assert drawn_below(replace(PROFILES["miniature"], smallest_face=0.1)) is None
    assert FACE_HEIGHT * frontal_interocular(KEYPOINTS) == pytest.approx(0.62 * 128, rel=0.02)
