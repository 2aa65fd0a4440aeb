"""Settings of a finished picture, back into the page's controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

from errors import RequestError
from generation import ranges
from generation.controls import KEPT, Control
from generation.modes import TURBO, lora_of
from generation.people import Person
from generation.request import lora_files
from outputs.metadata import read_settings, request_from_settings
from style_presets import STYLES, Style
from ui.company import MOST
from ui.followed import WORDS, form_of, kinds_of
from ui.form import MOST_STEPS, MOST_STRENGTH, label_of, size_for
from ui.likeness import WIDEST
from ui.loras import forget_file
from ui.pose import show_view
from ui.session import ChosenLora, Session
from ui.speed import SPEEDS, ways_of
from ui.wording import NEEDED, pose_modes

if TYPE_CHECKING:
    from weights.registry import Profile

STAND_IN = (Image.new("RGB", (64, 64), "white"),)


def settings_from_file(source: str | bytes, profile: Profile, styles: Mapping[str, Style] = STYLES) -> dict[str, Any]:
    """Settings in a PNG made by the app, with every value checked. Raises RequestError."""
    settings = read_settings(source)
    if settings is None:
        raise RequestError(
            "That picture holds no settings.",
            field="restore",
            cure="Take a PNG as it was downloaded here; pictures saved again by other programs lose them.",
        )
    request = request_from_settings(settings, STAND_IN, profile=profile, face_choices=(), **_stand_ins(settings))
    checked = request.resolved(profile, styles).to_settings()
    return {**checked, "files": list(lora_files(settings)), "other_weights": settings.get("profile") != profile.name}


def _stand_ins(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Pictures in the place of those that settings cannot hold, so that everything around them is checked."""
    needs = settings.get("needs")
    needs = [name for name in needs if isinstance(name, str)] if isinstance(needs, list) else []
    found: dict[str, Any] = {name: STAND_IN[0] for name in ("start_picture", "into", "mask") if name in needs}
    if "others" in needs:
        people = ranges.whole("others", settings.get("people", 2), 2, MOST)
        found["others"] = (Person(STAND_IN),) * (people - 1)
    if "controls" in needs:
        rows = settings.get("followed")
        rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        kept = [{name: row[name] for name in KEPT if name in row} for row in rows]
        found["controls"] = tuple(Control(**row, picture=STAND_IN[0]) for row in kept if "kind" in row)
    return found


def left_out(settings: Mapping[str, Any], profile: Profile) -> list[str]:
    """What of checked settings the form cannot show, in words."""
    width, height = settings["width"], settings["height"]
    left = []
    if (width, height) not in {preset[1:] for preset in profile.sizes}:
        left.append(f"the size {width} × {height}")
    if settings["steps"] > MOST_STEPS:
        left.append(f"more than {MOST_STEPS} steps")
    if max(settings["adapter_scale"], settings["identity_net_scale"]) > MOST_STRENGTH:
        left.append(f"a strength above {MOST_STRENGTH:g}")
    if settings.get("other_weights"):
        left.append("size, speed and LoRAs, which belong to other weights")
    return left


def missing(session: Session, settings: Mapping[str, Any]) -> list[str]:
    """What settings ask for that only the visitor has, and that is not on the page yet, in words."""
    gone = []
    needs = settings.get("needs") or ()
    if not session.photos and not settings.get("template"):
        gone.append("photos of the person")
    if settings.get("template") and session.template is None:
        gone.append("the template")
    others = session.others[: settings.get("people", 1) - 1]
    gone += [f"photos of person {number}" for number, one in enumerate(others, start=2) if not one.photos]
    here = {"start_picture": session.ground, "into": session.ground, "mask": session.mask}
    gone += [words for name, words in NEEDED.items() if name in needs and here[name] is None]
    kinds = [one["kind"] for one in settings.get("followed") or ()]
    gone += [
        f"the picture for {WORDS[kind].lower()}"
        for kind in kinds
        if kind not in session.followed and session.pose is None
    ]
    gone += [f"the LoRA file {name}" for name in _files(settings) if name not in {one.name for one in session.loras}]
    return gone


def _files(settings: Mapping[str, Any]) -> list[str]:
    return [*(settings.get("files") or ()), *lora_files(settings)]


