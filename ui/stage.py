"""The right side of the page: the picture, or what stands in its place. Each function returns the HTML of one state."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import gradio as gr
from PIL import Image

from errors import InstantIDError
from ui.followed import WORDS
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
    invitation = "Add a photo or a template under <b>1 Who</b> and press the button"
    invitation += ", or start with one of these:" if cards else "."
    words = f"<h1>{escape(PROMISE)}</h1><p>{invitation}</p>"
    return f'<div class="stage empty">{words}<div class="examples">{cards}</div></div>'


def working(previews: Sequence[Image.Image], fraction: float | None, *, behind: str = "") -> str:
    """A run is under way.

    previews: the unfinished pictures, shown at four times their size at most; before the first one `behind` (an image
        URL) is shown, blurred.
    fraction: of the run, None while it is not known.
    """
    if previews:
        shown = "".join(
            f'<img src="{data_url(picture, LIVE_SIDE, quality=75)}" alt="Unfinished picture {number + 1}" '
            f'style="--wide:{picture.width}px;--tall:{picture.height}px">'
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
    name = f"Result, seed {result.seed}"
    address = file_address(result.path)
    if session.comparing == "before" and result.before is not None:
        body = _wipe(result, file_address(result.before), "before", "Before the small faces were made again", "after")
    elif session.comparing and result.reference:
        body = _wipe(result, result.reference, "photo", "The photo", "result")
    else:
        body = (
            f'<a class="picture" href="{address}" target="_blank" rel="noopener" style="{_frame(result)}" '
            f'title="Open in full size"><img src="{address}" alt="{name}"></a>'
        )
    return f'<div class="stage done">{body}</div>'


def _frame(result: Result) -> str:
    """Of a result as the page shows it: its shape, and its width in pixels, which is blown up four times at most."""
    width, height = result.size
    return f"--ratio:{width / height:.4f};--wide:{width}px"


def _wipe(result: Result, other: str, tag: str, name: str, here: str) -> str:
    """The result under another picture, with an edge that can be moved."""
    return (
        f'<div class="compare" style="{_frame(result)}">'
        f'<img src="{file_address(result.path)}" alt="Result, seed {result.seed}">'
        f'<img class="before" src="{other}" alt="{name}">'
        f'<i class="edge"></i><span class="tag left">{tag}</span><span class="tag right">{here}</span>'
        f'<input class="wipe" type="range" min="0" max="100" value="50" aria-label="{name} against {here}"></div>'
    )


def facts(session: Session) -> str:
    """The measured numbers of the chosen result, and advice when the likeness is low."""
    result = session.current
    if result is None:
        return ""
    number = "" if result.identity is None else f" {result.identity:.2f}"
    word = likeness_word(result.identity)
    rows = [
        *(
            [_person(person, identity) for person, identity in result.people]
            or [f'<li class="likeness">{_bars(word)}likeness <b>{word}{number}</b></li>']
        ),
        *(_of_before(result)),
        f"<li>pose <b>{pose_word(result.keypoint_error)}</b></li>",
        f"<li>seed <b>{result.seed}</b></li>",
        f"<li><b>{seconds(result.seconds)}</b></li>",
        f"<li>{result.size[0]} × {result.size[1]}</li>",
    ]
    notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in result.notes)
    told = _swapped(result) or _advice(advise_on(result))
    return f'<ul class="facts">{"".join(rows)}</ul>{told}{_candidates(result)}{_followed(result)}{notes}'


def _person(person: int, identity: float | None) -> str:
    word = likeness_word(identity)
    number = "" if identity is None else f" {identity:.2f}"
    return f'<li class="likeness">{_bars(word)}person {person + 1} <b>{word}{number}</b></li>'


def _bars(word: str) -> str:
    bars = "".join(f'<i class="{"on" if index < BARS[word] else ""}"></i>' for index in range(3))
    return f'<span class="bars" aria-hidden="true">{bars}</span>'


def _of_before(result: Result) -> list[str]:
    """How the likeness was before small faces were made again, and the colours beside the plain picture."""
    told = []
    if result.before is not None:
        was = "not measurable" if result.before_identity is None else f"{result.before_identity:.2f}"
        told.append(f"<li>small face made again, before <b>{was}</b></li>")
    if result.colours is not None:
        told.append(
            f"<li>colours <b>{result.colours.saturation:.2f}×</b> saturation, "
            f"<b>{result.colours.contrast:.2f}×</b> contrast</li>"
        )
    return told


def _swapped(result: Result) -> str:
    """A warning in the place of advice when two people look like each other's reference."""
    if not result.swapped:
        return ""
    return (
        '<div class="advice alarm" role="alert"><p>Two people look swapped: each is more like the other\'s photo.</p>'
        '<button type="button" data-act="again">Try another seed</button></div>'
    )


