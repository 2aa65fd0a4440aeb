"""Question 1, the other answer: a stored template in the place of photos."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from errors import InstantIDError, RequestError, WrongWidth
from generation.recognisers import for_weights
from template_adapter.linear import load_map_bytes
from template_adapter.reading import read_template
from template_adapter.template import DIMENSIONS, Template
from ui.inbox import Inbox
from ui.session import Session
from ui.wording import NO_TEMPLATE, NO_TEMPLATE_CURE, TAKEN_FOR_OWN, UNREADABLE

if TYPE_CHECKING:
    from template_adapter.linear import LinearMap
    from weights.registry import Profile

log = logging.getLogger(__name__)


def add_template(session: Session, inbox: Inbox, path: str) -> None:
    """Takes an uploaded template; what could not be taken stands in `session.template_refused`.

    One that has more or fewer numbers than are read just now is kept: its adapter may come after it.
    """
    with _told_in(session):
        data = inbox.take(path, field="template")
        with suppress(WrongWidth):
            read_template(data, dimensions=_width(session.adapter))
        session.template_file = data
        _fit(session)


def add_adapter(session: Session, inbox: Inbox, path: str, profile: Profile) -> None:
    """The same for an adapter, which has to lead into the space of the profile's weights."""
    with _told_in(session):
        session.adapter = for_weights(load_map_bytes(inbox.take(path, field="adapter")), profile)
        _fit(session)


def drop(session: Session, what: str) -> None:
    """what: "template" or "adapter"; anything else is passed over. Of what was refused before nothing is told then."""
    with _told_in(session):
        if what == "template":
            session.template_file = None
        elif what == "adapter":
            session.adapter = None
        _fit(session)


def template_of(session: Session) -> Template:
    """Who the request is about. Raises RequestError without a template that can be read."""
    if session.template_misfit:
        raise RequestError(session.template_misfit, field="template", cure=_misfit_cure(session.adapter))
    if session.template is None:
        raise RequestError(NO_TEMPLATE, field="template", cure=NO_TEMPLATE_CURE)
    return Template(session.template) if session.adapter is None else session.adapter.map_template(session.template)


@contextmanager
def _told_in(session: Session) -> Iterator[None]:
    """Whatever goes wrong is told on the page, in the place of what was told before: a field that is not emptied
    takes no other file."""
    session.template_refused = ""
    try:
        yield
    except InstantIDError as error:
        session.template_refused = str(error)
    except Exception as error:
        # its own text could repeat numbers of the template, so only its kind is logged
        log.error("An upload could not be read: %s", type(error).__name__)
        session.template_refused = UNREADABLE


def _fit(session: Session) -> None:
    """Reads the template for the adapter that is there now, if any."""
    session.template, session.template_misfit = None, ""
    if session.template_file is not None:
        try:
            session.template = read_template(session.template_file, dimensions=_width(session.adapter))
        except RequestError as error:
            session.template_misfit = error.message


def _misfit_cure(adapter: LinearMap | None) -> str:
    if adapter is None:
        return "If another recogniser made it, add the adapter of that one under 1 Who."
    return f"The adapter reads templates of {adapter.about.source}: give such a one, or another adapter."


def template_html(session: Session) -> str:
    """What was given, with a button to take each back; clickable parts carry data-act for the event "select"."""
    rows = []
    if session.template_misfit:
        rows.append(_row("template", f"{session.template_misfit} {_misfit_cure(session.adapter)}", "left-out"))
    elif session.template is not None:
        own = "" if session.adapter is not None else f" {TAKEN_FOR_OWN}"
        length = float(np.linalg.norm(session.template))
        rows.append(_row("template", f"A template of {len(session.template)} numbers, length {length:.1f}.{own}"))
    if session.adapter is not None:
        about = session.adapter.about
        good = "" if about.held_out_cosine is None else f", cosine {about.held_out_cosine:.2f} on people left out"
        rows.append(_row("adapter", f"Mapped from {about.source} to {about.target}{good}."))
    words = escape(session.template_refused)
    refused = f'<p class="refused" role="alert">{words}</p>' if words else ""
    return (f'<ul class="coach plain">{"".join(rows)}</ul>' if rows else "") + refused


def _row(what: str, words: str, state: str = "used") -> str:
    return (
        f'<li class="{state}"><div class="words"><p>{escape(words)}</p></div><button type="button" class="remove" '
        f'data-act="remove" data-what="{what}" aria-label="Remove the {what}">×</button></li>'
    )


def _width(adapter: LinearMap | None) -> int:
    return DIMENSIONS if adapter is None else adapter.matrix.shape[0]
