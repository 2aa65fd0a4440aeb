"""Question 1: the photos, and the coach that says what each of them is worth."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, cast

from PIL import Image

from errors import InputError, NoFaceFound, PhotoError
from face.photo import open_photo
from ui.inbox import Inbox
from ui.pictures import data_url, face_marks
from ui.session import LONGEST_SIDE, Photo, Session
from ui.wording import letter

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer
    from face.face import Face

MAX_PHOTOS = 8
PREVIEW_SIDE = 480
NUMBERED = re.compile(r"\b([Pp]hoto) (\d+)")
"""A verdict says "photo 2", the page calls it photo B."""


def read_photo(inbox: Inbox, path: str, *, field: str = "photo") -> Photo:
    """Opens an uploaded file and deletes it: from here on the photo is in memory only. Raises PhotoError."""
    return as_photo(open_photo(inbox.take(path, field=field), field=field))


def as_photo(image: Image.Image, *, whole: bool = False) -> Photo:
    """A photo for the page: at most `LONGEST_SIDE` px a side, more than any face network looks at, or as it is."""
    if max(image.size) > LONGEST_SIDE and not whole:
        image = image.copy()
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return Photo(image, data_url(image, PREVIEW_SIDE))


def add_photos(photos: list[Photo], inbox: Inbox, paths: Iterable[str]) -> list[str]:
    """Reads uploads into a list of photos; returns what could not be taken, one sentence each."""
    refused = []
    for path in paths:
        try:
            data = inbox.take(path)
            if len(photos) < MAX_PHOTOS:
                photos.append(as_photo(open_photo(data)))
            else:
                refused.append(f"At most {MAX_PHOTOS} photos are used; the rest was left out.")
        except PhotoError as error:
            refused.append(str(error))
    return list(dict.fromkeys(refused))


def look(session: Session, analyzer: FaceAnalyzer) -> None:
    """Finds the faces of photos not looked at yet and judges all photos of a person together."""
    for photo in all_photos(session):
        if photo.faces is None:
            photo.faces = tuple(analyzer.find(photo.image))
    for photos in session.groups:
        _judge(list(photos))


def all_photos(session: Session) -> list[Photo]:
    """Every photo in which faces are looked for."""
    single = (session.pose, session.ground)
    return [*(photo for photos in session.groups for photo in photos), *(photo for photo in single if photo)]


def _judge(photos: list[Photo]) -> None:
    from face.references import identify

    for photo in photos:
        photo.report = None
    if any(photo.faces for photo in photos):
        identity = identify(
            [photo.image for photo in photos],
            cast("FaceAnalyzer", Remembered(photos)),
            choices=[photo.choice for photo in photos],
        )
        for photo, report in zip(photos, identity.reports, strict=True):
            photo.report = report


class Remembered:
    """Stands in for a face analyzer and answers what it found before, so that each photo is analysed once."""

    def __init__(self, photos: Sequence[Photo]) -> None:
        self._faces = {id(photo.image): list(photo.faces or ()) for photo in photos}

    def find(self, image: Image.Image) -> list[Face]:
        return self._faces[id(image)]


def require_face(photo: Photo, *, field: str, name: str) -> None:
    """Raises NoFaceFound with a cure when the analyzer has looked at this photo and saw nobody."""
    if photo.faces is not None and not photo.faces:
        raise NoFaceFound(
            f"No face was found in {name}.",
            field=field,
            cure="Take a photo in which the whole face is visible, lit from the front and not too small.",
        )


def choose_face(photo: Photo, face: int) -> None:
    """Raises InputError for a face that is not there."""
    if not 0 <= face < len(photo.faces or ()):
        raise InputError("That face is not on the page any more.", field="face_choices")
    photo.choice = face


def coach_html(photos: Sequence[Photo], told: Sequence[str], *, loading: bool, person: int = 0) -> str:
    """The coach under the photos of a person, 0 the first; clickable parts carry data-act for the event "select"."""
    rows = [_row(photo, index, loading, person) for index, photo in enumerate(photos)]
    return (f'<ul class="coach">{"".join(rows)}</ul>' if rows else "") + "".join(map(refused_html, told))


def refused_html(sentence: str) -> str:
    """Why an upload was not taken, or nothing."""
    return f'<p class="refused" role="alert">{escape(sentence)}</p>' if sentence else ""


def photo_with_faces(photo: Photo, name: str, *, buttons: str = "") -> str:
    """The photo with what the detector saw."""
    width, height = photo.image.size
    marks = face_marks(photo.faces, photo.choice or 0, photo.image.size) if photo.faces else ""
    return (
        f'<div class="shot" style="aspect-ratio:{width}/{height}">'
        f'<img src="{photo.preview}" alt="{escape(name)}">{marks}{buttons}</div>'
    )


def pose_coach_html(session: Session) -> str:
    """The same for the picture that gives the pose."""
    pose = session.pose
    refused = refused_html(session.pose_refused)
    if pose is None:
        return refused
    if pose.faces is None:
        words = "Looking for faces …"
    elif not pose.faces:
        words = "No face was found. Take another picture."
    else:
        words = "Gives the pose."
    state = "left-out" if pose.faces == () else "used"
    return f'<ul class="coach">{photo_card(pose, "pose", "pose picture", "", words, state)}</ul>{refused}'


def _row(photo: Photo, index: int, loading: bool, person: int) -> str:
    words, state = _verdict(photo, loading)
    badge = f"<b>{letter(index)}</b>"
    of = f" of person {person + 1}" if person else ""
    return photo_card(photo, f"{person}-{index}", f"photo {letter(index)}{of}", badge, words, state)


def photo_card(photo: Photo, key: str, name: str, badge: str, words: str, state: str) -> str:
    """One photo. `key` says in the event which one it is: "person-number", or the name of an input."""
    several = photo.faces is not None and len(photo.faces) > 1
    shot = photo_with_faces(photo, name, buttons=_face_buttons(photo, key, name) if several else "")
    hint = "<p class='hint'>Click the face you mean.</p>" if several else ""
    remove = f'data-act="remove" data-photo="{key}" aria-label="Remove {name}"'
    return (
        f'<li class="{state}{" several" if several else ""}">{shot}'
        f'<div class="words">{badge}<p>{escape(words)}</p>{hint}</div>'
        f'<button type="button" class="remove" {remove}>×</button></li>'
    )


def _face_buttons(photo: Photo, key: str, name: str) -> str:
    width, height = photo.image.size
    faces = photo.faces or ()
    buttons = []
    for number, face in enumerate(faces):
        x0, y0, x1, y1 = (float(value) for value in face.box)
        place = (
            f"left:{100 * x0 / width:.2f}%;top:{100 * y0 / height:.2f}%;"
            f"width:{100 * (x1 - x0) / width:.2f}%;height:{100 * (y1 - y0) / height:.2f}%"
        )
        pressed = str(number == (photo.choice or 0)).lower()
        buttons.append(
            f'<button type="button" class="face-button" style="{place}" data-act="face" data-photo="{key}" '
            f'data-face="{number}" aria-pressed="{pressed}" '
            f'aria-label="Face {number + 1} of {len(faces)} in {name}"></button>'
        )
    return "".join(buttons)


def _verdict(photo: Photo, loading: bool) -> tuple[str, str]:
    if photo.report is not None:
        lettered = NUMBERED.sub(lambda found: f"{found[1]} {letter(int(found[2]) - 1)}", photo.report.verdict)
        return lettered, "used" if photo.report.used else "left-out"
    if photo.faces is None:
        return ("Looked at as soon as the weights are loaded." if loading else "Looking for faces …"), "waiting"
    if not photo.faces:
        return "No face was found. Take one in which the whole face is visible and lit from the front.", "left-out"
    return "A face was found.", "used"
