"""A picture to work on: one to start from, or a photo to put the person into, and where it may change."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Any

import gradio as gr
from PIL import Image

from errors import InputError, PhotoError, RequestError
from face.photo import open_photo
from generation.into import INTO_STRENGTH, START_STRENGTH, as_mask
from ui.inbox import Inbox
from ui.pictures import data_url
from ui.session import Session
from ui.theme import script
from ui.who import as_photo, photo_card, refused_html, require_face
from ui.wording import GROUND_MISSING, GROUND_MISSING_CURE

LONGEST_PAINTING = 4_000_000
"""Characters of a painted mask; one of the painter's size is a few thousand long."""

STRENGTHS = {"start": START_STRENGTH, "into": INTO_STRENGTH}
PAINTED_SIDE = 640
NO_PICTURE = {"picture": "", "ratio": 1.0, "stamp": ""}


def add_ground(session: Session, inbox: Inbox, path: str) -> None:
    """Reads the uploaded picture, whole; a mask of another picture goes. What was wrong stands in `session.told`."""
    session.told.pop("ground", None)
    try:
        session.ground = as_photo(open_photo(inbox.take(path, field="ground"), field="ground"), whole=True)
        session.mask = None
    except PhotoError as error:
        session.told["ground"] = str(error)


def add_mask(session: Session, inbox: Inbox, path: str) -> None:
    """The same for a mask from a file, which has to be of the picture's own size."""
    session.told.pop("mask", None)
    try:
        mask = open_photo(inbox.take(path, field="mask"), field="mask", background="black").convert("L")
        _keep_mask(session, mask)
    except InputError as error:
        session.told["mask"] = str(error)


def painted(session: Session, drawing: str) -> None:
    """Takes what was painted over the picture: a PNG as a data URL, white where the picture may change."""
    session.told.pop("mask", None)
    try:
        head, _, body = drawing.partition(",")
        if head != "data:image/png;base64" or len(body) > LONGEST_PAINTING:
            raise ValueError
        mask = open_photo(base64.b64decode(body, validate=True), field="mask", background="black").convert("L")
    except (ValueError, binascii.Error, PhotoError):
        session.told["mask"] = "What was painted could not be read. Paint it again."
        return
    if session.ground is not None and as_mask(mask).any():
        session.mask = mask.resize(session.ground.image.size, Image.Resampling.BILINEAR)
    else:
        session.mask = None


def clear(session: Session, what: str) -> None:
    """what: "ground" or "mask"; anything else is passed over."""
    if what == "ground":
        session.ground = session.mask = None
    elif what == "mask":
        session.mask = None


def ground_of(session: Session, mode: Any, strength: float) -> dict[str, Any]:
    """The fields of a request that say what it works on. Raises RequestError, NoFaceFound."""
    if mode not in STRENGTHS:
        return {}
    if session.ground is None:
        raise RequestError(
            GROUND_MISSING, field="into" if mode == "into" else "start_picture", cure=GROUND_MISSING_CURE
        )
    fields: dict[str, Any] = {"mask": session.mask, "strength": strength}
    if mode == "start":
        return {**fields, "start_picture": session.ground.image}
    require_face(session.ground, field="into", name="the photo to put the person into")
    return {**fields, "into": session.ground.image, "into_face": session.ground.choice}


def ground_html(session: Session, mode: Any) -> str:
    """The picture with what was seen in it; clickable parts carry data-act for the event "select"."""
    told = refused_html(session.told.get("ground", ""))
    ground = session.ground
    if ground is None:
        return told
    width, height = ground.image.size
    words, state = f"{width} × {height} px. The new picture starts from it.", "used"
    if mode == "into":
        words = "Looking for faces …" if ground.faces is None else "The marked face becomes the person's."
        if ground.faces == ():
            words, state = "No face was found. Take a photo in which a whole face is visible.", "left-out"
    return f'<ul class="coach">{photo_card(ground, "ground", "picture to work on", "", words, state)}</ul>{told}'


def painter() -> gr.HTML:
    """A canvas over the picture. Its value is the picture's data URL; what was painted arrives as an event."""
    return gr.HTML(
        dict(NO_PICTURE),
        html_template=(
            '<div class="easel" hidden><img alt="">'
            '<canvas aria-label="Paint where the picture may change"></canvas></div>'
            '<div class="tools" hidden><label class="range">Brush <output></output>'
            '<input type="range" min="2" max="30" step="1" value="10" aria-label="Size of the brush"></label>'
            '<button type="button" data-tool="erase" aria-pressed="false">Erase</button>'
            '<button type="button" data-tool="clear">Clear</button></div>'
        ),
        js_on_load=script("painter"),
        apply_default_css=False,
        label="Where the picture may change",
        elem_id="painter",
    )


def easel_of(session: Session) -> dict[str, Any]:
    """The painter's value for the picture of the session, with a clean canvas."""
    if session.ground is None:
        return {**NO_PICTURE, "stamp": secrets.token_hex(4)}
    width, height = session.ground.image.size
    picture = data_url(session.ground.image, PAINTED_SIDE)
    return {"picture": picture, "ratio": width / height, "stamp": secrets.token_hex(4)}


def mask_html(session: Session) -> str:
    """What the mask says, in words."""
    told = refused_html(session.told.get("mask", ""))
    if session.mask is None:
        return told
    share = float(as_mask(session.mask).mean())
    return (
        f'<ul class="coach plain"><li class="used"><div class="words"><p>{100 * share:.0f} % of the picture may change.'
        '</p></div><button type="button" class="remove" data-act="remove" data-what="mask" '
        f'aria-label="Remove the mask">×</button></li></ul>{told}'
    )


def _keep_mask(session: Session, mask: Image.Image) -> None:
    ground = session.ground
    if ground is None:
        raise RequestError("A mask needs a picture to lie on.", field="mask", cure="Add the picture first.")
    if mask.size != ground.image.size:
        raise RequestError(
            f"The mask is {mask.width} × {mask.height} px, its picture {ground.image.width} × {ground.image.height}.",
            field="mask",
            cure="Give a mask of the picture's own size, white where it may change.",
        )
    if not as_mask(mask).any():
        raise RequestError("The mask is black everywhere.", field="mask", cure="Paint white what may change.")
    session.mask = mask