def take_loras(session: Session, settings: Mapping[str, Any], profile: Profile) -> None:
    """The list of LoRAs as settings have it: uploaded files of the same name stay, that of a mode is left to it."""
    of_mode = lora_of(settings["mode"], profile) if settings.get("mode") else None
    uploaded = {one.name: one for one in session.loras if one.uploaded}
    rows = [row for row in settings.get("loras") or () if row["name"] != of_mode or row["weight"] != 1.0]
    wanted = {row["name"]: row["weight"] for row in rows}
    for name, one in uploaded.items():
        if name not in wanted and name not in _files(settings):
            forget_file(one)
    kept = []
    for name, weight in wanted.items():
        if name in uploaded:
            uploaded[name].weight = weight
            kept.append(uploaded[name])
        elif name not in _files(settings):
            kept.append(ChosenLora(name, name, weight))
    session.loras = kept + [one for name, one in uploaded.items() if name in _files(settings) and name not in wanted]


def controls_from(session: Session, settings: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """Values for the controls named in `ui.form.FIELDS`.

    settings: as `GenerationRequest.to_settings` writes them, resolved. Keypoints that came from a pose picture are
    kept in the session, under a pose choice of their own.
    """
    who = "template" if settings.get("template") else "photos"
    controls: dict[str, Any] = {
        "who_mode": who,
        "prompt": settings["prompt"],
        "style": settings["style"],
        "detail": min(settings["adapter_scale"], MOST_STRENGTH),
        "shape": min(settings["identity_net_scale"], MOST_STRENGTH),
        "negative": settings["negative_prompt"],
        "steps": min(settings["steps"], MOST_STEPS),
        "guidance": settings["guidance"],
        "seed": settings["seed"],
        "new_seed": False,
        "scheduler": settings["scheduler"],
        "size": label_of(profile, settings["width"], settings["height"]),
        "count": settings["count"],
        "start": settings["identity_start"],
        "end": settings["identity_end"],
        "region": settings["face_region"],
        "guidance_start": settings["guidance_start"],
        "guidance_end": settings["guidance_end"],
        "adapter_start": settings["adapter_start"],
        "adapter_end": settings["adapter_end"],
        "rescale": settings["guidance_rescale"],
        "noise": settings["face_noise"],
        "refine": settings["refine"],
        "compare_colours": settings["compare_colours"],
        "best_of": settings["best_of"] or 1,
        "people": settings.get("people", 1),
        **_speed(settings.get("mode"), profile),
        **_ground(settings),
        **form_of([one for one in settings.get("followed") or () if one["kind"] in kinds_of(profile)]),
    }
    session.order = None if settings.get("assignment") is None else tuple(settings["assignment"])
    take_loras(session, settings, profile)
    if settings.get("keypoints"):
        session.kept_keypoints = (_points(settings["keypoints"]), (settings["width"], settings["height"]))
        controls["pose_mode"] = gr.update(choices=pose_modes(who, kept=True), value="kept")
    elif settings.get("view"):
        controls["pose_mode"] = "view"
        controls["view"] = show_view(settings, profile)
    else:
        controls["pose_mode"] = "photo"
    return controls


def _speed(mode: str | None, profile: Profile) -> dict[str, Any]:
    ways = ways_of(profile)
    if mode in ways:
        return {"speed": TURBO, "way": mode}
    return {"speed": mode or SPEEDS[0], "way": ways[0]}


def _ground(settings: Mapping[str, Any]) -> dict[str, Any]:
    needs = settings.get("needs") or ()
    mode = "into" if "into" in needs else "start" if "start_picture" in needs else "none"
    return {"ground_mode": mode, **({} if settings["strength"] is None else {"ground_strength": settings["strength"]})}


def _points(value: Any) -> Any:
    """Nested tuples of floats: five points of a face, or of several."""
    return tuple(map(_points, value)) if isinstance(value, list | tuple) else float(value)


def with_advice(controls: dict[str, Any], changes: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """Controls with what an `Advice` changes. Another seed is no control: the page draws one each time."""
    changed = dict(controls)
    for name, value in changes.items():
        if name == "window":
            changed["start"], changed["end"] = value
        elif name == "view":
            changed["view"] = {**changed["view"], "view": value}
        elif name == "seed":
            continue
        elif value == WIDEST:
            changed[name] = size_for(MOST, None, profile)
        else:
            changed[name] = value
    return changed
