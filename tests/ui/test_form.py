"""The page's controls become one request, or an error that names what to do."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from errors import InstantIDError, NoFaceFound, RequestError
from face.face import Face
from face.keypoints import VIEWS, view_keypoints
from generation.request import GenerationRequest
from generation.strengths import STRENGTHS
from ui.company import move
from ui.followed import form_of
from ui.form import FIELDS, build_request, label_of, read_size, size_labels
from ui.pose import LARGEST, first_view, read_view
from ui.session import ChosenLora, Companion, Photo, Session
from ui.speed import SPEEDS, STRENGTH_SLIDERS, speed_values, strength_values, ways_of
from weights.registry import PROFILES

PROFILE = PROFILES["miniature"]
START = first_view(PROFILE)


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
    values: dict[str, Any] = {
        "speed": "quality",
        "way": "few-steps",
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
        "guidance_start": 0.0,
        "guidance_end": 1.0,
        "adapter_start": 0.0,
        "adapter_end": 1.0,
        "rescale": 0.0,
        "noise": 0.0,
        "refine": "never",
        "compare_colours": False,
        "best_of": 1,
        "people": 1,
        "ground_mode": "none",
        "ground_strength": 0.6,
        **form_of(()),
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


def test_people_stand_in_the_order_that_was_chosen() -> None:
    session = Session(photos=[photo()], others=[Companion([photo()]), Companion(), Companion()])
    assert build_request(session, form(people=2), PROFILE).assignment == (0, 1)
    move(session, 2, 0, 1)
    request = build_request(session, form(people=2), PROFILE).resolved(PROFILE)
    assert request.assignment == (1, 0)
    assert len(request.others) == 1
    move(session, 2, 0, -1)
    assert session.order == (1, 0), "nobody stands further to the left"


def test_a_picture_to_start_from_decides_the_size() -> None:
    ground = Photo(Image.new("RGB", (300, 200)), "data:,")
    session = Session(photos=[photo()], ground=ground, mask=Image.new("L", (300, 200), 255))
    request = build_request(session, form(ground_mode="start"), PROFILE).resolved(PROFILE)
    assert request.start_picture is ground.image
    assert request.mask is session.mask
    assert request.width > request.height
    assert request.strength == 0.6


def test_a_control_follows_its_own_picture_or_that_of_the_pose() -> None:
    own, pose = photo(), photo()
    session = Session(photos=[photo()], pose=pose, followed={"canny": own})
    wish = form(canny_on=True, canny_strength=0.5, canny_map=True, depth_on=True, pose_mode="picture")
    canny, depth = build_request(session, wish, PROFILE).resolved(PROFILE).controls
    assert (canny.kind, canny.strength, canny.picture, canny.is_map) == ("canny", 0.5, own.image, True)
    assert (depth.kind, depth.picture) == ("depth", pose.image)


def test_loras_speed_and_the_best_of_several_are_handed_over() -> None:
    session = Session(photos=[photo()], loras=[ChosenLora("owner/style", "owner/style", 0.4)])
    request = build_request(session, form(speed="turbo", count=2, best_of=6), PROFILE)
    assert [(one.path, one.weight) for one in request.loras] == [("owner/style", 0.4)]
    assert (request.mode, request.count, request.best_of) == ("few-steps", 2, 6)
    assert build_request(session, form(count=4, best_of=4), PROFILE).best_of is None


@pytest.mark.parametrize("mode", [*SPEEDS, *ways_of(PROFILE)])
def test_a_speed_moves_the_sliders_to_what_the_engine_does(mode: str) -> None:
    settled = GenerationRequest(photos=(photo().image,), mode=mode).resolved(PROFILE)
    values = speed_values(mode, PROFILE)
    assert values["steps"] == settled.steps
    assert values["guidance"] == settled.guidance
    assert (values["guidance_start"], values["guidance_end"]) == (settled.guidance_start, settled.guidance_end)
    assert (values["scheduler"], values["end"]) == (settled.scheduler, settled.identity_end)


@pytest.mark.parametrize("preset", STRENGTHS)
def test_a_preset_moves_the_sliders_to_what_the_engine_does(preset: str) -> None:
    settled = GenerationRequest(photos=(photo().image,), strengths=preset).resolved(PROFILE)
    values = strength_values(preset)
    assert set(values) == set(STRENGTH_SLIDERS)
    assert (values["detail"], values["shape"]) == (settled.adapter_scale, settled.identity_net_scale)
    assert (values["rescale"], values["noise"]) == (settled.guidance_rescale, settled.face_noise)
    assert (values["adapter_start"], values["end"]) == (settled.adapter_start, settled.identity_end)


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
        (Session(photos=[photo()]), {"adapter_start": 0.6, "adapter_end": 0.6}, RequestError, "adapter_start"),
        (Session(photos=[photo()]), {"guidance_start": 0.6, "guidance_end": 0.4}, RequestError, "guidance_start"),
        (Session(photos=[photo()]), {"people": 2}, RequestError, "others"),
        (Session(photos=[photo()], others=[Companion([photo(0)])]), {"people": 2}, NoFaceFound, "others"),
        (Session(photos=[photo()]), {"people": 9}, RequestError, "others"),
        (Session(photos=[photo()]), {"ground_mode": "into"}, RequestError, "into"),
        (Session(photos=[photo()], ground=photo(0)), {"ground_mode": "into"}, NoFaceFound, "into"),
        (Session(photos=[photo()]), {"ground_mode": "start"}, RequestError, "start_picture"),
        (Session(photos=[photo()]), {"canny_on": True}, RequestError, "controls"),
        (
            Session(photos=[photo()], followed={"canny": photo()}),
            {"canny_on": True, "canny_end": 0.0},
            RequestError,
            "controls",
        ),
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


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"start": 0.6, "end": 0.4}, "Face shape ends"), ({"size": "9 x 9"}, "under Speed, size, number, seed")],
)
def test_errors_name_what_the_page_shows(changes: dict, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        build_request(Session(photos=[photo()]), form(**changes), PROFILE)
