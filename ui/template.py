"""Question 1, the other answer: a stored template in the place of photos."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from errors import InstantIDError, RequestError
from template_adapter.linear import load_map_bytes
from template_adapter.reading import read_template
from template_adapter.template import DIMENSIONS, Template
from ui.inbox import Inbox
from ui.session import Session
from ui.wording import NO_TEMPLATE, NO_TEMPLATE_CURE

if TYPE_CHECKING:
    from template_adapter.linear import LinearMap


def add_template(session: Session, inbox: Inbox, path: str) -> None:
    """Reads an uploaded template; what could not be taken stands in `session.template_refused`."""
    session.template_refused = ""
    try:
        values = read_template(inbox.take(path, field="template"), dimensions=_width(session.adapter))
    except InstantIDError as error:
        session.template_refused = str(error)
    else:
        session.template = values


def add_adapter(session: Session, inbox: Inbox, path: str) -> None:
    """The same for an adapter. A template of another width than it reads goes."""
    session.template_refused = ""
    try:
        adapter = load_map_bytes(inbox.take(path, field="adapter")).check_for_weights()
    except InstantIDError as error:
        session.template_refused = str(error)
        return
    session.adapter = adapter
    if session.template is not None and len(session.template) != _width(adapter):
        session.template = None
        session.template_refused = f"The adapter reads {_width(adapter)} numbers; give such a template."


def drop(session: Session, what: str) -> None:
    """what: "template" or "adapter"; anything else is passed over."""
    if what == "template":
        session.template = None
    elif what == "adapter":
        session.adapter = None


def template_of(session: Session) -> Template:
    """Who the request is about. Raises RequestError without a template."""
    if session.template is None:
        raise RequestError(NO_TEMPLATE, field="template", cure=NO_TEMPLATE_CURE)
    return Template(session.template) if session.adapter is None else session.adapter.map_template(session.template)


def template_html(session: Session) -> str:
    """What was given, with a button to take each back; clickable parts carry data-act for the event "select"."""
    rows = []
    if session.template is not None:
        own = "" if session.adapter is not None else " It is taken for one of the weights' own recogniser."
        length = float(np.linalg.norm(session.template))
        rows.append(_row("template", f"A template of {len(session.template)} numbers, length {length:.1f}.{own}"))
    if session.adapter is not None:
        about = session.adapter.about
        good = "" if about.held_out_cosine is None else f", cosine {about.held_out_cosine:.2f} on people left out"
        rows.append(_row("adapter", f"Mapped from {about.source} to {about.target}{good}."))
    words = escape(session.template_refused)
    refused = f'<p class="refused" role="alert">{words}</p>' if words else ""
    return (f'<ul class="coach plain">{"".join(rows)}</ul>' if rows else "") + refused


def _row(what: str, words: str) -> str:
    return (
        f'<li class="used"><div class="words"><p>{escape(words)}</p></div><button type="button" class="remove" '
        f'data-act="remove" data-what="{what}" aria-label="Remove the {what}">×</button></li>'
    )


def _width(adapter: LinearMap | None) -> int:
    return DIMENSIONS if adapter is None else adapter.matrix.shape[0]
