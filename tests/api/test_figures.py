"""Height, weight and build as words; the face of a whole figure as five points."""

import numpy as np
import pytest

from api.figures import BUILDS, body_mass_index, build_words, figure_keypoints, figure_prompt, framing_of
from face.views import FACE_HEIGHT, frontal_interocular


def face_height(points: np.ndarray) -> float:
    return frontal_interocular(points) * FACE_HEIGHT


def test_the_body_mass_index_decides_what_height_and_weight_say() -> None:
    assert body_mass_index(170, 65) == pytest.approx(22.49, abs=0.01)
    assert build_words("athletic", 170, 65) == (("athletic, toned build",), ())
    assert build_words("average", 170, 110)[0] == ("very heavyset",)
    assert build_words("average", 170, 50)[0] == ("thin",)
    words, notes = build_words("slim", 170, 120)
    assert words == ("extremely heavyset", "slim build")
    assert "41.5" in notes[0]
    assert build_words("muscular", 180, 100) == (("muscular build, broad shoulders",), ())


def test_weight_alone_says_nothing() -> None:
    assert build_words("average", None, 200) == build_words("average", 200, None) == (("average build",), ())


def test_everything_that_is_known_is_in_the_prompt_and_nothing_else() -> None:
    prompt, _ = figure_prompt(
        body_type="curvy",
        pose="sitting",
        gender="female",
        age=40,
        ethnicity="Korean",
        skin_tone="light",
        height_cm=180,
        weight_kg=75,
        clothing="a red coat",
    )
    for word in ("tall adult Korean woman", "light skin", "curvy", "sitting", "a red coat", "full body"):
        assert word in prompt
    again, _ = figure_prompt(body_type="average", pose="standing", skin_tone="Light skin")
    assert ", Light skin, " in again
    bare, _ = figure_prompt(body_type="average", pose="standing")
    assert "person" in bare
    assert "None" not in bare


@pytest.mark.parametrize(
    ("gender", "word"), [("female", "girl"), ("male", "boy"), ("other", "person"), (None, "person")]
)
@pytest.mark.parametrize("age", [1, 9, 17])
@pytest.mark.parametrize("body_type", BUILDS)
def test_of_children_no_figure_is_described(gender, word, age, body_type) -> None:
    prompt, notes = figure_prompt(
        body_type=body_type, pose="standing", gender=gender, age=age, height_cm=120, weight_kg=60
    )
    assert word in prompt
    for said in ("build", "figure", "curvy", "heavyset", "toned", "short", "woman", " man", "androgynous"):
        assert said not in prompt
    assert "below 18" in notes[0]
    assert "curvy" in figure_prompt(body_type="curvy", pose="standing", age=18)[0]


@pytest.mark.parametrize("pose", ["standing", "walking", "sitting"])
@pytest.mark.parametrize("size", [(832, 1216), (896, 1152), (640, 1536)])
def test_the_face_of_a_whole_figure_is_small_and_high(pose, size) -> None:
    points, shown = figure_keypoints(pose, 170, size, smallest_face=0.02)
    assert shown == 1.0
    assert points[:, 1].max() < 0.25 * size[1]
    assert points[:, 0].mean() == pytest.approx(size[0] / 2, abs=2)
    share = face_height(points) / size[1]
    assert 0.08 < share < 0.14


def test_somebody_who_sits_and_somebody_short_has_a_larger_face_in_the_picture() -> None:
    size = (832, 1216)
    standing = face_height(figure_keypoints("standing", 180, size, 0.02)[0])
    assert face_height(figure_keypoints("sitting", 180, size, 0.02)[0]) == pytest.approx(standing / 0.77, rel=0.02)
    assert face_height(figure_keypoints("standing", 100, size, 0.02)[0]) > 1.2 * standing


def test_weights_that_draw_no_small_face_get_a_larger_one_and_the_words_for_it() -> None:
    points, shown = figure_keypoints("standing", 170, (128, 160), smallest_face=0.62)
    assert face_height(points) == pytest.approx(0.62 * 128, rel=0.02)
    assert 0.1 < shown < 0.3
    assert points.min() >= 0
    assert points[:, 1].max() < 160
    assert "full body" not in figure_prompt(body_type="slim", pose="standing", shown=shown)[0]
    assert "close-up" not in framing_of(shown).negative
    assert "close-up" in framing_of(1.0).negative
