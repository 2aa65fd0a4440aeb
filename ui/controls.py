"""Settings of a finished picture, back into the page's controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

from errors import RequestError
from outputs.metadata import read_settings, request_from_settings
from style_presets import STYLES, Style
from ui.form import MOST_STEPS, MOST_STRENGTH, label_of
from ui.pose import START, show_view
from ui.session import Session
from ui.wording import KEPT_POSE, POSE_MODES

if TYPE_CHECKING:
    from weights.registry import Profile


def settings_from_file(source: str | bytes, profile: Profile, styles: Mapping[str, Style] = STYLES) -> dict[str, Any]:
    """Settings in a PNG made by the app, with every value checked. Raises RequestError."""
    settings = read_settings(source)
    if settings is None:
        raise RequestError(
            "That picture holds no settings.",
            field="restore",
            cure="Take a PNG as it was downloaded here; pictures saved again by other programs lose them.",
        )
    stand_in = (Image.new("RGB", (64, 64)),)
    request = request_from_settings(settings, stand_in, profile=profile, face_choices=())
    return request.resolved(profile, styles).to_settings()


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
    if settings.get("loras"):
        left.append("the LoRA" if len(settings["loras"]) == 1 else "the LoRAs")
    if settings.get("guidance_end", 1.0) not in (None, 1.0):
        left.append("the end of guidance")
    return left


def controls_from(session: Session, settings: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """Values for the controls named in `ui.form.FIELDS`.

    settings: as `GenerationRequest.to_settings` writes them, resolved. Keypoints that came from a pose picture are
    kept in the session, under a pose choice of their own.
    """
    controls: dict[str, Any] = {
        "who_mode": "template" if settings.get("template") else "photos",
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
    }
    if settings.get("keypoints"):
        points = tuple((float(x), float(y)) for x, y in settings["keypoints"])
        session.kept_keypoints = (points, (settings["width"], settings["height"]))
        controls["pose_mode"] = gr.update(choices=[*POSE_MODES, KEPT_POSE], value="kept")
    elif settings.get("view"):
        controls["pose_mode"] = "view"
        controls["view"] = show_view(START, dict(settings))
    else:
        controls["pose_mode"] = "photo"
    return controls


def with_advice(controls: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Controls with what an `Advice` changes. Another seed is no control: the page draws one each time."""
    changed = dict(controls)
    for name, value in changes.items():
        if name == "window":
            changed["start"], changed["end"] = value
        elif name == "view":
            changed["view"] = {**changed["view"], "view": value}
        elif name == "seed":
            continue
        else:
            changed[name] = value
    return changed
