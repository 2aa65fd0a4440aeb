"""Pictures to follow beside the face: edges, depth and poses, one row a kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from errors import PhotoError, RequestError
from face.photo import open_photo
from generation.annotate import ANNOTATORS
from generation.controls import Control
from ui.inbox import Inbox
from ui.session import Session
from ui.who import as_photo, photo_card, refused_html

if TYPE_CHECKING:
    from weights.registry import Profile

KINDS = tuple(ANNOTATORS)
WORDS = {"pose": "Pose", "canny": "Edges", "depth": "Depth"}
PARTS = ("on", "strength", "start", "end", "map")
STRENGTH = 0.7
FIELDS = tuple(f"{kind}_{part}" for kind in KINDS for part in PARTS)
"""Names of the controls on the page, five for each kind."""


def kinds_of(profile: Profile) -> tuple[str, ...]:
    """The kinds for which a profile has a net; one that would be shipped has to be there."""
    there = [
        kind
        for kind, part in profile.controls
        if part.weight.folder is None or (part.weight.folder / part.path / "config.json").is_file()
    ]
    return tuple(kind for kind in KINDS if kind in there)


def add_picture(session: Session, inbox: Inbox, kind: str, path: str) -> None:
    """Reads the picture that a control follows; what was wrong stands in `session.told`."""
    session.told.pop(kind, None)
    try:
        session.followed[kind] = as_photo(open_photo(inbox.take(path, field="controls"), field="controls"))
    except PhotoError as error:
        session.told[kind] = str(error)


def controls_of(session: Session, form: Mapping[str, Any]) -> dict[str, Any]:
    """The field `controls` of a request. Raises RequestError for a control without a picture, or that ends too soon."""
    chosen = []
    for kind in KINDS:
        if not form[f"{kind}_on"]:
            continue
        start, end = form[f"{kind}_start"], form[f"{kind}_end"]
        if start >= end:
            raise RequestError(
                f"{WORDS[kind]} end before they start." if kind == "canny" else f"{WORDS[kind]} ends before it starts.",
                field="controls",
                cure="Under Follow a picture, set its start below its end.",
            )
        own = session.followed.get(kind)
        by_pose = form["pose_mode"] == "picture" and session.pose is not None
        if own is None and not by_pose and not (form["ground_mode"] != "none" and session.ground is not None):
            raise RequestError(
                f"{WORDS[kind]} to follow: there is no picture for that yet.",
                field="controls",
                cure="Add one under Follow a picture, or take the pose from a picture under 2 Pose.",
            )
        picture = None if own is None else own.image
        chosen.append(Control(kind, form[f"{kind}_strength"], start, end, picture, bool(form[f"{kind}_map"])))
    return {"controls": tuple(chosen)} if chosen else {}


def followed_html(session: Session, kind: str) -> str:
    """The picture of a control, or where it comes from without one."""
    told = refused_html(session.told.get(kind, ""))
    own = session.followed.get(kind)
    if own is None:
        return told
    card = photo_card(own, kind, f"picture for {WORDS[kind].lower()}", "", "This picture is followed.", "used")
    return f'<ul class="coach">{card}</ul>{told}'


def form_of(followed: Any) -> dict[str, Any]:
    """Values of the page's controls from what settings say was followed."""
    values: dict[str, Any] = {}
    by_kind = {one["kind"]: one for one in followed or ()}
    for kind in KINDS:
        one = by_kind.get(kind, {})
        values |= {
            f"{kind}_on": kind in by_kind,
            f"{kind}_strength": one.get("strength", STRENGTH),
            f"{kind}_start": one.get("start", 0.0),
            f"{kind}_end": one.get("end", 1.0),
            f"{kind}_map": one.get("is_map", False),
        }
    return values
