"""The page: four questions on the left, the picture on the right, one button."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from generation.background import EngineRoom
from generation.strengths import STRENGTHS
from style_presets import STYLES, Style
from ui import wording as say
from ui.accelerator import accelerated
from ui.advanced import advanced
from ui.base import Bases
from ui.examples import examples
from ui.form import MOST_STRENGTH
from ui.header import header_html
from ui.inbox import Inbox
from ui.making import Making
from ui.pose import view_picker
from ui.results import KEPT_SECONDS, ResultFolder, forget, keep_swept
from ui.runs_on import connect_choice
from ui.session import Session
from ui.theme import script
from ui.tools import as_endpoint
from ui.what import style_picker
from ui.wiring import Wiring
from weights.registry import Profile

WAITING_ROOM = 20
TOOL_CALLS = 4
"""Calls of one tool that may wait for their answer at once."""

SWEPT = (300, KEPT_SECONDS)
"""How often gradio looks for old files and how old they may grow, in seconds. It counts results among them; uploads
are deleted by the page as soon as they are read."""


def build_page(
    room: EngineRoom,
    profile: Profile,
    files: Path,
    styles: Mapping[str, Style] = STYLES,
    bases: Bases | None = None,
    tools: Sequence[Callable[..., bytes]] = (),
) -> gr.Blocks:
    """The page, ready to launch.

    Args:
        room: where the engine is or will be.
        profile: of the weights in that room; sizes and defaults come from it.
        files: folder that gradio serves (GRADIO_TEMP_DIR); results are written under it.
        styles: the presets on offer, by name.
        bases: changes the base model; None where visitors may not.
        tools: functions that make a PNG, which gradio's clients and language models may call by their names.
    """
    folder = ResultFolder(files)
    loras = ResultFolder(files, "loras")
    inbox = Inbox(files)
    keep_swept(folder, loras, inbox)
    shown = examples(styles)
    making = Making(room, profile, accelerated(room), folder, shown, styles)
    with gr.Blocks(title=say.PRODUCT, analytics_enabled=False, fill_width=True, delete_cache=SWEPT) as page:
        parts: dict[str, Any] = {"session": gr.State(Session(), delete_callback=forget)}
        parts["header"] = gr.HTML(header_html(room, profile), elem_id="header", apply_default_css=False)
        with gr.Row(elem_id="desk", equal_height=False):
            with gr.Column(elem_id="form", min_width=0):
                _who(parts)
                _pose(parts, profile)
                _what(parts, styles)
                _likeness(parts, profile)
                advanced(parts, profile, room, bases)
                with gr.Row(elem_id="go"):
                    parts["make"] = gr.Button("Make pictures", variant="primary", elem_id="make")
            with gr.Column(elem_id="show", min_width=0):
                _show(parts, making)
        gr.HTML(f'<p class="privacy">{say.PRIVACY}</p>', elem_id="foot", apply_default_css=False)
        parts["timer"] = gr.Timer(1.0, active=True)
        parts["ticket"] = gr.Textbox(visible=False)
        Wiring(page, parts, making, inbox, shown, loras.root, bases).connect()
        connect_choice(page, parts, room, profile)
        for tool in tools:
            gr.api(as_endpoint(tool, folder), concurrency_limit=TOOL_CALLS)
    page.queue(max_size=WAITING_ROOM, default_concurrency_limit=4, api_open=False)
    return page


def _section(number: int, title: str, hint: str) -> gr.HTML:
    return gr.HTML(say.heading(number, title, hint), apply_default_css=False)


def _who(parts: dict[str, Any]) -> None:
    with gr.Column(elem_id="who", elem_classes="card"):
        parts["who_heading"] = _section(1, "Who", say.WHO_HINTS["photos"])
        parts["who_mode"] = gr.Radio(
            list(say.WHO_MODES),
            value="photos",
            label="Who it is",
            show_label=False,
            elem_id="who-mode",
            elem_classes="segments",
        )
        with gr.Column(elem_id="from-photos") as parts["photos_box"]:
            parts["upload"] = gr.File(
                label=say.PHOTOS_LABEL,
                show_label=False,
                file_count="multiple",
                file_types=say.PHOTO_TYPES,
                elem_id="photos",
                elem_classes="drop",
                height=96,
            )
            parts["coach"] = gr.HTML(
                "",
                elem_id="coach",
                js_on_load=script("acts"),
                apply_default_css=False,
                label="The photos and their faces",
            )
        with gr.Column(visible=False, elem_id="from-template") as parts["template_box"]:
            gr.HTML(f"<p>{say.TEMPLATE_NOTE}</p>", elem_classes="note", apply_default_css=False)
            for name, label in (("template", say.TEMPLATE_LABEL), ("adapter", say.ADAPTER_LABEL)):
                parts[f"{name}_upload"] = gr.File(
                    label=label,
                    show_label=False,
                    file_count="single",
                    elem_id=f"{name}-file",
                    elem_classes="drop",
                    height=96,
                )
            parts["template_card"] = gr.HTML(
                "", elem_id="template-card", js_on_load=script("acts"), apply_default_css=False, label="The template"
            )


def _pose(parts: dict[str, Any], profile: Profile) -> None:
    with gr.Column(elem_id="pose", elem_classes="card"):
        _section(2, "Pose", "where the head looks")
        parts["pose_mode"] = gr.Radio(
            say.pose_modes("photos"),
            value="photo",
            label="Take the pose",
            show_label=False,
            elem_id="pose-mode",
            elem_classes="segments",
        )
        parts["pose_note"] = gr.HTML(
            f"<p>{say.pose_note('photo', 'photos')}</p>", elem_classes="note", apply_default_css=False
        )
        with gr.Column(visible=False, elem_id="pose-from-picture") as parts["pose_box"]:
            parts["pose_upload"] = gr.File(
                label=say.POSE_PICTURE_LABEL,
                show_label=False,
                file_count="single",
                file_types=say.PHOTO_TYPES,
                elem_id="pose-photo",
                elem_classes="drop",
                height=96,
            )
            parts["pose_coach"] = gr.HTML("", elem_id="pose-coach", js_on_load=script("acts"), apply_default_css=False)
        with gr.Column(visible=False, elem_id="pose-from-view") as parts["view_box"]:
            parts["view"] = view_picker(profile)


def _what(parts: dict[str, Any], styles: Mapping[str, Style]) -> None:
    with gr.Column(elem_id="what", elem_classes="card"):
        _section(3, "What", "the picture and its style")
        parts["prompt"] = gr.Textbox(
            label=say.PROMPT_LABEL, placeholder=say.PROMPT_HINT, lines=2, max_lines=6, elem_id="prompt"
        )
        parts["style"] = style_picker(styles)


def _likeness(parts: dict[str, Any], profile: Profile) -> None:
    with gr.Column(elem_id="likeness", elem_classes="card"):
        _section(4, "Likeness", "how much of the person comes back")
        parts["detail"] = gr.Slider(
            0,
            MOST_STRENGTH,
            profile.adapter_scale,
            step=0.05,
            label=say.DETAIL_LABEL,
            info=say.DETAIL_HINT,
            elem_id="detail",
            buttons=[],
        )
        parts["shape"] = gr.Slider(
            0,
            MOST_STRENGTH,
            profile.identity_net_scale,
            step=0.05,
            label=say.SHAPE_LABEL,
            info=say.SHAPE_HINT,
            elem_id="shape",
            buttons=[],
        )
        with gr.Row(elem_classes="presets"):
            for name in STRENGTHS:
                parts[f"preset_{name}"] = gr.Button(name.capitalize(), size="sm", elem_id=f"preset-{name}", min_width=0)


def _show(parts: dict[str, Any], making: Making) -> None:
    start = making.at_rest(Session())
    parts["stage"] = gr.HTML(
        start["stage"], elem_id="stage", js_on_load=script("acts"), apply_default_css=False, label="Picture"
    )
    with gr.Row(elem_id="progress"):
        parts["status"] = gr.HTML(
            "",
            html_template='<p role="status" aria-live="polite">${value}</p>',
            elem_id="status",
            apply_default_css=False,
        )
        parts["stop"] = gr.Button("Stop", elem_id="stop", visible=False, min_width=0, size="sm")
    parts["facts"] = gr.HTML("", elem_id="facts", js_on_load=script("acts"), apply_default_css=False)
    with gr.Row(visible=False, elem_id="actions") as parts["actions"]:
        parts["compare"] = gr.Button("Compare", size="sm", elem_id="compare", min_width=0)
        parts["before"] = gr.Button("Before and after", size="sm", elem_id="before", min_width=0, visible=False)
        parts["use"] = gr.Button("Use settings", size="sm", elem_id="use", min_width=0)
        parts["vary"] = gr.Button("Vary", size="sm", elem_id="vary", min_width=0)
        parts["download"] = gr.DownloadButton("Download PNG", size="sm", elem_id="download", min_width=0)
    parts["strip"] = gr.HTML("", elem_id="strip", js_on_load=script("acts"), apply_default_css=False)
