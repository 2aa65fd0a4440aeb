"""Result files, and the photo laid over a result for the comparison."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from errors import RequestError
from face.keypoints import view_keypoints
from generation.controls import Control
from generation.people import Person
from generation.request import GenerationRequest, Lora
from outputs.metadata import write_png
from ui.controls import controls_from, left_out, missing, settings_from_file
from ui.followed import form_of
from ui.form import FIELDS
from ui.results import ResultFolder, forget, laid_over
from ui.session import ChosenLora, Companion, Photo, Session
from weights.registry import PROFILES

PROFILE = PROFILES["miniature"]


def dotted(points: np.ndarray, size: tuple[int, int]) -> Image.Image:
    picture = Image.new("RGB", size, (0, 0, 0))
    draw = ImageDraw.Draw(picture)
    for x, y in points:
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(255, 255, 255))
    return picture


def test_the_photo_is_moved_onto_the_wanted_face() -> None:
    found = view_keypoints("front", (600, 400), face_size=0.5, centre=(0.7, 0.5))
    wanted = view_keypoints("front", (256, 320), face_size=0.4, centre=(0.4, 0.6))
    moved = np.asarray(laid_over(dotted(found, (600, 400)), found, wanted, (256, 320)).convert("L"))
    assert moved.shape == (640, 512), "small results are compared enlarged"
    for x, y in wanted * 2:
        assert moved[round(y), round(x)] > 200


def test_folders_cannot_be_guessed_and_go_with_the_session(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path)
    mine, other = Session(), Session()
    assert folder.of(mine) == folder.of(mine) != folder.of(other)
    assert len(folder.of(mine).name) >= 20
    forget(mine)
    assert mine.folder is not None and not mine.folder.exists()
    assert folder.of(other).exists()


def test_old_results_are_swept(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path)
    old, new = folder.of(Session()), folder.of(Session())
    os.utime(old, (time.time() - 100, time.time() - 100))
    folder.sweep(older_than=50)
    assert (old.exists(), new.exists()) == (False, True)


def settings_of(**changes) -> dict:
    photos = (Image.new("RGB", (64, 64)),)
    request = GenerationRequest(photos=photos, prompt="a man", style="Neon", seed=3, steps=4, **changes)
    return {**request.resolved(PROFILE).to_settings(), "profile": PROFILE.name}


def test_settings_come_back_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "made.png"
    write_png(Image.new("RGB", (128, 128)), settings_of(view="up", view_size=0.4, view_centre=(0.3, 0.6)), path)
    controls = controls_from(Session(), settings_from_file(str(path), PROFILE), PROFILE)
    assert set(FIELDS) - set(controls) == {"ground_strength"}, "without a picture to work on it stays"
    assert (controls["prompt"], controls["style"], controls["seed"], controls["steps"]) == ("a man", "Neon", 3, 4)
    assert controls["new_seed"] is False
    assert controls["pose_mode"] == "view"
    assert controls["view"] == {"view": "up", "size": 0.4, "x": 0.3, "y": 0.6, "aspect": 1.0}


def test_what_the_form_has_no_place_for_is_named() -> None:
    settings = settings_of(adapter_scale=2.0, width=192, height=192)
    settings["steps"] = 99
    assert left_out(settings, PROFILE) == ["the size 192 × 192", "more than 60 steps", "a strength above 1.5"]
    controls = controls_from(Session(), settings, PROFILE)
    assert (controls["steps"], controls["detail"]) == (60, 1.5)
    assert left_out(settings_of(), PROFILE) == []


def test_everything_of_a_wish_comes_back_and_what_only_the_visitor_has_is_named(tmp_path: Path) -> None:
    picture = Image.new("RGB", (64, 64))
    settings = settings_of(
        others=(Person((picture,)), Person((picture,))),
        assignment=(2, 0, 1),
        start_picture=picture,
        mask=Image.new("L", (64, 64), 255),
        strength=0.3,
        controls=(Control("canny", 0.4, 0.1, 0.9, picture, is_map=True),),
        loras=(Lora("owner/style", 0.3),),
        mode="fast",
        guidance_start=0.1,
        guidance_rescale=0.2,
        face_noise=0.1,
        adapter_start=0.1,
        refine="auto",
        compare_colours=True,
    )
    settings["loras"].append({"name": "mine.safetensors", "weight": 0.7})
    path = tmp_path / "made.png"
    write_png(picture, settings, path)
    read = settings_from_file(str(path), PROFILE)
    session = Session()
    controls = controls_from(session, read, PROFILE)
    assert set(controls) <= set(FIELDS)
    wanted = {
        "people": 3,
        "ground_mode": "start",
        "ground_strength": 0.3,
        "speed": "fast",
        "rescale": 0.2,
        "noise": 0.1,
        "adapter_start": 0.1,
        "refine": "auto",
        "compare_colours": True,
        "guidance_start": 0.1,
        "guidance_end": 0.6,
    }
    assert {name: controls[name] for name in wanted} == wanted
    assert session.order == (2, 0, 1)
    assert [(one.name, one.weight) for one in session.loras] == [("owner/style", 0.3)]
    assert form_of(read["followed"])["canny_map"] is True
    assert form_of(read["followed"])["canny_strength"] == 0.4
    assert missing(session, read) == [
        "photos of the person",
        "photos of person 2",
        "photos of person 3",
        "the picture to start from",
        "the mask",
        "the picture for edges",
        "the LoRA file mine.safetensors",
    ]
    photo = Photo(picture, "data:,")
    full = Session(
        photos=[photo],
        others=[Companion([photo]), Companion([photo]), Companion()],
        ground=photo,
        mask=picture.convert("L"),
        followed={"canny": photo},
        loras=[ChosenLora("mine.safetensors", "/somewhere/mine.safetensors", uploaded=True)],
    )
    controls_from(full, read, PROFILE)
    assert missing(full, read) == []
    assert {one.name for one in full.loras} == {"owner/style", "mine.safetensors"}


def test_the_lora_of_a_mode_is_left_to_the_mode() -> None:
    sdxl = PROFILES["sdxl"]
    photos = (Image.new("RGB", (64, 64)),)
    settings = GenerationRequest(photos=photos, mode="turbo").resolved(sdxl).to_settings()
    session = Session()
    controls = controls_from(session, settings, sdxl)
    assert (controls["speed"], controls["way"]) == ("turbo", "lcm")
    assert session.loras == []


def test_settings_of_other_weights_leave_their_speed_behind(tmp_path: Path) -> None:
    path = tmp_path / "made.png"
    write_png(Image.new("RGB", (64, 64)), {**settings_of(), "profile": "realvisxl", "mode": "turbo"}, path)
    settings = settings_from_file(str(path), PROFILE)
    assert settings["steps"] == PROFILE.steps
    assert left_out(settings, PROFILE) == ["size, speed and LoRAs, which belong to other weights"]


def test_a_pose_picture_comes_back_as_a_kept_pose() -> None:
    session = Session()
    points = [[float(x), float(y)] for x, y in view_keypoints("up", PROFILE.size)]
    controls = controls_from(session, {**settings_of(), "keypoints": points}, PROFILE)
    assert controls["pose_mode"]["value"] == "kept"
    assert session.kept_keypoints is not None
    assert session.kept_keypoints[1] == PROFILE.size


def test_settings_of_other_weights_take_this_profiles_size(tmp_path: Path) -> None:
    path = tmp_path / "made.png"
    write_png(Image.new("RGB", (64, 64)), {**settings_of(), "profile": "sdxl", "width": 896, "height": 1152}, path)
    settings = settings_from_file(str(path), PROFILE)
    assert (settings["width"], settings["height"]) == PROFILE.size


@pytest.mark.parametrize(
    "settings", [None, {"prompt": 5}, {"style": "<script>"}, {"steps": 10**9}, {"needs": ["others"], "people": 99}]
)
def test_a_forged_file_is_refused(tmp_path: Path, settings: dict | None) -> None:
    path = tmp_path / "made.png"
    picture = Image.new("RGB", (64, 64))
    if settings is None:
        picture.save(path)
    else:
        write_png(picture, {**settings_of(), **settings}, path)
    with pytest.raises(RequestError):
        settings_from_file(str(path), PROFILE)
