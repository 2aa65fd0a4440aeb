"""Several people in one picture: photos of the others, and who stands where."""

from __future__ import annotations

from html import escape
from typing import Any

from errors import RequestError
from generation.people import Person
from ui.session import MOST_OTHERS, Session
from ui.who import require_face

MOST = MOST_OTHERS + 1


def count_of(value: Any) -> int:
    """The number of people that the form asks for. Raises RequestError for another than 1 to 4."""
    if value not in range(1, MOST + 1):
        raise RequestError(
            "That number of people is not offered.", field="others", cure=f"Choose 1 to {MOST} under Several people."
        )
    return int(value)


def people_of(session: Session, count: int) -> dict[str, Any]:
    """The fields of a request that say who else is in the picture. Raises RequestError, NoFaceFound."""
    if count == 1:
        return {}
    others = []
    for number, companion in enumerate(session.others[: count - 1]):
        name = f"Person {number + 2}"
        if not companion.photos:
            raise RequestError(
                f"{name} has no photo yet.",
                field="others",
                cure="Add one under Several people, or choose fewer people.",
            )
        if not any(photo.faces is None or photo.faces for photo in companion.photos):
            require_face(companion.photos[0], field="others", name=f"the photos of {name.lower()}")
        others.append(
            Person(tuple(photo.image for photo in companion.photos), tuple(photo.choice for photo in companion.photos))
        )
    return {"others": tuple(others), "assignment": order_of(session, count)}


def order_of(session: Session, count: int) -> tuple[int, ...]:
    """Who stands where, from the left; people who are new stand to the right."""
    known = [person for person in session.order or () if person < count]
    return (*known, *(person for person in range(count) if person not in known))


def move(session: Session, count: int, place: int, by: int) -> None:
    """Exchanges the person at a place with the neighbour; nothing happens at the ends."""
    order = list(order_of(session, count))
    if 0 <= place < count and 0 <= place + by < count:
        order[place], order[place + by] = order[place + by], order[place]
    session.order = tuple(order)


def order_html(session: Session, count: int) -> str:
    """People from left to right, each with buttons to move it; empty for one person."""
    if count == 1:
        return ""
    tiles = "".join(_tile(session, person, place, count) for place, person in enumerate(order_of(session, count)))
    return f'<p class="label">From left to right</p><ol class="order">{tiles}</ol>'


def _tile(session: Session, person: int, place: int, count: int) -> str:
    photos = session.groups[person]
    face = f'<img src="{photos[0].preview}" alt="">' if photos else '<i class="nobody" aria-hidden="true">?</i>'
    name = f"person {person + 1}"
    ends = {-1: place == 0, 1: place == count - 1}
    buttons = "".join(
        f'<button type="button" data-act="move" data-place="{place}" data-by="{by}" '
        f'aria-label="Move {escape(name)} to the {where}"{" disabled" if ends[by] else ""}>{sign}</button>'
        for by, where, sign in ((-1, "left", "‹"), (1, "right", "›"))
    )
    return f"<li>{face}<span>{escape(name.capitalize())}</span><div>{buttons}</div></li>"
