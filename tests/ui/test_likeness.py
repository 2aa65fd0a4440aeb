"""Words for the measured numbers, and the advice that follows from them."""

import numpy as np
import pytest

from face.face import Face
from face.references import PhotoReport
from style_presets import NO_STYLE
from ui.controls import with_advice
from ui.form import size_for
from ui.likeness import FAIR, KEPT, ROUGHLY_KEPT, STRONG, WIDEST, advise, likeness_word, pose_word
from weights.registry import PROFILES

OFFICIAL = {
    "adapter_scale": 0.8,
    "identity_net_scale": 0.8,
    "identity_start": 0.0,
    "identity_end": 1.0,
    "style": NO_STYLE,
    "view": None,
}


def report(*, face_px: float = 300, yaw: float = 0) -> PhotoReport:
    face = Face(
        embedding=np.ones(512, np.float32),
        keypoints=np.zeros((5, 2), np.float32),
        box=np.array([0, 0, face_px, face_px], np.float32),
        det_score=0.9,
        size=(512, 512),
    )
    return PhotoReport(0, True, face, 1, face_px, 500.0, yaw, None, "Sharp, front, used.")


@pytest.mark.parametrize(
    ("identity", "word"),
    [
        (None, "not measurable"),
        (-0.1, "weak"),
        (FAIR - 0.01, "weak"),
        (FAIR, "fair"),
        (STRONG, "strong"),
        (1.0, "strong"),
    ],
)
def test_likeness_has_a_word(identity: float | None, word: str) -> None:
    assert likeness_word(identity) == word


@pytest.mark.parametrize(
    ("error", "word"),
    [(None, "not measurable"), (0.0, "kept"), (KEPT, "kept"), (ROUGHLY_KEPT, "roughly kept"), (2.0, "not kept")],
)
def test_pose_has_a_word(error: float | None, word: str) -> None:
    assert pose_word(error) == word


def test_a_fair_likeness_needs_no_advice() -> None:
    assert advise(FAIR, OFFICIAL, (report(),)) is None


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({"view": "profile_left"}, {"view": "three_quarter_left"}),
        ({"identity_start": 0.2}, {"window": (0.0, 1.0)}),
        ({"adapter_scale": 0.4}, {"detail": 0.8}),
        ({"identity_net_scale": 0.4}, {"shape": 0.8}),
        ({"style": "Neon"}, {"style": NO_STYLE}),
        ({}, {"detail": 1.0}),
        ({"adapter_scale": 1.2}, {}),
    ],
)
def test_the_likeliest_cause_comes_first(settings: dict, changes: dict) -> None:
    advice = advise(0.1, {**OFFICIAL, **settings}, (report(),))
    assert advice is not None
    assert advice.reason
    assert advice.changes == changes
    assert bool(advice.button) == bool(changes)


@pytest.mark.parametrize("photo", [report(face_px=30), report(yaw=-60)])
def test_a_weak_photo_is_named(photo: PhotoReport) -> None:
    advice = advise(0.1, OFFICIAL, (photo,))
    assert advice is not None
    assert "photo" in advice.reason


@pytest.mark.parametrize(
    ("adapter", "words", "changes"), [(None, "recogniser", {}), ("0123456789ab", "another try", {"seed": None})]
)
def test_a_template_is_not_advised_about_photos(adapter, words, changes) -> None:
    settings = {**OFFICIAL, "adapter_scale": 1.2, "template": {"recogniser": None, "adapter": adapter}}
    advice = advise(0.1, settings, ())
    assert advice is not None
    assert words in advice.reason and "photo" not in advice.reason
    assert advice.changes == changes


def test_a_picture_without_a_face_gets_advice_too() -> None:
    advice = advise(None, {**OFFICIAL, "style": "Neon"}, (report(),))
    assert advice is not None
    assert advice.changes == {"style": NO_STYLE}


def test_advice_changes_the_controls_it_names() -> None:
    controls = {"detail": 0.4, "start": 0.2, "end": 0.8, "view": {"view": "up", "size": 0.5}}
    changed = with_advice(
        controls, {"detail": 0.8, "window": (0.0, 1.0), "view": "front", "seed": None}, PROFILES["miniature"]
    )
    assert changed == {
        "detail": 0.8,
        "start": 0.0,
        "end": 1.0,
        "view": {"view": "front", "size": 0.5},
    }


@pytest.mark.parametrize(
    ("size", "people", "told", "changes"),
    [
        ((128, 128), [(0, None), (1, 0.5)], "Person 1 was not found", {"size": WIDEST}),
        ((128, 128), [(1, None), (0, None)], "Person 1 and Person 2 were not found", {"size": WIDEST}),
        ((256, 128), [(0, 0.4), (1, None)], "Person 2 was not found", {"seed": None}),
    ],
)
def test_of_several_people_the_lost_one_is_named(size, people, told, changes) -> None:
    advice = advise(None, {**OFFICIAL, "width": size[0], "height": size[1]}, (report(),), people)
    assert advice is not None
    assert advice.reason.startswith(told)
    assert advice.changes == changes
    wide = with_advice({"size": "Square 128 × 128"}, changes, PROFILES["miniature"])
    assert wide["size"] == ("Wide 256 × 128" if "size" in changes else "Square 128 × 128")


def test_several_people_get_the_widest_size_and_one_the_usual_one_again() -> None:
    profile = PROFILES["miniature"]
    assert size_for(2, "Square 128 × 128", profile) == "Wide 256 × 128"
    assert size_for(1, "Wide 256 × 128", profile) == "Square 128 × 128"
    assert size_for(1, "Portrait 128 × 160", profile) == "Portrait 128 × 160"
