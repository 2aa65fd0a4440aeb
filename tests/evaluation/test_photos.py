"""People of a folder: found at any depth, and what is not used of them told."""

import shutil

import pytest
from PIL import Image

from evaluation.photos import photo_world


@pytest.fixture
def folder(people, tmp_path):
    return shutil.copytree(people, tmp_path / "people")


def world(folder, accept=lambda photo: True, **rest):
    return photo_world(folder, 3, 5, 0, reader=None, accept=accept, **rest)


def pixels(file):
    with Image.open(file) as picture:
        return picture.convert("RGB").tobytes()


def photos_of(one):
    return sum(len(subject.photos) + len(subject.others) for subject in one.subjects)


def test_what_is_no_picture_is_left_out_and_told(folder):
    (folder / "ada" / "0.jpg").write_bytes(b"no picture")
    (folder / "ada" / "scan.tif").write_bytes(b"of a kind that is not read")
    shutil.copy(folder / "ben" / "0.png", folder / "group.png")
    told = world(folder)
    assert len(told.subjects) == 3
    assert set(told.left_out) == {"ada/0.jpg", "ada/scan.tif", "group.png"}
    assert ".tif" in told.left_out["ada/scan.tif"]
    assert photos_of(told) == len(list(folder.glob("*/*.png")))


def test_photos_and_people_without_a_face_are_told(folder):
    faceless = {pixels(file) for file in (folder / "ben" / "1.png", *folder.glob("eve/*"))}
    told = world(folder, lambda photo: photo.tobytes() not in faceless)
    assert len(told.subjects) == 2
    assert set(told.left_out) == {"ben/1.png", "eve/0.png", "eve/1.png", "eve/2.png"}
    assert set(told.left_out.values()) == {"no face was found"}
    assert set(told.nobody) == {"eve", "nobody"}


def test_photos_lie_at_any_depth_and_behind_links(folder, tmp_path):
    (folder / "ada" / "2021" / "summer").mkdir(parents=True)
    (folder / "ada" / "0.png").rename(folder / "ada" / "2021" / "summer" / "0.png")
    elsewhere = shutil.move(folder / "eve", tmp_path / "elsewhere")
    (folder / "nobody" / "link").symlink_to(elsewhere)
    (folder / "nobody" / "link" / "round").symlink_to(folder / "nobody")
    told = world(folder)
    assert len(told.subjects) == 3
    assert photos_of(told) == 9, "none is found twice on the way round"
    assert not told.left_out and not told.nobody


def test_looking_at_people_is_told(folder):
    seen = []
    world(folder, tell=lambda *told: seen.append(told))
    assert seen == [("looking at people", done, 4) for done in range(4)]
