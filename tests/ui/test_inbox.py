"""Uploads leave the disk, and two visitors may send the same file."""

from pathlib import Path

import pytest

from errors import PhotoError
from ui.inbox import Inbox


def uploaded(root: Path, content: bytes = b"photo") -> Path:
    path = root / "5ha256" / "me.jpg"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_an_upload_is_read_once_and_gone(tmp_path: Path) -> None:
    path = uploaded(tmp_path)
    inbox = Inbox(tmp_path)
    assert inbox.take(str(path)) == b"photo"
    assert not path.exists()


def test_the_same_file_from_two_visitors_at_once(tmp_path: Path) -> None:
    path = uploaded(tmp_path)
    uploaded(tmp_path)
    inbox = Inbox(tmp_path)
    assert inbox.take(path) == inbox.take(path) == b"photo"


def test_what_was_taken_is_forgotten_with_its_folder(tmp_path: Path) -> None:
    path = uploaded(tmp_path)
    inbox = Inbox(tmp_path)
    inbox.take(path)
    inbox.sweep(remembered=60)
    assert inbox.take(path) == b"photo"
    inbox.sweep(remembered=-1)
    assert not path.parent.exists(), "its name is a fingerprint of the photo"
    with pytest.raises(PhotoError, match="Upload the file again"):
        inbox.take(path, field="pose")


def test_a_file_that_came_anew_stays_when_the_old_one_is_forgotten(tmp_path: Path) -> None:
    path = uploaded(tmp_path)
    inbox = Inbox(tmp_path)
    inbox.take(path)
    uploaded(tmp_path, b"again")
    inbox.sweep(remembered=-1)
    assert inbox.take(path) == b"again"


def test_broken_uploads_are_swept(tmp_path: Path) -> None:
    (tmp_path / "tmp3f").write_bytes(b"")
    inbox = Inbox(tmp_path)
    inbox.sweep(abandoned=60)
    assert (tmp_path / "tmp3f").exists()
    inbox.sweep(abandoned=-1)
    assert list(tmp_path.iterdir()) == []
