"""What goes beyond the four questions, in closed folds: each is off until it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from generation.best import MOST as MOST_TRIES
from generation.controls import MAX_STRENGTH as MOST_FOLLOWED
from generation.into import SMALLEST_STRENGTH, START_STRENGTH
from generation.schedulers import SCHEDULERS
from ui import wording as say
from ui.followed import KINDS, PARTS, STRENGTH, WORDS, kinds_of
from ui.form import MOST_STEPS, label_of, size_labels
from ui.ground import painter
from ui.loras import suggestions
from ui.runs_on import runs_on_choice
from ui.session import MOST_OTHERS
from ui.speed import SPEEDS, about, ways_of
from ui.theme import script

if TYPE_CHECKING:
    from generation.background import EngineRoom
    from ui.base import Bases
    from weights.registry import Profile

Parts = dict[str, Any]
NARROW = 150
"""Least width in px of a control that may stand beside another."""


def advanced(parts: Parts, profile: Profile, room: EngineRoom, bases: Bases | None) -> None:
    """Adds the folds to the page and their controls to `parts`; that of the base where it may be changed."""
    with gr.Column(elem_id="advanced", elem_classes="card"):
        _more(parts, profile, room)
        _detail(parts)
        _company(parts)
        _ground(parts)
        _followed(parts, profile)
        _loras(parts)
        if bases is not None:
            _base(parts)


def _fold(title: str, name: str) -> gr.Accordion:
    return gr.Accordion(title, open=False, elem_id=name, elem_classes="fold")


def _slider(name: str, label: str, low: float, high: float, value: float, step: float, info: str | None) -> gr.Slider:
    """A slider whose id is its name with dashes."""
    look: dict[str, Any] = {"elem_id": name.replace("_", "-"), "min_width": NARROW, "buttons": []}
    return gr.Slider(low, high, value, step=step, label=label, info=info, **look)


def _segments(choices: Any, value: Any, label: str, name: str) -> gr.Radio:
    return gr.Radio(list(choices), value=value, label=label, show_label=False, elem_id=name, elem_classes="segments")


def _note(words: str, **options: Any) -> gr.HTML:
    return gr.HTML(f"<p>{words}</p>", elem_classes="note", apply_default_css=False, **options)


def _upload(label: str, name: str, types: list[str], *, several: bool = False) -> gr.File:
    return gr.File(
        label=label,
        show_label=False,
        file_count="multiple" if several else "single",
        file_types=types,
        elem_id=name,
        elem_classes="drop",
        height=84,
    )


def _acting(name: str, label: str) -> gr.HTML:
    """Drawn HTML whose buttons are events."""
    return gr.HTML("", elem_id=name, js_on_load=script("acts"), apply_default_css=False, label=label)


def _more(parts: Parts, profile: Profile, room: EngineRoom) -> None:
    ways = ways_of(profile)
    with _fold("Speed, size, number, seed", "more"):
        parts["runs_on"] = runs_on_choice(room)
        parts["speed"] = _segments(say.SPEED_LABELS, SPEEDS[0], "Speed", "speed")
        parts["way"] = gr.Dropdown(
            [(say.WAY_LABELS[way], way) for way in ways],
            value=ways[0],
            label="Turbo by",
            elem_id="way",
            visible=False,
            interactive=True,
        )
        parts["speed_note"] = _note(about(SPEEDS[0], profile), elem_id="speed-note")
        parts["size"] = gr.Dropdown(
            size_labels(profile), value=label_of(profile, *profile.size), label="Size", elem_id="size"
        )
        parts["count"] = _slider("count", "Number of pictures", 1, 8, 1, 1, None)
        parts["best_of"] = _slider(
            "best_of",
            "The best of",
            1,
            MOST_TRIES,
            1,
            1,
            say.BEST_NOTE,
        )
        parts["steps"] = _slider("steps", "Steps", 1, MOST_STEPS, profile.steps, 1, "More takes longer.")
        parts["guidance"] = _slider(
            "guidance", "Guidance", 0, 15, profile.guidance, 0.1, "How literally the prompt is taken."
        )
        with gr.Row():
            parts["guidance_start"] = _slider("guidance_start", "Guided from", 0, 1, 0, 0.05, None)
            parts["guidance_end"] = _slider("guidance_end", "Guided until", 0, 1, 1, 0.05, None)
        _note(say.GUIDANCE_NOTE)
        with gr.Row():
            parts["seed"] = gr.Number(
                0, label="Seed", precision=0, minimum=0, maximum=2**32 - 1, elem_id="seed", min_width=NARROW
            )
            parts["new_seed"] = gr.Checkbox(
                True,
                label="New seed each time",
                info="Off: the same wish gives the same picture.",
                elem_id="new-seed",
                min_width=NARROW,
            )
        parts["negative"] = gr.Textbox(
            label="Not in the picture",
            info="Negative prompt.",
            lines=2,
            elem_id="negative",
            placeholder="blurry, text, extra fingers",
        )
        parts["scheduler"] = gr.Dropdown(
            list(SCHEDULERS),
            value=profile.scheduler,
            label="Scheduler",
            info="How the noise is taken away.",
            elem_id="scheduler",
        )
        parts["restore"] = _upload("Settings from a picture made here (PNG)", "restore", [".png"])


def _detail(parts: Parts) -> None:
    with _fold("Likeness in detail", "finely"):
        _note(say.WINDOW_NOTE)
        with gr.Row():
            parts["start"] = _slider("start", "Shape from", 0, 1, 0, 0.05, None)
            parts["end"] = _slider("end", "Shape until", 0, 1, 1, 0.05, None)
        with gr.Row():
            parts["adapter_start"] = _slider("adapter_start", "Detail from", 0, 1, 0, 0.05, None)
            parts["adapter_end"] = _slider("adapter_end", "Detail until", 0, 1, 1, 0.05, None)
        parts["rescale"] = _slider(
            "rescale", "Calm colours", 0, 1, 0, 0.05, "Against burning: guidance brought back to its usual spread."
        )
        parts["noise"] = _slider(
            "noise", "Less copying", 0, 1, 0, 0.05, "Noise in the face that guidance leads away from."
        )
        parts["compare_colours"] = gr.Checkbox(
            False,
            label="Say whether the person burns the colours",
            info="Makes the first picture once more without the person.",
            elem_id="compare-colours",
        )
        parts["region"] = gr.Checkbox(
            True,
            label="Leave the rest of the picture to the prompt",
            info="IdentityNet acts around the face only.",
            elem_id="region",
        )
        gr.HTML('<p class="label">Make small faces again, larger</p>', apply_default_css=False)
        parts["refine"] = _segments(say.REFINE_LABELS, "never", "Make small faces again, larger", "refine")


def _company(parts: Parts) -> None:
    with _fold("Several people", "company"):
        parts["people"] = _segments(say.PEOPLE_LABELS, 1, "Number of people", "people")
        parts["people_note"] = _note(say.PEOPLE_NOTES[1])
        for number in range(1, MOST_OTHERS + 1):
            name = f"person_{number}"
            with gr.Column(visible=False, elem_classes="companion") as parts[f"{name}_box"]:
                gr.HTML(f'<p class="label">Person {number + 1}</p>', apply_default_css=False)
                parts[f"{name}_upload"] = _upload(
                    f"Photos of person {number + 1}", f"person-{number + 1}", say.PHOTO_TYPES, several=True
                )
                parts[name] = _acting(f"person-{number + 1}-coach", f"The photos of person {number + 1}")
        parts["order"] = _acting("order", "Who stands where")


def _ground(parts: Parts) -> None:
    with _fold("Work on a picture", "work"):
        parts["ground_mode"] = _segments(say.GROUND_LABELS, "none", "What to do with a picture", "ground-mode")
        parts["ground_note"] = _note(say.GROUND_NOTES["none"])
        with gr.Column(visible=False) as parts["ground_box"]:
            parts["ground_upload"] = _upload("The picture to work on", "ground", say.PHOTO_TYPES)
            parts["ground"] = _acting("ground-coach", "The picture to work on")
            parts["ground_strength"] = _slider(
                "ground_strength",
                "How much may change",
                SMALLEST_STRENGTH,
                1,
                START_STRENGTH,
                0.05,
                "Share of the steps that start from it (strength).",
            )
            gr.HTML('<p class="label">Where it may change: paint, or add a mask</p>', apply_default_css=False)
            parts["painter"] = painter()
            parts["mask"] = _acting("mask-card", "The mask")
            parts["mask_upload"] = _upload("A mask, white where the picture may change", "mask", say.PHOTO_TYPES)


def _followed(parts: Parts, profile: Profile) -> None:
    kinds = kinds_of(profile)
    for kind in KINDS:
        if kind not in kinds:
            values = (False, STRENGTH, 0.0, 1.0, False)
            parts |= {f"{kind}_{part}": gr.State(value) for part, value in zip(PARTS, values, strict=True)}
    if not kinds:
        return
    with _fold("Follow a picture: " + say.listed([WORDS[kind].lower() for kind in kinds]), "follow"):
        _note(say.FOLLOW_NOTE)
        for kind in kinds:
            name = WORDS[kind].lower()
            parts[f"{kind}_on"] = gr.Checkbox(False, label=f"Follow its {name}", elem_id=f"{kind}-on")
            with gr.Column(visible=False, elem_classes="companion") as parts[f"{kind}_box"]:
                parts[f"{kind}_upload"] = _upload(f"A picture for {name}", f"{kind}-picture", say.PHOTO_TYPES)
                parts[kind] = _acting(f"{kind}-card", f"The picture for {name}")
                parts[f"{kind}_strength"] = _slider(
                    f"{kind}_strength", "How firmly", 0, MOST_FOLLOWED, STRENGTH, 0.05, "controlnet_conditioning_scale"
                )
                with gr.Row():
                    parts[f"{kind}_start"] = _slider(f"{kind}_start", "From", 0, 1, 0, 0.05, None)
                    parts[f"{kind}_end"] = _slider(f"{kind}_end", "Until", 0, 1, 1, 0.05, None)
                parts[f"{kind}_map"] = gr.Checkbox(
                    False, label=f"The picture shows the {name} already", elem_id=f"{kind}-map"
                )


def _base(parts: Parts) -> None:
    with _fold("Base model", "base"):
        _note(say.BASE_NOTE)
        parts["base_name"] = gr.Textbox(
            label="Checkpoint",
            info="owner/repository, or the path of a .safetensors file on the server. Empty: the one it began with.",
            elem_id="base-name",
        )
        parts["base_vae"] = gr.Dropdown(
            list(say.VAE_LABELS),
            value="",
            label="Decoder (VAE)",
            info="Or owner/repository of another one.",
            allow_custom_value=True,
            elem_id="base-vae",
        )
        parts["base_load"] = gr.Button("Load for everybody", size="sm", elem_id="base-load")
        parts["base_told"] = gr.HTML("", elem_id="base-told", apply_default_css=False, label="What came of it")


def _loras(parts: Parts) -> None:
    with _fold("LoRAs", "loras"):
        _note(say.LORA_NOTE)
        parts["lora_upload"] = _upload("A LoRA (.safetensors)", "lora-file", [".safetensors"])
        with gr.Row(elem_classes="adding"):
            parts["lora_name"] = gr.Dropdown(
                suggestions(),
                value=None,
                label="From a repository",
                info="owner/repository, or owner/repository/file.safetensors",
                allow_custom_value=True,
                elem_id="lora-name",
                min_width=NARROW,
            )
            parts["lora_add"] = gr.Button("Add", size="sm", elem_id="lora-add", min_width=0)
        parts["loras"] = _acting("lora-list", "The LoRAs and their weights")
