"""Question 2: where the pose comes from, and the picker of views with its pad for size and place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from errors import RequestError
from face.keypoints import VIEWS
from face.views import FACE_HEIGHT
from ui.heads import head_picture
from ui.theme import script

if TYPE_CHECKING:
    from weights.registry import Profile

SMALLEST, LARGEST = 0.2, 0.9


def first_view(profile: Profile) -> dict[str, Any]:
    """The picker's value before anybody touched it: the front, as large and where the weights draw heads by default."""
    x, y = profile.view_centre
    return {"view": "front", "size": profile.view_size, "x": x, "y": y, "aspect": 1.0}


def view_picker(profile: Profile) -> gr.HTML:
    """Radio buttons with drawn heads, a size slider and a pad. Its value is a dict like `first_view`."""
    tiles = "".join(
        f'<label data-view="{name}" title="{escape(view.label)}"><input type="radio" name="studio-view" value="{name}">'
        f'{head_picture(name)}<span class="unseen">{escape(view.label)}</span></label>'
        for name, view in VIEWS.items()
    )
    template = (
        f'<fieldset class="views"><legend class="unseen">View</legend>{tiles}</fieldset>'
        f'<div class="place" data-face-height="{FACE_HEIGHT}">'
        '<svg class="pad" tabindex="0" role="slider" aria-label="Place of the head, arrow keys move it" '
        'aria-valuemin="0" aria-valuemax="100" aria-valuenow="50"><g class="placed"></g></svg>'
        '<div><label class="range">Head size <output></output>'
        f'<input type="range" min="{SMALLEST}" max="{LARGEST}" step="0.01" aria-label="Head size"></label>'
        "<p>Drag the head, or focus it and use the arrow keys.</p></div></div>"
    )
    return gr.HTML(
        first_view(profile),
        html_template=template,
        js_on_load=script("view_picker"),
        apply_default_css=False,
        label="View",
        elem_id="view-picker",
    )


def read_view(value: Any) -> dict[str, Any]:
    """What the browser says about the view, checked: keys `view`, `view_size`, `view_centre` of a request.

    Raises RequestError for anything that the picker cannot have sent.
    """
    if not isinstance(value, dict) or value.get("view") not in VIEWS:
        raise RequestError("The view is not one of those shown.", field="view", cure="Choose a view again.")
    numbers = [value.get(key) for key in ("size", "x", "y")]
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
        raise RequestError("Size and place of the view are not numbers.", field="view_size", cure="Choose them again.")
    size, x, y = (float(number) for number in numbers if number is not None)
    return {
        "view": value["view"],
        "view_size": min(LARGEST, max(SMALLEST, size)),
        "view_centre": (min(1.0, max(0.0, x)), min(1.0, max(0.0, y))),
    }


def show_view(settings: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """The picker's value after the settings of a finished picture were taken over."""
    x, y = settings["view_centre"]
    return {**first_view(profile), "view": settings["view"], "size": settings["view_size"], "x": x, "y": y}
