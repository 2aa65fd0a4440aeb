"""Pictures to work on, and masks that are painted or uploaded."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ui.ground import add_ground, add_mask, clear, easel_of, ground_html, mask_html, painted
from ui.inbox import Inbox
from ui.session import LONGEST_SIDE, Session


def saved(folder: Path, image: Image.Image, name: str = "picture.png") -> str:
    folder.mkdir(exist_ok=True)
    image.save(folder / name)
    return str(folder / name)


def drawing(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session()
    add_ground(session, Inbox(tmp_path), saved(tmp_path / "up", Image.new("RGB", (300, 200), "teal")))
    return session


def test_a_picture_to_work_on_stays_whole(tmp_path: Path) -> None:
    session = Session()
    add_ground(session, Inbox(tmp_path), saved(tmp_path / "up", Image.new("RGB", (LONGEST_SIDE + 400, 600))))
    assert session.ground is not None
    assert session.ground.image.size == (LONGEST_SIDE + 400, 600), "not a pixel outside the face may change"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_is_painted_becomes_a_mask_of_the_pictures_size(session: Session) -> None:
    painting = Image.new("RGB", (512, 341))
    painting.paste((255, 255, 255), (0, 0, 256, 341))
    painted(session, drawing(painting))
    assert session.mask is not None
    assert session.mask.size == (300, 200)
    assert np.asarray(session.mask)[:, :140].min() == 255
    assert np.asarray(session.mask)[:, 160:].max() == 0
    assert "50 %" in mask_html(session)
    painted(session, drawing(Image.new("RGB", (512, 341))))
    assert session.mask is None, "an empty canvas is no mask"


@pytest.mark.parametrize(
    "text", ["", "hello", "data:image/png;base64,????", "data:image/png;base64,aGVsbG8=", "data:text/html;base64,AA=="]
)
def test_a_forged_painting_is_refused(session: Session, text: str) -> None:
    painted(session, text)
    assert session.mask is None
    assert "Paint it again" in mask_html(session)


def test_a_mask_from_a_file_has_the_pictures_size(session: Session, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    add_mask(session, inbox, saved(tmp_path / "up", Image.new("L", (90, 80), 255)))
    assert "90 × 80" in session.told["mask"]
    add_mask(session, inbox, saved(tmp_path / "up", Image.new("L", (300, 200), 0), "black.png"))
    assert "black everywhere" in session.told["mask"]
    add_mask(session, inbox, saved(tmp_path / "up", Image.new("L", (300, 200), 255), "white.png"))
    assert session.mask is not None
    assert "mask" not in session.told


def test_another_picture_takes_the_mask_along(session: Session, tmp_path: Path) -> None:
    session.mask = Image.new("L", (300, 200), 255)
    before = easel_of(session)["stamp"]
    add_ground(session, Inbox(tmp_path), saved(tmp_path / "up", Image.new("RGB", (90, 80)), "other.png"))
    assert session.mask is None
    assert easel_of(session)["stamp"] != before
    clear(session, "ground")
    assert easel_of(session)["picture"] == ""
    assert ground_html(session, "into") == ""


def test_a_torn_picture_is_told(tmp_path: Path) -> None:
    file = tmp_path / "torn.jpg"
    file.write_bytes(b"no picture")
    session = Session()
    add_ground(session, Inbox(tmp_path), str(file))
    assert "refused" in ground_html(session, "start")


def test_what_is_transparent_in_a_mask_stays_as_it_is(session: Session, tmp_path: Path) -> None:
    brush = Image.new("RGBA", (300, 200), (255, 255, 255, 0))
    brush.paste((255, 255, 255, 255), (0, 0, 150, 200))
    painted(session, drawing(brush))
    assert "50 %" in mask_html(session)
    clear(session, "mask")
    add_mask(session, Inbox(tmp_path), saved(tmp_path / "up", brush, "brush.png"))
    assert "50 %" in mask_html(session)
