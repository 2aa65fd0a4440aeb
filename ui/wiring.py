"""Which click does what: the run itself, the clock, and the wirings of inputs, folds and results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from ui.base import Bases, base_html, connect_base
from ui.events import GPU, QUICK, Parts, Shown, nothing
from ui.examples import Example
from ui.form import FIELDS, read_size
from ui.header import header_html
from ui.inbox import Inbox
from ui.making import Making
from ui.pose import first_view
from ui.session import Session
from ui.theme import script
from ui.who import all_photos
from ui.wiring_folds import connect_folds
from ui.wiring_inputs import COACHES, Inputs
from ui.wiring_results import Results

SCROLL_UP = "() => { window.scrollTo({top: 0, behavior: 'smooth'}); return []; }"


class Wiring:
    """Events of one page. `parts` maps names to components; LoRA files of visits lie under `loras`."""

    def __init__(
        self,
        page: gr.Blocks,
        parts: dict[str, Any],
        making: Making,
        inbox: Inbox,
        examples: Sequence[Example],
        loras: Path,
        bases: Bases | None,
    ) -> None:
        self._page = page
        self._parts = Parts(parts)
        self._making = making
        self._inbox = inbox
        self._examples = examples
        self._loras = loras
        self._bases = bases

    def connect(self) -> None:
        parts, session = self._parts, self._parts["session"]
        inputs = Inputs(parts, self._making.room, self._making.profile, self._inbox)
        inputs.connect()
        connect_folds(parts, self._making.profile, inputs, self._inbox, self._loras)
        if self._bases is not None:
            connect_base(parts, self._bases)
        results = Results(parts, self._making, self._inbox, self._examples, inputs)
        results.connect(self.run_after)
        self.run_after(parts["make"].click(nothing, None, None, js=SCROLL_UP, **QUICK))
        self.run_after(parts["prompt"].submit(nothing, None, None, js=SCROLL_UP, **QUICK))
        parts["stop"].click(parts.keyed(self._making.stop), session, parts.named(Making.names), **QUICK)
        parts["size"].change(self._aspect, [parts["view"], parts["size"]], parts["view"], **QUICK)
        self._page.load(nothing, None, None, js=script("names"), **QUICK)

        def tick(session: Session, people: int, ground: str) -> Shown:
            return self._tick(session, inputs, people, ground)

        watched = parts.named(("header", "timer", *COACHES, *(("base_told",) if self._bases else ())))
        for event in (self._page.load, parts["timer"].tick):
            event(parts.keyed(tick), inputs.asked, watched, **QUICK)
        self._inputs = inputs

    def run_after(self, event: Any) -> None:
        """Check at once, then queue for the GPU; a failed check is shown where the picture would be."""
        parts = self._parts
        session, form, outputs = parts["session"], parts.named(FIELDS), parts.named(Making.names)
        checked = event.success(parts.keyed(self._making.check), [session, *form], outputs, **QUICK)
        checked.failure(parts.keyed(self._making.after_failure), session, outputs, **QUICK)
        run = checked.success(parts.keyed_events(self._run), [session, parts["ticket"], *form], outputs, **GPU)
        run.failure(parts.keyed(self._making.after_run_failure), session, outputs, **QUICK)

    def _run(self, session: Session, ticket: str, *values: Any) -> Iterator[Shown]:
        for shown in self._making.run(session, ticket, *values):
            yield {**shown, "coach": self._inputs.coach(session)} if "coach" in shown else shown

    def _tick(self, session: Session, inputs: Inputs, people: int, ground: str) -> Shown:
        """Once a second until the weights are there: the header, and the photos that wait to be looked at."""
        room = self._making.room
        shown: Shown = {"header": header_html(room, self._making.profile)}
        if self._bases is not None:
            shown["base_told"] = base_html(self._bases)
        if room.state != "loading" and not room.changing:
            shown["timer"] = gr.update(active=False)
        if room.state == "ready" and any(photo.faces is None for photo in all_photos(session)):
            shown |= inputs.look(session, people, ground)
        return shown

    def _aspect(self, view: Any, label: str) -> Any:
        profile = self._making.profile
        width, height = read_size(label, profile)
        return {**first_view(profile), **(view if isinstance(view, dict) else {}), "aspect": width / height}
