"""Folders of photos: whose a photo is, and what is left out and why."""

import numpy as np
import pytest

from errors import PhotoError, RequestError
from template_adapter.photos import embed_folder, photos_of, told_left_out

NAMES = (
    "anna/2019/1.jpg", "anna/2020/1.jpg", "anna/3.png", "ben.jpg", "ben.txt", "carl/faceless.jpg", "carl/late.webp",
    "dora/broken.jpg",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def embed(photo):
    if photo.stem == "broken":
        raise PhotoError("No picture.")
    return None if photo.stem == "faceless" else np.ones(4)


def test_whatever_lies_in_a_folder_is_of_its_person(folder):
    assert [person for person, _ in photos_of(folder)] == ["anna"] * 3 + ["ben", "carl", "carl", "dora"]


def test_what_is_left_out_says_why(folder):
    seen = []
    found = embed_folder(folder, embed, embed, progress=lambda done, of: seen.append((done, of)))
    assert found.people.tolist() == ["anna"] * 3 + ["ben", "carl"] and seen[-1] == (7, 7)
    assert told_left_out(found.left_out) == [
        "1 files that cannot be read as photos were left out.",
        "1 photos without a face were left out.",
    ]
    with pytest.raises(RequestError, match="shows a face: 1 files that cannot be read") as told:
        embed_folder(folder / "dora", embed, name="set")
    assert told.value.field == "set"


def test_only_what_is_needed_is_looked_at(folder):
    looked = []

    def looking(photo):
        looked.append(photo.relative_to(folder).as_posix())
        return embed(photo)

    seen = []
    found = embed_folder(folder, looking, first_of=3, progress=lambda done, of: seen.append((done, of)))
    assert looked == ["anna/2019/1.jpg", "ben.jpg", "carl/faceless.jpg", "carl/late.webp"] and seen[-1] == (7, 7)
    assert found.people.tolist() == ["anna", "ben", "carl"]
    assert len(embed_folder(folder, embed, most=3).rows[0]) + 1 == 3, "the last of three is broken"
