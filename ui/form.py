"""The page's controls as one request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from errors import RequestError
from generation.into import size_like
from generation.people import carried
from generation.request import GenerationRequest
from ui.company import count_of, people_of
from ui.followed import FIELDS as FOLLOWED
from ui.followed import controls_of
from ui.ground import ground_of
from ui.loras import loras_of
from ui.pose import first_view, read_view
from ui.session import Session
from ui.speed import mode_of
from ui.template import template_of
from ui.who import require_face
from ui.wording import NO_PHOTO, NO_PHOTO_CURE, POSE_MISSING, POSE_MISSING_CURE

if TYPE_CHECKING:
    from weights.registry import Profile

MOST_STEPS = 60
MOST_STRENGTH = 1.5
"""Ends of the page's sliders; the engine allows more."""

FIELDS = (
    "speed",
    "way",
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
    "guidance_start",
    "guidance_end",
    "adapter_start",
    "adapter_end",
    "rescale",
    "noise",
    "refine",
    "compare_colours",
    "best_of",
    "people",
    "ground_mode",
    "ground_strength",
    *FOLLOWED,
)
"""Names of the controls, in the order in which gradio hands over their values."""


def build_request(session: Session, form: Mapping[str, Any], profile: Profile) -> GenerationRequest:
    """A request from the values of `FIELDS`. Raises RequestError for what is missing or makes no sense.

    The engine checks every range; here only what the page itself adds is checked.
    """
    who = {"template": template_of(session)} if form["who_mode"] == "template" else _photos(session)
    people = count_of(form["people"])
    ground = ground_of(session, form["ground_mode"], form["ground_strength"])
    width, height = read_size(form["size"], profile)
    if "start_picture" in ground:
        width, height = size_like(ground["start_picture"], profile)
    if form["guidance_start"] > form["guidance_end"]:
        raise RequestError(
            "Guidance ends before it starts.",
            field="guidance_start",
            cure="Under Speed, size, number, seed, set its start no higher than its end.",
        )
    for name, what in (("", "Face shape"), ("adapter_", "Face detail")):
        if form[f"{name}start"] >= form[f"{name}end"]:
            raise RequestError(
                f"{what} ends before it starts.",
                field=f"{name or 'identity_'}start",
                cure="Under Likeness in detail, set its start below its end.",
            )
    made = form["best_of"] if form["best_of"] > form["count"] else None
    return GenerationRequest(
        **who,
        **people_of(session, people),
        **ground,
        **controls_of(session, form),
        **loras_of(session),
        **({} if "into" in ground else _pose(session, form, (width, height), people, profile)),
        mode=mode_of(form["speed"], form["way"]),
        guidance_start=form["guidance_start"],
        guidance_end=form["guidance_end"],
        adapter_start=form["adapter_start"],
        adapter_end=form["adapter_end"],
        guidance_rescale=form["rescale"],
        face_noise=form["noise"],
        refine=form["refine"],
        compare_colours=form["compare_colours"],
        best_of=made,
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
        width=None if "into" in ground else width,
        height=None if "into" in ground else height,
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


def size_for(people: int, size: Any, profile: Profile) -> str:
    """The label of a size in which so many people have room: the widest for several, the profile's own for one again.

    size: the label chosen so far, which stays where neither applies.
    """
    widest = size_label(*max(profile.sizes, key=lambda preset: preset[1] / preset[2]))
    if people > 1:
        return widest
    return label_of(profile, *profile.size) if size == widest else size


def read_size(label: Any, profile: Profile) -> tuple[int, int]:
    for preset in profile.sizes:
        if size_label(*preset) == label:
            return preset[1], preset[2]
    raise RequestError("That size is not offered.", field="width", cure="Choose one under Speed, size, number, seed.")


def _pose(
    session: Session, form: Mapping[str, Any], size: tuple[int, int], people: int, profile: Profile
) -> dict[str, Any]:
    mode = form["pose_mode"]
    if mode == "picture":
        if session.pose is None:
            raise RequestError(POSE_MISSING, field="pose", cure=POSE_MISSING_CURE)
        require_face(session.pose, field="pose", name="the pose picture")
        return {"pose": session.pose.image, "pose_face": session.pose.choice if people == 1 else None}
    if mode == "view":
        return read_view(form["view"])
    if mode == "kept" and session.kept_keypoints is not None:
        points, made_at = session.kept_keypoints
        return {"keypoints": carried(points, made_at, size)}
    return read_view(first_view(profile)) if form["who_mode"] == "template" and form["ground_mode"] == "none" else {}
