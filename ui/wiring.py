"""Which click does what. Handlers stay private: the page's events are not an API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

import gradio as gr

from errors import InputError, PhotoError
from ui import stage
from ui import wording as say
from ui.controls import controls_from, left_out, settings_from_file, with_advice
from ui.examples import Example
from ui.form import FIELDS, read_size
from ui.header import header_html
from ui.inbox import Inbox
from ui.making import Making, shown_in
from ui.pose import START
from ui.session import Photo, Session
from ui.template import add_adapter, add_template, drop, template_html
from ui.theme import script
from ui.who import add_photos, as_photo, choose_face, coach_html, look, pose_coach_html, read_photo

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUICK: dict[str, Any] = {**PRIVATE, "queue": False, "show_progress": "hidden"}
GPU: dict[str, Any] = {
    **PRIVATE,
    "concurrency_limit": 1,
    "concurrency_id": "gpu",
    "show_progress": "hidden",
    "trigger_mode": "multiple",
}

SCROLL_UP = "() => { window.scrollTo({top: 0, behavior: 'smooth'}); return []; }"


class Wiring:
    """Events of one page. `parts` maps names to components."""

    def __init__(
        self, page: gr.Blocks, parts: dict[str, Any], making: Making, inbox: Inbox, examples: Sequence[Example]
    ) -> None:
        self._page = page
        self._parts = parts
        self._making = making
        self._inbox = inbox
        self._examples = examples

    def connect(self) -> None:
        parts = self._parts
        session = parts["session"]
        self._photos()
        self._template()
        self._pose()
        self._results()
        self._run_after(parts["make"].click(_nothing, None, None, js=SCROLL_UP, **QUICK))
        self._run_after(parts["prompt"].submit(_nothing, None, None, js=SCROLL_UP, **QUICK))
        parts["stop"].click(self._keyed(self._making.stop), session, self._named(Making.names), **QUICK)
        parts["size"].change(self._aspect, [parts["view"], parts["size"]], parts["view"], **QUICK)
        self._page.load(_nothing, None, None, js=script("names"), **QUICK)
        for event in (self._page.load, parts["timer"].tick):
            event(self._keyed(self._tick), session, self._named(("header", "timer", "coach", "pose_coach")), **QUICK)

    def _photos(self) -> None:
        parts = self._parts
        session = parts["session"]
        outputs = self._named(("upload", "coach"))
        added = parts["upload"].upload(self._keyed(self._add), [session, parts["upload"]], outputs, **QUICK)
        added.then(self._keyed(self._look), session, self._named(("coach", "pose_coach")), **QUICK)
        coaches = self._named(("coach", "pose_coach"))
        for coach in coaches:
            acted = coach.select(self._on_coach, session, coaches, **QUICK)
            acted.then(self._keyed(self._look), session, coaches, **QUICK)

    def _template(self) -> None:
        parts = self._parts
        session = parts["session"]
        parts["who_mode"].change(
            self._keyed(_who_mode), parts["who_mode"], self._named(("photos_box", "template_box")), **QUICK
        )
        for name, add in (("template", add_template), ("adapter", add_adapter)):
            upload = parts[f"{name}_upload"]

            def added(
                state: Session, path: str | None, name: str = name, add: Callable[..., None] = add
            ) -> dict[str, Any]:
                if path is not None:
                    add(state, self._inbox, path)
                return {f"{name}_upload": None, "template_card": template_html(state)}

            upload.upload(
                self._keyed(added), [session, upload], self._named((f"{name}_upload", "template_card")), **QUICK
            )
        parts["template_card"].select(_on_template_card, session, parts["template_card"], **QUICK)

    def _pose(self) -> None:
        parts = self._parts
        session = parts["session"]
        parts["pose_mode"].change(
            self._keyed(_pose_mode), parts["pose_mode"], self._named(("pose_note", "pose_box", "view_box")), **QUICK
        )
        added = parts["pose_upload"].upload(
            self._keyed(self._add_pose),
            [session, parts["pose_upload"]],
            self._named(("pose_upload", "pose_coach")),
            **QUICK,
        )
        added.then(self._keyed(self._look), session, self._named(("coach", "pose_coach")), **QUICK)

    def _results(self) -> None:
        parts = self._parts
        session = parts["session"]
        rest = self._named(Making.names)
        controls = self._named(FIELDS)
        chosen = self._parts["stage"].select(self._on_example, session, [*controls, parts["coach"]], **QUICK)
        chosen.failure(self._keyed(self._making.after_failure), session, rest, **QUICK)
        self._run_after(chosen.success(self._keyed(self._look), session, self._named(("coach", "pose_coach")), **QUICK))
        parts["strip"].select(self._on_strip, session, rest, **QUICK)
        parts["compare"].click(self._keyed(self._compare), session, rest, **QUICK)
        parts["use"].click(self._keyed(self._use), session, [parts["status"], *controls], **QUICK)
        self._run_after(parts["vary"].click(self._keyed(self._vary), session, controls, **QUICK))
        self._run_after(parts["facts"].select(self._keyed(self._advised), session, controls, **QUICK))
        parts["restore"].upload(
            self._keyed(self._restore),
            [session, parts["restore"]],
            self._named(("restore", "status", *FIELDS)),
            **QUICK,
        )

    def _run_after(self, event: Any) -> None:
        """Check at once, then queue for the GPU; a failed check is shown where the picture would be."""
        inputs = [self._parts["session"], *self._named(FIELDS)]
        outputs = self._named(Making.names)
        checked = event.success(self._keyed(self._making.check), inputs, outputs, **QUICK)
        checked.failure(self._keyed(self._making.after_failure), self._parts["session"], outputs, **QUICK)
        session, *form = inputs
        run = checked.success(self._keyed_events(self._run), [session, self._parts["ticket"], *form], outputs, **GPU)
        run.failure(self._keyed(self._making.after_run_failure), session, outputs, **QUICK)

    def _run(self, session: Session, ticket: str, *values: Any) -> Iterator[dict[str, Any]]:
        for shown in self._making.run(session, ticket, *values):
            yield {**shown, "coach": self._coach(session)} if "coach" in shown else shown

    def _add(self, session: Session, paths: list[str] | None) -> dict[str, Any]:
        add_photos(session, self._inbox, paths or [])
        return {"upload": None, "coach": self._coach(session)}

    def _add_pose(self, session: Session, path: str | None) -> dict[str, Any]:
        session.pose_refused = ""
        if path is not None:
            try:
                session.pose = read_photo(self._inbox, path, field="pose")
            except PhotoError as error:
                session.pose_refused = str(error)
        return {"pose_upload": None, "pose_coach": pose_coach_html(session)}

    def _look(self, session: Session) -> dict[str, Any]:
        engine = self._making.room.engine
        if engine is not None:
            look(session, engine.analyzer)
        return {"coach": self._coach(session), "pose_coach": pose_coach_html(session)}

    def _on_coach(self, session: Session, event: gr.EventData) -> list[str]:
        try:
            photo = session.pose if _text(event, "photo") == "pose" else _photo(session, _index(event, "photo"))
            if photo is None:
                raise InputError("That picture is not on the page any more.")
            if _text(event, "act") == "face":
                choose_face(photo, _index(event, "face"))
            elif _text(event, "act") == "remove" and photo is session.pose:
                session.pose = None
            elif _text(event, "act") == "remove":
                session.photos.remove(photo)
        except InputError as error:
            session.refused = [str(error)]
        return [self._coach(session), pose_coach_html(session)]

    def _on_example(self, session: Session, event: gr.EventData) -> list[Any]:
        from face.photo import open_photo

        with shown_in(session):
            index = _index(event, "index")
            if _text(event, "act") != "example" or index >= len(self._examples):
                raise InputError("That example is not on the page any more.", cure="Load the page again.")
            example = self._examples[index]
            session.photos = [as_photo(open_photo(example.photo))]
        session.next_seed = example.seed
        wish: dict[str, Any] = {
            "who_mode": "photos",
            "prompt": example.prompt,
            "style": example.style,
            "pose_mode": "view" if example.view else "photo",
            "new_seed": True,
        }
        if example.view:
            wish["view"] = {**START, "view": example.view}
        return [*self._values(FIELDS, wish), self._coach(session)]

    def _on_strip(self, session: Session, event: gr.EventData) -> list[Any]:
        index = _index(event, "index")
        if session.busy or index >= len(session.results):
            return self._values(Making.names, {})
        session.selected = index
        session.comparing = False
        return self._values(Making.names, self._making.at_rest(session))

    def _compare(self, session: Session) -> dict[str, Any]:
        session.comparing = not session.comparing
        label = "Hide the photo" if session.comparing else "Compare"
        return {"stage": stage.done(session), "compare": gr.update(value=label)}

    def _use(self, session: Session) -> dict[str, Any]:
        if session.current is None:
            return {}
        return self._taken_over(session, session.current.settings)

    def _vary(self, session: Session) -> dict[str, Any]:
        if session.current is None:
            return {}
        return {**controls_from(session, session.current.settings, self._making.profile), "new_seed": True}

    def _advised(self, session: Session) -> dict[str, Any]:
        result = session.current
        advice = None if result is None else stage.advise_on(result)
        if result is None or advice is None:
            return {}
        controls = {**controls_from(session, result.settings, self._making.profile), "new_seed": True}
        session.next_seed = None if "seed" in advice.changes else result.seed
        return with_advice(controls, advice.changes)

    def _restore(self, session: Session, path: str | None) -> dict[str, Any]:
        if path is None:
            return {}
        profile = self._making.profile
        try:
            settings = settings_from_file(self._inbox.take(path, field="restore"), profile, self._making.styles)
        except InputError as error:
            return {"restore": None, "status": escape(str(error), quote=False)}
        return {"restore": None, **self._taken_over(session, settings)}

    def _taken_over(self, session: Session, settings: dict[str, Any]) -> dict[str, Any]:
        """The controls of settings, and a status line that names what the form has no place for."""
        left = left_out(settings, self._making.profile)
        status = f"{say.TAKEN_OVER} {say.LEFT_OUT.format(', '.join(left))}" if left else say.TAKEN_OVER
        return {"status": status, **controls_from(session, settings, self._making.profile)}

    def _tick(self, session: Session) -> dict[str, Any]:
        """Once a second until the weights are there: the header, and the photos that wait to be looked at."""
        room = self._making.room
        shown: dict[str, Any] = {"header": header_html(room, self._making.profile)}
        if room.state != "loading":
            shown["timer"] = gr.update(active=False)
        if room.state == "ready" and any(photo.faces is None for photo in session.photos):
            shown |= self._look(session)
        return shown

    def _aspect(self, view: Any, label: str) -> Any:
        width, height = read_size(label, self._making.profile)
        return {**START, **(view if isinstance(view, dict) else {}), "aspect": width / height}

    def _coach(self, session: Session) -> str:
        return coach_html(session, loading=self._making.room.engine is None)

    def _named(self, names: Sequence[str]) -> list[Any]:
        return [self._parts[name] for name in names]

    def _values(self, names: Sequence[str], shown: dict[str, Any]) -> list[Any]:
        return [shown.get(name, gr.skip()) for name in names]

    def _keyed(self, handler: Callable[..., dict[str, Any]]) -> Callable[..., dict[Any, Any]]:
        """A handler that answers by name, as one that answers by component."""

        def answer(*inputs: Any) -> dict[Any, Any]:
            return {self._parts[name]: value for name, value in handler(*inputs).items()}

        return answer

    def _keyed_events(
        self, handler: Callable[..., Iterator[dict[str, Any]]]
    ) -> Callable[..., Iterator[dict[Any, Any]]]:
        def answer(*inputs: Any) -> Iterator[dict[Any, Any]]:
            for shown in handler(*inputs):
                yield {self._parts[name]: value for name, value in shown.items()}

        return answer


def _nothing() -> None:
    return None


def _pose_mode(mode: str) -> dict[str, Any]:
    return {
        "pose_note": f"<p>{say.POSE_NOTES.get(mode, '')}</p>",
        "pose_box": gr.update(visible=mode == "picture"),
        "view_box": gr.update(visible=mode == "view"),
    }


def _who_mode(mode: str) -> dict[str, Any]:
    return {
        "photos_box": gr.update(visible=mode != "template"),
        "template_box": gr.update(visible=mode == "template"),
    }


def _on_template_card(session: Session, event: gr.EventData) -> str:
    drop(session, _text(event, "what"))
    return template_html(session)


def _photo(session: Session, index: int) -> Photo | None:
    return session.photos[index] if index < len(session.photos) else None


def _text(event: gr.EventData, name: str) -> str:
    """A data-* attribute of the part of the page that was clicked."""
    return str((event._data or {}).get(name, ""))


def _index(event: gr.EventData, name: str) -> int:
    """The same as a number. Raises InputError for anything else."""
    text = _text(event, name)
    if not text.isascii() or not text.isdigit():
        raise InputError("That part of the page is out of date.", cure="Load the page again.")
    return int(text)
