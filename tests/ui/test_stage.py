"""The states of the stage, and that nothing a visitor typed becomes part of the page's code."""

import html
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from errors import NoFaceFound
from face.face import Face
from face.keypoints import view_keypoints
from generation.best import Candidate
from generation.colours import Colours
from ui import stage
from ui.session import Companion, Photo, Result, Session
from ui.theme import STYLE_SHEET
from ui.who import coach_html, pose_coach_html
from ui.wording import progress_line, seconds

NASTY = '<img src=x onerror="alert(1)">`${alert(2)}`'


def photo(faces: int) -> Photo:
    image = Image.new("RGB", (200, 100))
    found = tuple(
        Face(
            embedding=np.ones(512, np.float32),
            keypoints=view_keypoints("front", image.size),
            box=np.array([10 + 90 * number, 10, 90 + 90 * number, 90], np.float32),
            det_score=0.9,
            size=image.size,
        )
        for number in range(faces)
    )
    return Photo(image, "data:,", found)


def result(**changes) -> Result:
    values = {
        "path": Path("/files/results/abc/a b.png"),
        "size": (128, 160),
        "seed": 7,
        "identity": 0.61,
        "keypoint_error": 0.08,
        "seconds": 3.4,
        "settings": {"adapter_scale": 0.8, "identity_net_scale": 0.8},
        "thumbnail": "data:,t",
        "reference": "data:,r",
        "reports": (),
        "notes": (),
    }
    return Result(**{**values, **changes})


def test_done_shows_picture_numbers_and_strip() -> None:
    session = Session(results=[result(seed=1), result(seed=2, identity=None, keypoint_error=None)], selected=0)
    assert 'src="gradio_api/file=/files/results/abc/a%20b.png"' in stage.done(session)
    assert f"--wide:{result().size[0]}px" in stage.done(session), "a small picture is not blown up without end"
    words = re.sub("<[^>]+>", " ", stage.facts(session))
    assert "strong 0.61" in words and "seed  1" in words and "kept" in words
    strip = stage.strip(session)
    assert strip.count("<button") == 2
    assert strip.index("seed 2") < strip.index("seed 1"), "newest first"
    assert "not measurable" in strip


def test_comparing_lays_the_photo_over_the_result() -> None:
    session = Session(results=[result()], comparing="photo")
    assert 'class="before" src="data:,r"' in stage.done(session)
    assert 'type="range"' in stage.done(session)
    assert f"--wide:{result().size[0]}px" in stage.done(session)


def test_small_faces_before_and_after_are_laid_over_each_other() -> None:
    shown = result(before=Path("/files/results/abc/before.png"), before_identity=0.2)
    session = Session(results=[shown], comparing="before")
    assert 'class="before" src="gradio_api/file=/files/results/abc/before.png"' in stage.done(session)
    assert "before 0.20" in re.sub("<[^>]+>", "", stage.facts(session))


def test_each_person_has_a_score_and_a_swap_is_an_alarm() -> None:
    shown = stage.facts(Session(results=[result(people=((1, 0.6), (0, None)), swapped=True)]))
    words = re.sub("<[^>]+>", "", shown)
    assert "person 2 strong 0.60" in words
    assert "person 1 not measurable" in words
    assert words.index("person 2") < words.index("person 1"), "from left to right"
    assert "swapped" in words
    assert 'data-act="again"' in shown


def test_what_was_followed_what_was_left_out_and_the_colours_are_shown() -> None:
    candidates = (Candidate(3, 0.5, 0.1, kept=True), Candidate(4, None, None, kept=False))
    shown = stage.facts(
        Session(results=[result(followed=(("canny", "data:,e"),), candidates=candidates, colours=Colours(1.4, 1.1))])
    )
    assert 'src="data:,e"' in shown
    words = re.sub("<[^>]+>", "", shown)
    assert "Chosen of 2" in words
    assert "seed 3 0.50 kept" in words
    assert "seed 4 no face" in words
    assert "1.40× saturation" in words


@pytest.mark.parametrize(
    ("field", "name"), [("others", "photo A of person 2"), ("into", "picture to work on"), ("photos", "photo A")]
)
def test_a_failure_shows_the_photos_it_is_about(field: str, name: str) -> None:
    session = Session(photos=[photo(1)], others=[Companion([photo(0)])], ground=photo(0))
    assert f"{name}: " in stage.failed(NoFaceFound("Nobody.", field=field), session)


def test_a_low_likeness_comes_with_a_reason_and_a_button() -> None:
    shown = stage.facts(Session(results=[result(identity=0.1, settings={"adapter_scale": 0.3})]))
    assert 'data-act="advice"' in shown


def test_a_failure_says_what_to_do_and_shows_what_was_seen() -> None:
    error = NoFaceFound("No face was found in the photo.", field="photos", cure="Take another one.")
    shown = stage.failed(error, Session(photos=[photo(0), photo(2)]))
    assert "No face was found" in shown and "Take another one." in shown
    assert "no face seen" in shown and "2 faces seen" in shown
    assert "are kept" in shown


@pytest.mark.parametrize("who", ["photos", "template"])
def test_what_was_never_given_is_not_kept(who: str) -> None:
    assert "Your settings are kept." in stage.failed(ValueError(), Session(who=who))
    given = stage.failed(ValueError(), Session(who=who, photos=[photo(1)], template_file=b"[1, 2]"))
    assert f"Your {who} and settings are kept." in given


def test_an_unforeseen_failure_shows_nothing_of_its_insides() -> None:
    assert "secret" not in stage.failed(ValueError("secret"), Session())


@pytest.mark.parametrize(
    "shown",
    [
        stage.facts(Session(results=[result(notes=(NASTY,))])),
        stage.failed(NoFaceFound(NASTY, cure=NASTY), Session()),
    ],
)
def test_words_stay_words(shown: str) -> None:
    assert "<img" not in shown
    assert html.escape(NASTY) in shown


def test_each_face_of_a_group_is_a_button() -> None:
    group = photo(3)
    group.choice = 1
    shown = coach_html([photo(1), group], (), loading=False)
    assert shown.count('data-act="face"') == 3
    assert re.findall(r'aria-pressed="(\w+)"', shown) == ["false", "true", "false"]
    assert 'aria-label="Face 2 of 3 in photo B"' in shown
    assert 'data-photo="0-1"' in shown
    assert 'data-photo="2-0"' in coach_html([group], (), loading=False, person=2)
    assert 'data-photo="pose"' in pose_coach_html(Session(pose=group))


def test_progress_is_told_in_words() -> None:
    assert progress_line("denoising", 12, 30, 4.2) == "step 12 of 30 · 4 s left"
    assert progress_line("waiting", 1, 0, None) == "1 request before yours"
    assert seconds(80) == "1 min 20 s"


def test_an_unfinished_picture_is_shown_at_four_times_its_size_at_most(browser) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    style = STYLE_SHEET.read_text(encoding="utf-8")
    for size, wide in (((128, 96), 512), ((1024, 1024), 1440)):
        page.set_content(f"<style>{style}</style>{stage.working([Image.new('RGB', size)], 0.5)}")
        page.wait_for_function("document.querySelector('.stage img').naturalWidth > 0")
        box = page.locator(".stage img").bounding_box()
        assert 128 < box["width"] <= wide and 96 < box["height"] <= min(4 * size[1], 900)
    page.close()
