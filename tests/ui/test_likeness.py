"""Words for the measured numbers, and the advice that follows from them."""

import numpy as np
import pytest

from face.face import Face
from face.references import PhotoReport
from style_presets import NO_STYLE
from ui.controls import with_advice
from ui.likeness import FAIR, KEPT, ROUGHLY_KEPT, STRONG, advise, likeness_word, pose_word

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


def test_a_picture_without_a_face_gets_advice_too() -> None:
    advice = advise(None, {**OFFICIAL, "style": "Neon"}, (report(),))
    assert advice is not None
    assert advice.changes == {"style": NO_STYLE}


def test_advice_changes_the_controls_it_names() -> None:
    controls = {"detail": 0.4, "start": 0.2, "end": 0.8, "view": {"view": "up", "size": 0.5}}
    changed = with_advice(controls, {"detail": 0.8, "window": (0.0, 1.0), "view": "front", "seed": None})
    assert changed == {
        "detail": 0.8,
        "start": 0.0,
        "end": 1.0,
        "view": {"view": "front", "size": 0.5},
    }
