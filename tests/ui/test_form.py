"""The page's controls become one request, or an error that names what to do."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from errors import InstantIDError, NoFaceFound, RequestError
from face.face import Face
from face.keypoints import VIEWS, view_keypoints
from ui.form import FIELDS, build_request, label_of, read_size, size_labels
from ui.pose import LARGEST, START, read_view
from ui.session import Photo, Session
from weights.registry import PROFILES

PROFILE = PROFILES["miniature"]


def photo(faces: int | None = 1) -> Photo:
    image = Image.new("RGB", (128, 128), (200, 150, 120))
    face = Face(
        embedding=np.ones(512, np.float32),
        keypoints=view_keypoints("front", image.size),
        box=np.array([30, 20, 98, 110], np.float32),
        det_score=0.9,
        size=image.size,
    )
    return Photo(image, "data:,", None if faces is None else (face,) * faces)


def form(**changes: Any) -> dict[str, Any]:
    values = {
        "who_mode": "photos",
        "prompt": "a man in a garden",
        "style": "Neon",
        "pose_mode": "photo",
        "view": dict(START),
        "detail": 0.7,
        "shape": 0.9,
        "negative": "hat",
        "steps": 4,
        "guidance": 2.0,
        "seed": 5,
        "new_seed": False,
        "scheduler": PROFILE.scheduler,
        "size": label_of(PROFILE, *PROFILE.size),
        "count": 2,
        "start": 0.0,
        "end": 1.0,
        "region": True,
    }
    assert set(values) == set(FIELDS)
    return {**values, **changes}


def test_controls_become_a_request_the_engine_accepts() -> None:
    request = build_request(Session(photos=[photo()]), form(), PROFILE).resolved(PROFILE)
    assert (request.prompt, request.negative_prompt, request.style) == ("a man in a garden", "hat", "Neon")
    assert (request.adapter_scale, request.identity_net_scale) == (0.7, 0.9)
    assert (request.seed, request.count, request.steps) == (5, 2, 4)
    assert (request.width, request.height) == PROFILE.size
    assert request.pose is None and request.view is None


def test_a_new_seed_is_left_to_the_engine() -> None:
    assert build_request(Session(photos=[photo()]), form(new_seed=True), PROFILE).seed is None


def test_a_view_is_handed_over() -> None:
    view = {**START, "view": "up", "size": 0.4, "x": 0.3, "y": 0.6}
    request = build_request(Session(photos=[photo()]), form(pose_mode="view", view=view), PROFILE)
    assert (request.view, request.view_size, request.view_centre) == ("up", 0.4, (0.3, 0.6))


def test_a_kept_pose_follows_the_size() -> None:
    points = tuple((float(x), float(y)) for x, y in view_keypoints("front", (128, 128)))
    session = Session(photos=[photo()], kept_keypoints=(points, (128, 128)))
    tall = next(preset for preset in PROFILE.sizes if preset[1] < preset[2])
    request = build_request(session, form(pose_mode="kept", size=label_of(PROFILE, *tall[1:])), PROFILE)
    assert request.keypoints is not None
    moved = np.asarray(request.keypoints) - np.asarray(points)
    assert np.ptp(moved[:, 0]) < 1e-3, "the face keeps its width"
    assert moved[:, 1].mean() == pytest.approx((tall[2] - 128) / 2, abs=0.01)


@pytest.mark.parametrize(
    ("session", "changes", "kind", "field"),
    [
        (Session(), {}, RequestError, "photos"),
        (Session(photos=[photo(0)]), {}, NoFaceFound, "photos"),
        (Session(photos=[photo(0), photo(0)]), {}, NoFaceFound, "photos"),
        (Session(photos=[photo()]), {"pose_mode": "picture"}, RequestError, "pose"),
        (Session(photos=[photo()], pose=photo(0)), {"pose_mode": "picture"}, NoFaceFound, "pose"),
        (Session(photos=[photo()]), {"start": 0.6, "end": 0.4}, RequestError, "identity_start"),
        (Session(photos=[photo()]), {"size": "9 x 9"}, RequestError, "width"),
        (Session(photos=[photo()]), {"pose_mode": "view", "view": {"view": "behind"}}, RequestError, "view"),
    ],
)
def test_what_is_missing_is_said_with_a_cure(session: Session, changes: dict, kind: type, field: str) -> None:
    with pytest.raises(kind) as caught:
        build_request(session, form(**changes), PROFILE)
    assert isinstance(caught.value, InstantIDError)
    assert caught.value.field == field
    assert caught.value.cure


def test_photos_not_looked_at_yet_pass() -> None:
    build_request(Session(photos=[photo(None)]), form(), PROFILE)


def test_one_photo_with_a_face_is_enough() -> None:
    build_request(Session(photos=[photo(0), photo(1)]), form(), PROFILE)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_size_on_offer_can_be_read_back(profile: Any) -> None:
    sizes = [read_size(label, profile) for label in size_labels(profile)]
    assert sizes == [preset[1:] for preset in profile.sizes]


@pytest.mark.parametrize(
    "value", [None, "front", {}, {"view": "front", "size": "big", "x": 0, "y": 0}, {**START, "x": float("nan")}]
)
def test_a_forged_view_is_refused(value: Any) -> None:
    with pytest.raises(RequestError):
        read_view(value)


def test_a_view_outside_its_range_is_brought_inside() -> None:
    assert read_view({**START, "size": 9, "x": -3, "y": 7}) == {
        "view": "front",
        "view_size": LARGEST,
        "view_centre": (0.0, 1.0),
    }


def test_views_cover_the_library() -> None:
    assert {read_view({**START, "view": name})["view"] for name in VIEWS} == set(VIEWS)
