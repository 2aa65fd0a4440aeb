"""Which click does what among examples and results, and how settings come back into the form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import gradio as gr

from errors import InputError
from ui import stage
from ui import wording as say
from ui.company import order_html
from ui.controls import controls_from, left_out, missing, settings_from_file, with_advice
from ui.events import QUICK, Parts, Shown, index_of, text_of
from ui.examples import Example
from ui.form import FIELDS
from ui.inbox import Inbox
from ui.loras import loras_html
from ui.making import Making, shown_in
from ui.pose import first_view
from ui.session import Session
from ui.who import as_photo
from ui.wiring_inputs import Inputs

RESTORED = (*FIELDS, "loras", "order")
"""Names of the parts that settings move."""

COMPARISONS = {
    "photo": ("compare", "Compare", "Hide the photo"),
    "before": ("before", "Before and after", "Hide what was before"),
}
"""What a picture is compared with: the button's name, and what it says off and on."""


class Results:
    """Events of examples and results."""

    def __init__(self, parts: Parts, making: Making, inbox: Inbox, examples: Sequence[Example], inputs: Inputs) -> None:
        self._parts = parts
        self._making = making
        self._inbox = inbox
        self._examples = examples
        self._inputs = inputs

    def connect(self, run_after: Callable[[Any], None]) -> None:
        parts, session = self._parts, self._parts["session"]
        rest, restored = parts.named(Making.names), parts.named(RESTORED)
        chosen = parts["stage"].select(self._on_example, session, [*parts.named(FIELDS), parts["coach"]], **QUICK)
        chosen.failure(parts.keyed(self._making.after_failure), session, rest, **QUICK)
        looked = chosen.success(
            parts.keyed(lambda session: {"coach": self._looked(session)}), session, [parts["coach"]], **QUICK
        )
        run_after(looked)
        parts["strip"].select(self._on_strip, session, rest, **QUICK)
        for what, (button, *_) in COMPARISONS.items():
            parts[button].click(parts.keyed(self._compared_with(what)), session, rest, **QUICK)
        parts["use"].click(parts.keyed(self._use), session, [parts["status"], *restored], **QUICK)
        run_after(parts["vary"].click(parts.keyed(self._vary), session, restored, **QUICK))
        run_after(parts["facts"].select(self._advised, session, restored, **QUICK))
        parts["restore"].upload(
            parts.keyed(self._restore),
            [session, parts["restore"]],
            parts.named(("restore", "status", *RESTORED)),
            **QUICK,
        )

    def _looked(self, session: Session) -> str:
        return self._inputs.look(session, 1, "none")["coach"]

    def _on_example(self, session: Session, event: gr.EventData) -> list[Any]:
        """The wish of an example, with its photo where the visitor has none of their own."""
        from face.photo import open_photo

        with shown_in(session):
            index = index_of(event, "index")
            if text_of(event, "act") != "example" or index >= len(self._examples):
                raise InputError("That example is not on the page any more.", cure="Load the page again.")
            example = self._examples[index]
            if all(photo.example for photo in session.photos):
                session.photos = [as_photo(open_photo(example.photo))]
                session.photos[0].example = True
            else:
                gr.Info(say.EXAMPLE_WITH_OWN)
        session.next_seed = example.seed
        wish: Shown = {
            "who_mode": "photos",
            "prompt": example.prompt,
            "style": example.style,
            "pose_mode": "view" if example.view else "photo",
            "new_seed": True,
            "people": 1,
            "ground_mode": "none",
        }
        if example.view:
            wish["view"] = {**first_view(self._making.profile), "view": example.view}
        return [*self._parts.values(FIELDS, wish), self._inputs.coach(session)]

    def _on_strip(self, session: Session, event: gr.EventData) -> list[Any]:
        index = index_of(event, "index")
        if session.busy or index >= len(session.results):
            return self._parts.values(Making.names, {})
        session.selected = index
        session.comparing = ""
        return self._parts.values(Making.names, self._making.at_rest(session))

    def _compared_with(self, what: str) -> Callable[[Session], Shown]:
        def toggled(session: Session) -> Shown:
            session.comparing = "" if session.comparing == what else what
            labels = {
                button: gr.update(value=on if session.comparing == name else off)
                for name, (button, off, on) in COMPARISONS.items()
            }
            return {"stage": stage.done(session), **labels}

        return toggled

    def _use(self, session: Session) -> Shown:
        if session.current is None:
            return {}
        return self._taken_over(session, session.current.settings)

    def _vary(self, session: Session) -> Shown:
        if session.current is None:
            return {}
        return {**self._restored(session, session.current.settings), "new_seed": True}

    def _advised(self, session: Session, event: gr.EventData) -> list[Any]:
        """The next thing to try: what the advice changes, or another seed for people who were swapped."""
        result = session.current
        if result is None:
            return self._parts.values(RESTORED, {})
        controls = {**self._restored(session, result.settings), "new_seed": True}
        if text_of(event, "act") == "again":
            return self._parts.values(RESTORED, controls)
        advice = stage.advise_on(result)
        if advice is None:
            return self._parts.values(RESTORED, {})
        session.next_seed = None if "seed" in advice.changes else result.seed
        return self._parts.values(RESTORED, with_advice(controls, advice.changes, self._making.profile))

    def _restore(self, session: Session, path: str | None) -> Shown:
        if path is None:
            return {}
        profile = self._making.profile
        try:
            settings = settings_from_file(self._inbox.take(path, field="restore"), profile, self._making.styles)
        except InputError as error:
            return {"restore": None, "status": escape(str(error), quote=False)}
        return {"restore": None, **self._taken_over(session, settings)}

    def _taken_over(self, session: Session, settings: dict[str, Any]) -> Shown:
        """The controls of settings, and a status line that names what is still to be added and what has no place."""
        shown = self._restored(session, settings)
        told = [say.TAKEN_OVER]
        if gone := missing(session, settings):
            told.append(say.MISSING.format(say.listed(gone)))
        if left := left_out(settings, self._making.profile):
            told.append(say.LEFT_OUT.format(", ".join(left)))
        return {**shown, "status": escape(" ".join(told), quote=False)}

    def _restored(self, session: Session, settings: dict[str, Any]) -> Shown:
        controls = controls_from(session, settings, self._making.profile)
        return {
            **controls,
            "loras": loras_html(session),
            "order": order_html(session, controls["people"]),
        }
