"""The page's controls as one request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from errors import RequestError
from face.keypoints import carry_keypoints
from generation.request import GenerationRequest
from ui.pose import START, read_view
from ui.session import Session
from ui.template import template_of
from ui.who import require_face
from ui.wording import NO_PHOTO, NO_PHOTO_CURE, POSE_MISSING, POSE_MISSING_CURE

if TYPE_CHECKING:
    from weights.registry import Profile

MOST_STEPS = 60
MOST_STRENGTH = 1.5
"""Ends of the page's sliders; the engine allows more."""

FIELDS = (
    "who_mode",
    "prompt",
    "style",
    "pose_mode",
    "view",
    "detail",
    "shape",
    "negative",
    "steps",
    "guidance",
    "seed",
    "new_seed",
    "scheduler",
    "size",
    "count",
    "start",
    "end",
    "region",
)
"""Names of the controls, in the order in which gradio hands over their values."""


def build_request(session: Session, form: Mapping[str, Any], profile: Profile) -> GenerationRequest:
    """A request from the values of `FIELDS`. Raises RequestError for what is missing or makes no sense.

    The engine checks every range; here only what the page itself adds is checked.
    """
    who = {"template": template_of(session)} if form["who_mode"] == "template" else _photos(session)
    width, height = read_size(form["size"], profile)
    if form["start"] >= form["end"]:
        raise RequestError(
            "The guidance of the face ends before it starts.",
            field="identity_start",
            cure="Under More, set its start below its end.",
        )
    return GenerationRequest(
        **who,
        **_pose(session, form, (width, height)),
        prompt=form["prompt"] or "",
        negative_prompt=form["negative"] or "",
        style=form["style"],
        identity_net_scale=form["shape"],
        adapter_scale=form["detail"],
        identity_start=form["start"],
        identity_end=form["end"],
        steps=form["steps"],
        guidance=form["guidance"],
        seed=None if form["new_seed"] or form["seed"] is None else form["seed"],
        scheduler=form["scheduler"],
        width=width,
        height=height,
        count=form["count"],
        face_region=form["region"],
    )


def _photos(session: Session) -> dict[str, Any]:
    if not session.photos:
        raise RequestError(NO_PHOTO, field="photos", cure=NO_PHOTO_CURE)
    if not any(photo.faces is None or photo.faces for photo in session.photos):
        several = len(session.photos) > 1
        require_face(session.photos[0], field="photos", name="any of the photos" if several else "the photo")
    return {
        "photos": tuple(photo.image for photo in session.photos),
        "face_choices": tuple(photo.choice for photo in session.photos),
    }


def size_label(label: str, width: int, height: int) -> str:
    return f"{label} {width} × {height}"


def size_labels(profile: Profile) -> list[str]:
    return [size_label(*preset) for preset in profile.sizes]


def label_of(profile: Profile, width: int, height: int) -> str:
    """The preset of this size, or else the first one."""
    fitting = [size_label(*preset) for preset in profile.sizes if preset[1:] == (width, height)]
    return (fitting or size_labels(profile))[0]


def read_size(label: Any, profile: Profile) -> tuple[int, int]:
    for preset in profile.sizes:
        if size_label(*preset) == label:
            return preset[1], preset[2]
    raise RequestError("That size is not offered.", field="width", cure="Choose one of the sizes under More.")


def _pose(session: Session, form: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    mode = form["pose_mode"]
    if mode == "picture":
        if session.pose is None:
            raise RequestError(POSE_MISSING, field="pose", cure=POSE_MISSING_CURE)
        require_face(session.pose, field="pose", name="the pose picture")
        return {"pose": session.pose.image, "pose_face": session.pose.choice}
    if mode == "view":
        return read_view(form["view"])
    if mode == "kept" and session.kept_keypoints is not None:
        points, made_at = session.kept_keypoints
        carried = carry_keypoints(points, made_at, size)
        return {"keypoints": tuple((float(x), float(y)) for x, y in carried)}
    return read_view(START) if form["who_mode"] == "template" else {}
