"""Which click does what among the photos, the template and the pose."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from errors import InputError, PhotoError
from generation.background import EngineRoom
from ui import wording as say
from ui.company import MOST, order_html
from ui.events import QUICK, Parts, Shown, index_of, text_of
from ui.followed import KINDS, followed_html
from ui.ground import clear, easel_of, ground_html, mask_html
from ui.inbox import Inbox
from ui.session import Photo, Session
from ui.template import add_adapter, add_template, drop, template_html
from ui.who import add_photos, choose_face, coach_html, look, pose_coach_html, read_photo

if TYPE_CHECKING:
    from weights.registry import Profile

COACHES = ("coach", "pose_coach", *(f"person_{number}" for number in range(1, MOST)), "order", "ground")
"""Names of the parts that show photos with what was seen in them."""


class Inputs:
    """Events of the inputs.

    Attributes:
        asked: inputs of every handler that shows all photos: the session, the number of people, what to do with a
            picture.
    """

    def __init__(self, parts: Parts, room: EngineRoom, profile: Profile, inbox: Inbox) -> None:
        self._parts = parts
        self._room = room
        self._profile = profile
        self._inbox = inbox
        self.asked = [parts["session"], parts["people"], parts["ground_mode"]]

    def connect(self) -> None:
        parts = self._parts
        for person in range(MOST):
            self._photos_of(person)
        for name in ("coach", "pose_coach", *(f"person_{number}" for number in range(1, MOST)), "ground"):
            self.then_look(parts[name].select(self._on_photo, self.asked, parts.named(self._changed), **QUICK))
        for kind in KINDS:
            if kind in parts:
                parts[kind].select(parts.keyed(_drop_followed(kind)), parts["session"], [parts[kind]], **QUICK)
        self._template()
        self._pose()

    @property
    def _changed(self) -> tuple[str, ...]:
        return (*COACHES, "painter", "mask")

    def look(self, session: Session, people: int, ground: str) -> Shown:
        """Looks at photos that nobody has looked at yet, and shows all."""
        if self._room.engine is not None:
            look(session, self._room.engine.analyzer)
        return self.coaches(session, people, ground)

    def coaches(self, session: Session, people: int, ground: str) -> Shown:
        """All photos with what was seen in them."""
        loading = self._room.engine is None
        others = {
            f"person_{number}": coach_html(one.photos, one.refused, loading=loading, person=number)
            for number, one in enumerate(session.others, start=1)
        }
        return {
            "coach": self.coach(session),
            "pose_coach": pose_coach_html(session),
            **others,
            "order": order_html(session, people),
            "ground": ground_html(session, ground),
        }

    def coach(self, session: Session) -> str:
        return coach_html(session.photos, session.refused, loading=self._room.engine is None)

    def _photos_of(self, person: int) -> None:
        parts = self._parts
        name, shown = ("upload", "coach") if person == 0 else (f"person_{person}_upload", f"person_{person}")

        def added(session: Session, paths: list[str] | None) -> Shown:
            refused = add_photos(session.groups[person], self._inbox, paths or [])
            if person == 0:
                session.refused = refused
                return {name: None, shown: self.coach(session)}
            companion = session.others[person - 1]
            companion.refused = refused
            loading = self._room.engine is None
            return {name: None, shown: coach_html(companion.photos, refused, loading=loading, person=person)}

        upload = parts[name]
        self.then_look(
            upload.upload(parts.keyed(added), [parts["session"], upload], parts.named((name, shown)), **QUICK)
        )

    def then_look(self, event: Any) -> None:
        """Has photos looked at once an event is through."""
        event.then(self._parts.keyed(self.look), self.asked, self._parts.named(COACHES), **QUICK)

    def _template(self) -> None:
        parts, session = self._parts, self._parts["session"]
        parts["who_mode"].change(
            parts.keyed(_who_mode),
            [session, parts["who_mode"], parts["pose_mode"]],
            parts.named(("who_heading", "photos_box", "template_box", "pose_mode", "pose_note")),
            **QUICK,
        )
        for name, add in (("template", add_template), ("adapter", partial(add_adapter, profile=self._profile))):
            upload = parts[f"{name}_upload"]

            def added(
                state: Session, path: str | None, name: str = name, add: Callable[..., None] = add
            ) -> dict[str, Any]:
                if path is not None:
                    add(state, self._inbox, path)
                return {f"{name}_upload": None, "template_card": template_html(state)}

            upload.upload(
                parts.keyed(added), [session, upload], parts.named((f"{name}_upload", "template_card")), **QUICK
            )
        parts["template_card"].select(_on_template_card, session, parts["template_card"], **QUICK)

    def _pose(self) -> None:
        parts, session = self._parts, self._parts["session"]
        parts["pose_mode"].change(
            parts.keyed(_pose_mode),
            [parts["pose_mode"], parts["who_mode"]],
            parts.named(("pose_note", "pose_box", "view_box")),
            **QUICK,
        )
        self.then_look(
            parts["pose_upload"].upload(
                parts.keyed(self._add_pose),
                [session, parts["pose_upload"]],
                parts.named(("pose_upload", "pose_coach")),
                **QUICK,
            )
        )

    def _add_pose(self, session: Session, path: str | None) -> Shown:
        session.pose_refused = ""
        if path is not None:
            try:
                session.pose = read_photo(self._inbox, path, field="pose")
            except PhotoError as error:
                session.pose_refused = str(error)
        return {"pose_upload": None, "pose_coach": pose_coach_html(session)}

    def _on_photo(self, session: Session, people: int, ground: str, event: gr.EventData) -> list[Any]:
        shown: Shown = {}
        try:
            key = text_of(event, "photo")
            photo, group = _photo(session, key)
            if text_of(event, "act") == "face":
                choose_face(photo, index_of(event, "face"))
            elif text_of(event, "act") == "remove" and group is not None:
                group.remove(photo)
            elif text_of(event, "act") == "remove" and key == "pose":
                session.pose = None
            elif text_of(event, "act") == "remove":
                clear(session, key)
                shown = {"painter": easel_of(session), "mask": mask_html(session)}
        except InputError as error:
            session.refused = [str(error)]
        return self._parts.values(self._changed, {**shown, **self.coaches(session, people, ground)})


def _photo(session: Session, key: str) -> tuple[Photo, list[Photo] | None]:
    """A photo by its key on the page, and the list it is in. Raises InputError for one that is not there."""
    single = {"pose": session.pose, "ground": session.ground}
    if (photo := single.get(key)) is not None:
        return photo, None
    person, _, number = key.partition("-")
    if person.isdecimal() and number.isdecimal() and int(person) < len(session.groups):
        group = session.groups[int(person)]
        if int(number) < len(group):
            return group[int(number)], group
    raise InputError("That picture is not on the page any more.")


def _drop_followed(kind: str) -> Callable[[Session], Shown]:
    def dropped(session: Session) -> Shown:
        session.followed.pop(kind, None)
        return {kind: followed_html(session, kind)}

    return dropped


def _pose_mode(mode: str, who: str) -> Shown:
    return {
        "pose_note": f"<p>{say.pose_note(mode, who)}</p>",
        "pose_box": gr.update(visible=mode == "picture"),
        "view_box": gr.update(visible=mode == "view"),
    }


def _who_mode(session: Session, mode: str, pose: str) -> Shown:
    return {
        "who_heading": say.heading(1, "Who", say.WHO_HINTS[mode]),
        "pose_mode": gr.update(choices=say.pose_modes(mode, kept=session.kept_keypoints is not None)),
        "pose_note": f"<p>{say.pose_note(pose, mode)}</p>",
        "photos_box": gr.update(visible=mode != "template"),
        "template_box": gr.update(visible=mode == "template"),
    }


def _on_template_card(session: Session, event: gr.EventData) -> str:
    drop(session, text_of(event, "what"))
    return template_html(session)
