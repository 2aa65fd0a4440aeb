"""The right side of the page: the picture, or what stands in its place. Each function returns the HTML of one state."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

import gradio as gr
from PIL import Image

from errors import InstantIDError
from ui.likeness import Advice, advise, likeness_word, pose_word
from ui.pictures import data_url
from ui.session import Photo, Result, Session
from ui.who import photo_with_faces
from ui.wording import PROMISE, UNEXPECTED, UNEXPECTED_CURE, letter, seconds

if TYPE_CHECKING:
    from ui.examples import Example

BARS = {"strong": 3, "fair": 2, "weak": 1, "not measurable": 0}
LIVE_SIDE = 512


def empty(examples: Sequence[Example]) -> str:
    """Nothing was made yet: examples that run at a click."""
    cards = "".join(
        f'<button type="button" class="example" data-act="example" data-index="{index}">'
        f'<img src="{example.thumbnail}" alt=""><b>{escape(example.style)}</b>'
        f"<small>{escape(example.note)}</small></button>"
        for index, example in enumerate(examples)
    )
    invitation = "Add a photo under <b>1 Who</b> and press the button, or start with one of these:"
    if not cards:
        invitation = "Add a photo under <b>1 Who</b> and press the button."
    words = f"<h1>{escape(PROMISE)}</h1><p>{invitation}</p>"
    return f'<div class="stage empty">{words}<div class="examples">{cards}</div></div>'


def working(previews: Sequence[Image.Image], fraction: float | None, *, behind: str = "") -> str:
    """A run is under way.

    previews: the unfinished pictures; before the first one `behind` (an image URL) is shown, blurred.
    fraction: of the run, None while it is not known.
    """
    if previews:
        shown = "".join(
            f'<img src="{data_url(picture, LIVE_SIDE, quality=75)}" alt="Unfinished picture {number + 1}">'
            for number, picture in enumerate(previews)
        )
        body = f'<div class="pictures many-{len(previews) if len(previews) <= 4 else "more"}">{shown}</div>'
    elif behind:
        body = f'<div class="pictures many-1"><img class="dim" src="{behind}" alt=""></div>'
    else:
        body = '<div class="pictures many-1"><i class="blank"></i></div>'
    bar = (
        '<i class="bar endless"></i>'
        if fraction is None
        else f'<i class="bar" style="--done:{100 * fraction:.0f}%"></i>'
    )
    return f'<div class="stage working">{body}{bar}</div>'


def done(session: Session) -> str:
    """The chosen result, alone or beside the photo it was made from."""
    result = session.current
    if result is None:
        return ""
    width, height = result.size
    name = f"Result, seed {result.seed}"
    address = picture_address(result)
    if session.comparing and result.reference:
        body = (
            f'<div class="compare" style="aspect-ratio:{width}/{height}">'
            f'<img src="{address}" alt="{name}"><img class="before" src="{result.reference}" alt="The photo">'
            '<i class="edge"></i><span class="tag left">photo</span><span class="tag right">result</span>'
            '<input class="wipe" type="range" min="0" max="100" value="50" aria-label="Photo against result"></div>'
        )
    else:
        body = (
            f'<a class="picture" href="{address}" target="_blank" rel="noopener" style="aspect-ratio:{width}/{height}" '
            f'title="Open in full size"><img src="{address}" alt="{name}"></a>'
        )
    return f'<div class="stage done">{body}</div>'


def facts(session: Session) -> str:
    """The measured numbers of the chosen result, and advice when the likeness is low."""
    result = session.current
    if result is None:
        return ""
    number = "" if result.identity is None else f" {result.identity:.2f}"
    word = likeness_word(result.identity)
    bars = "".join(f'<i class="{"on" if index < BARS[word] else ""}"></i>' for index in range(3))
    rows = [
        f'<li class="likeness"><span class="bars" aria-hidden="true">{bars}</span>likeness <b>{word}{number}</b></li>',
        f"<li>pose <b>{pose_word(result.keypoint_error)}</b></li>",
        f"<li>seed <b>{result.seed}</b></li>",
        f"<li><b>{seconds(result.seconds)}</b></li>",
        f"<li>{result.size[0]} × {result.size[1]}</li>",
    ]
    notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in result.notes)
    return f'<ul class="facts">{"".join(rows)}</ul>{_advice(advise_on(result))}{notes}'


def strip(session: Session) -> str:
    """All results of this page, newest first."""
    if not session.results:
        return ""
    tiles = []
    for index in range(len(session.results) - 1, -1, -1):
        result = session.results[index]
        word = likeness_word(result.identity)
        number = "" if result.identity is None else f" {result.identity:.2f}"
        chosen = str(index == session.selected).lower()
        tiles.append(
            f'<button type="button" data-act="show" data-index="{index}" aria-pressed="{chosen}" '
            f'aria-label="Result with seed {result.seed}, likeness {word}{number}">'
            f'<img src="{result.thumbnail}" alt="">'
            f"<span><b>{word}{number}</b>seed {result.seed}</span></button>"
        )
    return f'<div class="strip" role="group" aria-label="Results">{"".join(tiles)}</div>'


def failed(error: Exception, photos: Sequence[Photo], pose: Photo | None) -> str:
    """What happened, what to do, and the photos with what the detector saw. Nothing of the input is lost."""
    if isinstance(error, InstantIDError):
        message, cure = error.message, error.cure or ""
    elif isinstance(error, gr.Error):
        message, cure = str(error.message), ""
    else:
        message, cure = UNEXPECTED, UNEXPECTED_CURE
    seen = [(f"photo {letter(index)}", photo) for index, photo in enumerate(photos)]
    if pose is not None and getattr(error, "field", None) in ("pose", "pose_face"):
        seen = [("pose picture", pose)]
    shots = "".join(
        f"<figure>{photo_with_faces(photo, name)}<figcaption>{escape(name)}: {_seen(photo)}</figcaption></figure>"
        for name, photo in seen
    )
    return (
        f'<div class="stage failed" role="alert"><h2>{escape(message)}</h2><p>{escape(cure)}</p>'
        f'<div class="shots">{shots}</div><p class="kept">Your photos and settings are kept.</p></div>'
    )


def picture_address(result: Result) -> str:
    """Relative, so that it holds behind a proxy and on a Space. gradio serves the file's bytes unchanged."""
    return f"gradio_api/file={escape(quote(result.path.as_posix()))}"


def advise_on(result: Result) -> Advice | None:
    return advise(result.identity, result.settings, result.reports)


def _advice(advice: Advice | None) -> str:
    if advice is None:
        return ""
    button = f'<button type="button" data-act="advice">{escape(advice.button)}</button>' if advice.button else ""
    return f'<div class="advice"><p>{escape(advice.reason)}</p>{button}</div>'


def _seen(photo: Photo) -> str:
    if photo.faces is None:
        return "not looked at yet"
    count = len(photo.faces)
    return "no face seen" if count == 0 else "one face seen" if count == 1 else f"{count} faces seen"
