"""`cli.py generate`: pictures on disk, a line or one JSON object on stdout, exit code 2 and one line when refused."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

import cli
from commands import generate, generate_output
from outputs.metadata import read_settings


@pytest.fixture
def command(engine, tiny_profile, photo, tmp_path, monkeypatch, capsys):
    """Runs the command line in a folder with a photo; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(generate, "load_engine", lambda profile, settings: engine)
    monkeypatch.setattr(generate, "pick_profile", lambda name: tiny_profile)
    photo.save("face.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "empty").mkdir()

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["cli.py", "generate", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return run


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_a_picture_is_made_and_made_again(command):
    wish = (
        "--face",
        "face.png",
        "--prompt",
        "a cook",
        "--style",
        "Mars",
        "--view",
        "front",
        "--size",
        "64x80",
        "--json",
    )
    windows = ("--guidance-window", "0.3:0.9", "--identity-window", "0:0.8", "--adapter-window", "0.1:1")
    code, out, err = command(*wish, "--seed", "5", "--scheduler", "Euler a", "--identity-strength", "0.5", *windows)
    assert code == 0, err
    told = json.loads(out)
    assert told["images"][0]["file"] == "out.png"
    assert told["images"][0]["seed"] == 5
    assert told["images"][0]["keypoint_error"] is not None
    assert told["profile"] == "tiny"
    assert told["settings"]["identity_net_scale"] == 0.5
    named = ("guidance_start", "guidance_end", "identity_end", "adapter_start")
    assert [told["settings"][name] for name in named] == [0.3, 0.9, 0.8, 0.1]
    assert pixels("out.png").shape == (80, 64, 3)
    assert read_settings("out.png")["styled_prompt"] == told["settings"]["styled_prompt"]
    code, _, err = command("--face", "face.png", "--like", "out.png", "--out", "again.png")
    assert code == 0, err
    assert np.array_equal(pixels("again.png"), pixels("out.png"))
    assert command("--face", "face.png", "--like", "out.png", "--seed", "6", "--out", "other.png")[0] == 0
    assert not np.array_equal(pixels("other.png"), pixels("out.png"))


def test_a_pose_picture_is_not_needed_to_make_it_again(command):
    wide = Image.fromarray(np.random.default_rng(1).integers(0, 256, (70, 140, 3), np.uint8))
    wide.save("pose.png")
    assert command("--face", "face.png", "--pose", "pose.png", "--seed", "5")[0] == 0
    assert command("--face", "face.png", "--like", "out.png", "--out", "again.png")[0] == 0
    assert np.array_equal(pixels("again.png"), pixels("out.png"))
    assert command("--face", "face.png", "--like", "out.png", "--view", "up", "--out", "up.png")[0] == 0
    assert not np.array_equal(pixels("up.png"), pixels("out.png"))


def test_several_pictures_are_numbered_and_nothing_is_overwritten(command, tmp_path):
    code, out, err = command("--face", "face.png", "--face", "face.png", "--count", "2", "--seed", "1")
    assert code == 0, err
    assert out.splitlines()[0].startswith("out-1.png  seed 1, likeness ")
    assert {path.name for path in tmp_path.glob("out*")} == {"out-1.png", "out-2.png"}
    assert command("--face", "face.png", "--count", "2")[0] == 2
    assert command("--face", "face.png", "--count", "2", "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--steps", "0"), "steps"),
        (("--size", "big"), "896x1152"),
        (("--size", "63000x64"), "width"),
        (("--view", "sideways"), "view"),
        (("--style", "nothing"), "style"),
        (("--guidance", "nan"), "guidance"),
        (("--guidance-window", "0.8:0.2"), "guidance_start"),
        (("--identity-window", "late"), "0.1:0.8"),
        (("--pose", "face.png", "--view", "front"), "contradict"),
        (("--out", "out.jpg"), ".png"),
        (("--out", "nowhere/out.png"), "nowhere"),
        (("--out", "folder.png"), "folder"),
        (("--out", "a" * 300 + ".png"), "name"),
        (("--like", "face.png"), "no settings"),
        (("--lora", "face.png:0.5"), "no .safetensors file"),
        (("--person", "face.png", "--order", "0,1"), "Count from 1"),
        (("--person", "empty"), "The folder empty holds no photo"),
        (("--mode", "lightning"), "for other weights"),
        (("--lora", "lcm-lora-sdxl"), "trained for SDXL"),
        (("--count", "4", "--best", "2/6"), "contradict"),
        (("--control-maps",), "there is no control"),
        (("--lora", "none.safetensors:0.5"), "none.safetensors"),
        (("--face", "missing.png"), "missing.png"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_code_2(command, arguments, words):
    code, out, err = command("--face", "face.png", *arguments)
    assert code == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert words in err


def test_a_full_disk_is_one_line_and_exit_code_2(command, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(generate_output, "write_png", full)
    code, out, err = command("--face", "face.png")
    assert (code, out) == (2, "")
    assert err.strip().splitlines()[-1].startswith("error: out.png could not be written (No space left")


def test_photos_that_were_left_out_and_notes_are_told(command, engine, photo, monkeypatch):
    Image.new("RGB", (80, 80), "teal").save("empty.png")
    find = engine.analyzer.find
    monkeypatch.setattr(engine.analyzer, "find", lambda image: find(image) if np.asarray(image).std() > 1 else [])
    code, _, err = command("--face", "face.png", "--face", "empty.png", "--size", "71x64", "--view-size", "0.3")
    assert code == 0, err
    lines = err.strip().splitlines()
    assert any(line.startswith("photo 2: ") for line in lines)
    assert not any(line.startswith("photo 1: ") for line in lines)
    assert any(line.startswith("note: width was set to 64 px") for line in lines)
    assert any(line.startswith("note: view_size") for line in lines)


def test_a_pose_is_carried_to_another_size(command):
    assert command("--face", "face.png", "--pose", "face.png", "--seed", "5")[0] == 0
    before = read_settings("out.png")["keypoints"]
    code, _, err = command("--face", "face.png", "--like", "out.png", "--size", "96x64", "--out", "wide.png")
    assert code == 0, err
    assert np.allclose(read_settings("wide.png")["keypoints"], np.add(before, (16, 0)))


def test_a_photo_without_a_face_is_one_line_and_exit_code_2(command, engine, monkeypatch):
    monkeypatch.setattr(engine.analyzer, "blind", True)
    code, _, err = command("--face", "face.png")
    assert code == 2
    assert err.strip().splitlines()[-1].startswith("error: No ")


def test_weights_that_are_not_here_name_the_cure(photo, tmp_path, monkeypatch, capsys):
    photo.save(tmp_path / "face.png")
    arguments = ["--face", str(tmp_path / "face.png"), "--profile", "sdxl", "--models-dir", str(tmp_path / "models")]
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(sys, "argv", ["cli.py", "generate", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "python cli.py download --profile sdxl" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--steps", "ten"), ("--nonsense",), ("stray",)])
def test_a_line_that_is_not_understood_is_one_line_and_exit_code_2(command, arguments):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("error: ")
    assert err.endswith("cli.py generate --help\n")


def test_an_unknown_command_is_one_line_and_exit_code_2(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cli.py", "xyz"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    assert told.err == "error: No such command 'xyz'. Try: cli.py --help\n"


def test_what_is_transparent_in_a_mask_stays_as_it_is(command, photo):
    brush = Image.new("RGBA", photo.size, (255, 255, 255, 0))
    brush.paste((255, 255, 255, 255), (0, 0, 40, 80))
    brush.save("brush.png")
    code, _, err = command("--face", "face.png", "--start", "face.png", "--mask", "brush.png", "--size", "80x80")
    assert code == 0, err
    assert np.array_equal(pixels("out.png")[:, 40:], np.asarray(photo)[:, 40:])
    assert not np.array_equal(pixels("out.png")[:, :40], np.asarray(photo)[:, :40])


def test_of_a_folder_of_a_person_only_the_photos_are_taken(command, tmp_path, photo):
    folder = tmp_path / "ada"
    folder.mkdir()
    photo.save(folder / "one.png")
    for name in (".DS_Store", "._one.png", "notes.txt"):
        (folder / name).write_bytes(b"no picture")
    code, _, err = command("--person", "ada")
    assert code == 0, err