def _candidates(result: Result) -> str:
    """Every picture that was made to choose from, the kept ones marked."""
    if not result.candidates:
        return ""
    rows = "".join(
        f'<li class="{"kept" if one.kept else ""}">seed {one.seed} '
        f"<b>{'no face' if one.identity is None else f'{one.identity:.2f}'}</b>{' kept' if one.kept else ''}</li>"
        for one in result.candidates
    )
    return f'<details class="candidates"><summary>Chosen of {len(result.candidates)}</summary><ul>{rows}</ul></details>'


def _followed(result: Result) -> str:
    """What each control followed, as its net read it."""
    shots = "".join(
        f'<figure><img src="{picture}" alt="{WORDS[kind]} that were followed">'
        f"<figcaption>{WORDS[kind].lower()}</figcaption></figure>"
        for kind, picture in result.followed
    )
    return f'<div class="followed">{shots}</div>' if shots else ""


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


def failed(error: Exception, session: Session) -> str:
    """What happened, what to do, and the photos with what the detector saw. Nothing of the input is lost."""
    if isinstance(error, InstantIDError):
        message, cure = error.message, error.cure or ""
    elif isinstance(error, gr.Error):
        message, cure = str(error.message), ""
    else:
        message, cure = UNEXPECTED, UNEXPECTED_CURE
    seen = _concerned(session, getattr(error, "field", None))
    shots = "".join(
        f"<figure>{photo_with_faces(photo, name)}<figcaption>{escape(name)}: {_seen(photo)}</figcaption></figure>"
        for name, photo in seen
    )
    who, given = ("template", session.template_file) if session.who == "template" else ("photos", session.photos)
    kept = f"{who} and settings" if given else "settings"
    return (
        f'<div class="stage failed" role="alert"><h2>{escape(message)}</h2><p>{escape(cure)}</p>'
        f'<div class="shots">{shots}</div><p class="kept">Your {kept} are kept.</p></div>'
    )


def _concerned(session: Session, field: str | None) -> list[tuple[str, Photo]]:
    """The photos that an error is about, by name."""
    if session.pose is not None and field in ("pose", "pose_face"):
        return [("pose picture", session.pose)]
    if session.ground is not None and field in ("into", "into_face", "start_picture", "mask"):
        return [("picture to work on", session.ground)]
    if field is not None and field.startswith("others"):
        return [
            (f"photo {letter(index)} of person {number + 2}", photo)
            for number, companion in enumerate(session.others)
            if field == "others" or field.startswith(f"others[{number}]")
            for index, photo in enumerate(companion.photos)
        ]
    if session.who == "template":
        return []
    return [(f"photo {letter(index)}", photo) for index, photo in enumerate(session.photos)]


def file_address(path: Path) -> str:
    """Relative, so that it holds behind a proxy and on a Space. gradio serves the file's bytes unchanged."""
    return f"gradio_api/file={escape(quote(path.as_posix()))}"


def advise_on(result: Result) -> Advice | None:
    return advise(result.identity, result.settings, result.reports, result.people)


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
