"""The button's way: check, prepare, run, keep. Every ending leaves the page usable and the inputs untouched."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from errors import Cancelled, InputError, InstantIDError
from generation.background import EngineRoom
from generation.request import GenerationResult
from style_presets import Style
from ui import stage
from ui.accelerator import Generate
from ui.examples import Example
from ui.form import FIELDS, build_request
from ui.pictures import data_url
from ui.results import ResultFolder, keep_results
from ui.session import Session
from ui.who import all_photos, look
from ui.wording import LOADING, STOPPED, TOO_MANY, TOO_MANY_CURE, progress_line

if TYPE_CHECKING:
    from generation.request import GenerationRequest, Progress
    from weights.registry import Profile

log = logging.getLogger(__name__)

BEHIND_SIDE = 256
PATIENCE = 0.5


class Making:
    """The handlers of one page, shared by all its visitors; what belongs to a visitor is in their Session.

    Each handler returns or yields values for `names`, as a dict of the same keys that the page maps to components.
    """

    names = (
        "stage",
        "status",
        "facts",
        "strip",
        "actions",
        "make",
        "stop",
        "seed",
        "download",
        "compare",
        "before",
        "coach",
        "timer",
        "ticket",
    )

    def __init__(
        self,
        room: EngineRoom,
        profile: Profile,
        generate: Generate,
        folder: ResultFolder,
        examples: Sequence[Example],
        styles: Mapping[str, Style],
    ) -> None:
        self.room = room
        self.profile = profile
        self.styles = styles
        self._generate = generate
        self._folder = folder
        self._examples = examples

    def check(self, session: Session, *values: Any) -> dict[str, Any]:
        """Before the queue: what can be known at once is said at once, and the page shows that it works.

        Raises gr.Error.
        """
        if session.busy:
            raise as_shown(InputError("A picture is being made already.", cure="Wait for it, or press Stop."))
        with shown_in(session):
            self._look(session)
            self._request(session, values)
            if self.room.state == "failed":
                self.room.start()
                self.room.settled(PATIENCE)
                if self.room.error is not None:
                    raise self.room.error
            return {**self._begun(session, values), "ticket": _ticket(session)}

    def run(self, session: Session, ticket: str, *values: Any) -> Iterator[dict[str, Any]]:
        """Yields what the page shows, from the waiting to the result, or to rest once it was stopped."""
        cancel = session.tickets.pop(ticket, None)
        if cancel is None or cancel.is_set():
            return
        session.comparing = ""
        try:
            for shown in self._run(session, values, cancel):
                if not cancel.is_set():
                    yield shown
        except Cancelled:
            pass
        except Exception as error:
            remember(session, error)
            cancel.set()
            yield self.after_failure(session)
            raise as_shown(error) from None
        finally:
            stopped = cancel.is_set()
            cancel.set()
        if stopped and not session.busy:
            yield self.at_rest(session, STOPPED)

    def stop(self, session: Session) -> dict[str, Any]:
        """Tells the run to end; the page is at rest at once, the engine within one step."""
        if session.cancel is not None:
            session.cancel.set()
        return self.at_rest(session, STOPPED)

    def at_rest(self, session: Session, status: str = "") -> dict[str, Any]:
        """The page when nothing runs: the chosen result, or the examples."""
        result = session.current
        return {
            "stage": stage.done(session) if result else stage.empty(self._examples),
            "status": status,
            "facts": stage.facts(session),
            "strip": stage.strip(session),
            "actions": gr.update(visible=result is not None),
            "make": gr.update(value="Make pictures", interactive=True),
            "stop": gr.update(visible=False),
            "compare": gr.update(value="Compare", visible=result is None or result.reference is not None),
            "before": gr.update(value="Before and after", visible=result is not None and result.before is not None),
            "download": gr.update(value=None if result is None else str(result.path)),
        }

    def after_failure(self, session: Session) -> dict[str, Any]:
        """What happened, in the place of the picture."""
        error = session.failure
        if session.busy:
            return {}
        if error is None:
            return self.at_rest(session)
        return {
            **self.at_rest(session),
            "stage": stage.failed(error, session),
            "facts": "",
            "actions": gr.update(visible=False),
        }

    def after_run_failure(self, session: Session) -> dict[str, Any]:
        """The same for a run. One that was turned away because the queue was full still has its ticket."""
        if session.tickets and session.cancel is not None:
            session.tickets.clear()
            session.cancel.set()
            session.failure = InputError(TOO_MANY, cure=TOO_MANY_CURE)
        return self.after_failure(session)

    def _run(self, session: Session, values: Sequence[Any], cancel: threading.Event) -> Iterator[dict[str, Any]]:
        behind = _behind(session, values)
        yield self._begun(session, values)
        while not self.room.settled(PATIENCE):
            if cancel.is_set():
                raise Cancelled("The run was stopped.")
        engine = self.room.require()
        if self._look(session):
            yield {"coach": True}
        request = self._request(session, values)
        if session.next_seed is not None:
            request = replace(request, seed=session.next_seed)
            session.next_seed = None
        prepared = engine.prepare(request)
        yield {"seed": prepared.request.seed}
        outcome = None
        events = self._generate(prepared, cancel)
        try:
            for event in events:
                if isinstance(event, GenerationResult):
                    outcome = event
                else:
                    yield _progress(event, behind, prepared.request)
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()
        if outcome is None:
            raise Cancelled("The run was stopped.")
        keep_results(session, outcome, prepared, self._folder.of(session))
        yield self.at_rest(session)

    def _begun(self, session: Session, values: Sequence[Any]) -> dict[str, Any]:
        engine = self.room.engine
        phase = "waiting" if engine is not None and engine.waiting else "reading"
        watching = {"timer": gr.update(active=True)} if engine is None else {}
        return {
            **watching,
            "stage": stage.working((), None, behind=_behind(session, values)),
            "status": LOADING if self.room.state == "loading" else progress_line(phase, 0, 0, None),
            "facts": "",
            "actions": gr.update(visible=False),
            "make": gr.update(value="Working …", interactive=False),
            "stop": gr.update(visible=True),
        }

    def _request(self, session: Session, values: Sequence[Any]) -> GenerationRequest:
        form = dict(zip(FIELDS, values, strict=True))
        session.who = form["who_mode"]
        return build_request(session, form, self.profile)

    def _look(self, session: Session) -> bool:
        """Looks at photos that came before the face analyzer did; whether there were any."""
        engine = self.room.engine
        if engine is None or all(photo.faces is not None for photo in all_photos(session)):
            return False
        look(session, engine.analyzer)
        return True


@contextmanager
def shown_in(session: Session) -> Iterator[None]:
    """Turns errors into what gradio shows as a message, and keeps them for the stage."""
    session.failure = None
    try:
        yield
    except Exception as error:
        remember(session, error)
        raise as_shown(error) from None


def remember(session: Session, error: Exception) -> None:
    """Keeps the error for the stage; what nobody foresaw goes to the log, which never holds photos or prompts."""
    session.failure = error
    session.next_seed = None
    if not isinstance(error, InstantIDError | gr.Error):
        log.error("A request failed.", exc_info=error)


def as_shown(error: Exception) -> gr.Error:
    """What gradio shows. A gr.Error comes from ZeroGPU itself, which says in it that the visitor's time is used up."""
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, InstantIDError):
        return gr.Error(str(error), title="That did not work", print_exception=False)
    return gr.Error(
        "Something went wrong on the server. Your inputs are kept.", title="That did not work", print_exception=False
    )


def _ticket(session: Session) -> str:
    """Makes the newest run's cancel event; the page hands the ticket to the run it starts."""
    ticket = secrets.token_hex(8)
    session.tickets.clear()
    session.tickets[ticket] = session.cancel = threading.Event()
    return ticket


def _behind(session: Session, values: Sequence[Any]) -> str:
    """The photo that stands in the place of the picture at first; none for a template."""
    if values[FIELDS.index("ground_mode")] != "none" and session.ground is not None:
        return data_url(session.ground.image, BEHIND_SIDE)
    shown = session.photos and values[FIELDS.index("who_mode")] != "template"
    return data_url(session.photos[0].image, BEHIND_SIDE) if shown else ""


def _progress(event: Progress, behind: str, wish: GenerationRequest) -> dict[str, Any]:
    fraction = None
    if event.phase == "denoising" and event.total:
        fraction = event.step / event.total
    elif event.phase == "scoring":
        fraction = 1.0
    shown: dict[str, Any] = {"status": progress_line(event.phase, event.step, event.total, event.seconds_left)}
    if event.previews:
        shown["stage"] = stage.working(event.previews, fraction)
    elif event.phase != "denoising" or event.step <= 1:
        shown["stage"] = stage.working((), fraction, behind=behind)
    return shown
