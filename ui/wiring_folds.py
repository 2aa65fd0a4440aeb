"""Which click does what in the folds: speed, presets, people, pictures to work on and to follow, LoRAs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from errors import InputError
from generation.modes import TURBO
from generation.strengths import STRENGTHS
from ui import wording as say
from ui.company import MOST, move, order_html
from ui.events import PRIVATE, QUICK, Parts, Shown, index_of, text_of
from ui.followed import KINDS, add_picture, followed_html
from ui.form import size_for
from ui.ground import STRENGTHS as HOW_MUCH
from ui.ground import add_ground, add_mask, clear, easel_of, ground_html, mask_html, painted
from ui.inbox import Inbox
from ui.loras import add_file, add_named, change, loras_html
from ui.session import Session
from ui.speed import SPEED_SLIDERS, STRENGTH_SLIDERS, speed_script, strength_values, ways_of
from ui.wiring_inputs import Inputs

if TYPE_CHECKING:
    from weights.registry import Profile


def connect_folds(parts: Parts, profile: Profile, inputs: Inputs, inbox: Inbox, loras: Path) -> None:
    """Binds every control of the folds. LoRA files of visits lie under `loras`."""
    _speed(parts, profile)
    _strengths(parts)
    _people(parts, profile)
    _work(parts, inputs, inbox)
    _follow(parts, inbox)
    _loras(parts, inbox, loras)


def _speed(parts: Parts, profile: Profile) -> None:
    """A mode moves its sliders in the browser, when the visitor chooses it; settings that come back choose it too."""
    asked, moved = parts.named(("speed", "way")), parts.named((*SPEED_SLIDERS, "speed_note"))
    for name in ("speed", "way"):
        parts[name].input(None, asked, moved, js=speed_script(profile), **PRIVATE)
    several = len(ways_of(profile)) > 1
    parts["speed"].change(
        lambda speed: gr.update(visible=speed == TURBO and several), parts["speed"], parts["way"], **QUICK
    )


def _strengths(parts: Parts) -> None:
    for name in STRENGTHS:
        values = strength_values(name)
        moved = json.dumps([values[slider] for slider in STRENGTH_SLIDERS])
        parts[f"preset_{name}"].click(None, None, parts.named(STRENGTH_SLIDERS), js=f"() => {moved}", **PRIVATE)


def _people(parts: Parts, profile: Profile) -> None:
    boxes = [f"person_{number}_box" for number in range(1, MOST)]

    def asked(session: Session, people: int) -> Shown:
        shown: Shown = {box: gr.update(visible=number < people) for number, box in enumerate(boxes, start=1)}
        note = say.PEOPLE_NOTES[min(people, max(say.PEOPLE_NOTES))]
        return {**shown, "people_note": f"<p>{note}</p>", "order": order_html(session, people)}

    def moved(session: Session, people: int, event: gr.EventData) -> str:
        by = {"-1": -1, "1": 1}.get(text_of(event, "by"), 0)
        move(session, people, index_of(event, "place"), by)
        return order_html(session, people)

    both = parts.named(("session", "people"))
    parts["people"].change(parts.keyed(asked), both, parts.named((*boxes, "people_note", "order")), **QUICK)
    parts["people"].input(
        lambda people, size: size_for(people, size, profile), parts.named(("people", "size")), parts["size"], **QUICK
    )
    parts["order"].select(moved, both, parts["order"], **QUICK)


def _work(parts: Parts, inputs: Inputs, inbox: Inbox) -> None:
    session, mode = parts["session"], parts["ground_mode"]

    def asked(session: Session, mode: str) -> Shown:
        return {
            "ground_box": gr.update(visible=mode != "none"),
            "ground_note": f"<p>{say.GROUND_NOTES.get(mode, '')}</p>",
            "ground": ground_html(session, mode),
        }

    def added(session: Session, path: str | None, mode: str) -> Shown:
        if path is not None:
            add_ground(session, inbox, path)
        return {
            "ground_upload": None,
            "ground": ground_html(session, mode),
            "painter": easel_of(session),
            "mask": mask_html(session),
        }

    def masked(session: Session, path: str | None) -> Shown:
        if path is not None:
            add_mask(session, inbox, path)
        return {"mask_upload": None, "mask": mask_html(session), "painter": easel_of(session)}

    def drawn(session: Session, event: gr.EventData) -> str:
        painted(session, text_of(event, "mask"))
        return mask_html(session)

    def dropped(session: Session, event: gr.EventData) -> list[Any]:
        clear(session, text_of(event, "what"))
        return [mask_html(session), easel_of(session)]

    mode.change(parts.keyed(asked), [session, mode], parts.named(("ground_box", "ground_note", "ground")), **QUICK)
    mode.input(lambda mode: HOW_MUCH.get(mode, gr.skip()), mode, parts["ground_strength"], **QUICK)
    shown = parts.named(("ground_upload", "ground", "painter", "mask"))
    upload, mask = parts["ground_upload"], parts["mask_upload"]
    inputs.then_look(upload.upload(parts.keyed(added), [session, upload, mode], shown, **QUICK))
    mask.upload(parts.keyed(masked), [session, mask], parts.named(("mask_upload", "mask", "painter")), **QUICK)
    parts["painter"].select(drawn, session, parts["mask"], **QUICK)
    parts["mask"].select(dropped, session, parts.named(("mask", "painter")), **QUICK)


def _follow(parts: Parts, inbox: Inbox) -> None:
    for kind in KINDS:
        if kind not in parts:
            continue
        upload = parts[f"{kind}_upload"]
        parts[f"{kind}_on"].change(lambda on: gr.update(visible=on), parts[f"{kind}_on"], parts[f"{kind}_box"], **QUICK)
        upload.upload(
            parts.keyed(_followed(kind, inbox)),
            [parts["session"], upload],
            parts.named((f"{kind}_upload", kind)),
            **QUICK,
        )


def _followed(kind: str, inbox: Inbox) -> Callable[..., Shown]:
    def added(session: Session, path: str | None) -> Shown:
        if path is not None:
            add_picture(session, inbox, kind, path)
        return {f"{kind}_upload": None, kind: followed_html(session, kind)}

    return added


def _loras(parts: Parts, inbox: Inbox, root: Path) -> None:
    session, upload, name = parts["session"], parts["lora_upload"], parts["lora_name"]

    def uploaded(session: Session, path: str | None) -> Shown:
        if path is not None:
            add_file(session, inbox, path, root)
        return {"lora_upload": None, "loras": loras_html(session)}

    def named(session: Session, name: str | None) -> Shown:
        add_named(session, name or "")
        return {"lora_name": gr.skip() if "loras" in session.told else None, "loras": loras_html(session)}

    def changed(session: Session, event: gr.EventData) -> str:
        session.told.pop("loras", None)
        try:
            change(session, index_of(event, "index"), text_of(event, "act"), text_of(event, "value"))
        except InputError as error:
            session.told["loras"] = str(error)
        return loras_html(session)

    upload.upload(parts.keyed(uploaded), [session, upload], parts.named(("lora_upload", "loras")), **QUICK)
    parts["lora_add"].click(parts.keyed(named), [session, name], parts.named(("lora_name", "loras")), **QUICK)
    parts["loras"].select(changed, session, parts["loras"], **QUICK)
