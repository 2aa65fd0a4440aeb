"""`cli.py template`: files in, files and a line out, exit code 2 and one line when refused."""

import base64
import json
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cli
from commands import template_fit, template_pictures
from outputs.metadata import read_settings
from template_adapter.linear import About, LinearMap, load_map, unit

ROOT = Path(__file__).parent.parent
FOREIGN = ROOT / "assets" / "miniature" / "face_other"
EXAMPLES = ROOT / "assets" / "examples"


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs `cli.py template ...` in an empty folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["cli.py", "template", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return run


@pytest.fixture
def drawing(command, engine, tiny_profile, monkeypatch):
    """The same with the tiny engine in the place of a profile's."""
    monkeypatch.setattr(template_pictures, "load_engine", lambda profile, settings: engine)
    monkeypatch.setattr(template_pictures, "pick_profile", lambda name: tiny_profile)
    return command


@pytest.fixture
def pairs(tmp_path):
    """700 people in two pictures each, in two spaces that a rotation and noise connect; names beside them."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(700, 512)), 2, axis=0) + 0.2 * rng.normal(size=(1400, 512))
    y = x @ np.linalg.qr(rng.normal(size=(512, 512)))[0] + 0.2 * rng.normal(size=(1400, 512))
    np.save(tmp_path / "theirs.npy", x.astype(np.float32))
    np.save(tmp_path / "ours.npy", y.astype(np.float32))
    (tmp_path / "names.txt").write_text("".join(f"person {i // 2}\n" for i in range(1400)))
    return x, y


FIT = ("fit", "--source", "theirs.npy", "--target", "ours.npy", "--people", "names.txt", "--out", "a.safetensors")


def test_fit_prints_what_it_found_and_apply_maps_the_file(command, pairs):
    code, out, err = command(*FIT, "--method", "procrustes", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["held_out_cosine"] > 0.9 and told["mse"] > 0 and told["cosine"] > 0.9
    assert (told["people"], told["pairs"], told["rank"], told["source"]) == (630, 1260, 512, "theirs")
    kept = Path("a.safetensors").read_bytes()
    code, _, err = command(*FIT, "--method", "ridge")
    assert code == 2 and "a.safetensors is there already. Add --overwrite" in err
    assert Path("a.safetensors").read_bytes() == kept
    code, out, _ = command(*FIT, "--method", "ridge", "--no-bias", "--held-out", "0", "--overwrite")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["mse", "cosine", "held_out_cosine"]
    code, _, err = command(*FIT, "--method", "procrustes", "--overwrite")
    assert code == 0 and "do not determine" not in err
    code, _, err = command("apply", "--adapter", "a.safetensors", "--input", "theirs.npy", "--output", "mapped.npy")
    assert code == 0, err
    mapped, (_, y) = np.load("mapped.npy"), pairs
    assert np.einsum("ij,ij->i", unit(mapped), unit(y)).mean() > 0.9
    np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), np.linalg.norm(y, axis=1).mean(), rtol=1e-3)


def test_pairs_that_do_not_determine_a_map_are_told(command, pairs):
    for name in ("theirs", "ours"):
        np.save(f"{name}.npy", np.load(f"{name}.npy")[::20])
    few = FIT[:5] + FIT[7:]
    code, out, err = command(*few, "--json")
    told = json.loads(out)
    assert code == 0 and (told["rank"], told["determined"]) == (62, False)
    assert "63 pairs do not determine a map from 512 numbers" in err
    code, _, err = command("report", *few[1:5], "--out", "r", "--sizes", "20")
    assert code == 0 and "The pairs of 20, 63 people do not determine" in err


def test_files_that_name_other_people_row_by_row_are_not_pairs(command):
    rows = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    names = np.repeat([f"p{i}" for i in range(30)], 2)
    np.savez("theirs.npz", embedding=rows, person=names)
    np.savez("ours.npz", embedding=rows[::-1], person=names[::-1])
    files = ("--source", "theirs.npz", "--target", "ours.npz", "--out", "a.safetensors")
    for what in ("fit", "report"):
        code, out, err = command(what, *files)
        assert (code, out) == (2, "") and "Row 0, counted from 0, is of one person in the source" in err
    np.savez("ours.npz", embedding=rows, person=names[:30])
    code, out, err = command("fit", *files)
    assert (code, out) == (2, "") and "The source says of 60 rows whose they are, the target of 30." in err
    np.savez("ours.npz", embedding=rows, person=names)
    code, _, err = command("fit", *files)
    assert code == 0, err
    np.savez("theirs.npz", embedding=rows, person=np.arange(60) // 2)
    np.savez("ours.npz", embedding=rows, person=(np.arange(60) // 2).astype(float))
    code, _, err = command("fit", *files, "--overwrite")
    assert code == 0, err


def test_figures_that_say_little_are_told(command):
    rows = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    np.savez("theirs.npz", embedding=rows, person=np.arange(60) // 2)
    np.savez("few.npz", embedding=rows[:6], person=np.arange(6) // 2)
    files, few = (("--source", name, "--target", name) for name in ("theirs.npz", "few.npz"))
    fit = ("fit", "--overwrite", "--out", "a.safetensors")
    assert "note" not in command(*fit, *files, "--held-out", "0.4")[2]
    for options, words in (
        ((), "Of 30 people 3 are held out, from whom held_out_cosine says little"),
        (("--per-person", "mean"), "Cosines are of people's averages"),
    ):
        code, _, err = command(*fit, *files, *options)
        assert code == 0 and words in err
    code, out, err = command(*fit, *few)
    assert (
        code == 0 and "held_out_cosine none" in out and "0 are held out, from whom held_out_cosine says nothing" in err
    )
    assert "take ridge" in err and "take ridge" not in command(*fit, *few, "--method", "ridge")[2]
    code, _, err = command("report", *files, "--out", "r", "--per-person", "mean")
    assert code == 0 and "Cosines are of people's averages" in err


REPORT = ("report", "--source", "theirs.npy", "--target", "ours.npy", "--out", "r")
ADAPTED = ("--adapter", "a.safetensors")
VALIDATE = ("validate", "--set", "set", "--source-pack", FOREIGN, "--out", "v", "--adapter")
APPLY = ("apply", "--adapter", "a.safetensors", "--input", "theirs.npy", "--output")


def test_apply_keeps_what_is_there(command, pairs, tmp_path):
    command(*FIT, "--method", "procrustes")
    before = Path("theirs.npy").read_bytes()
    (tmp_path / "sub").mkdir()
    Path("link.npy").symlink_to("theirs.npy")
    os.link("theirs.npy", "hard.npy")
    for same in ("theirs.npy", "sub/../theirs.npy", "link.npy", "hard.npy"):
        code, _, err = command(*APPLY, same, "--overwrite")
        assert code == 2 and "output is the input" in err, same
    assert Path("theirs.npy").read_bytes() == before
    code, _, err = command(*APPLY, "ours.npy")
    assert code == 2 and "ours.npy is there already. Add --overwrite" in err
    code, _, err = command(*APPLY, "ours.npy", "--overwrite")
    assert code == 0, err
    assert np.load("ours.npy").shape == (1400, 512)


@pytest.mark.parametrize(("value", "words"), [(np.nan, "holds NaN"), (0, "is zero everywhere")])
def test_apply_names_a_row_without_a_face_and_leaves_no_half_file(command, pairs, tmp_path, value, words):
    command(*FIT, "--method", "procrustes")
    rows = np.tile(np.load("theirs.npy"), (12, 1))
    rows[16_500] = value
    np.save("rows.npy", rows)
    before = sorted(tmp_path.iterdir())
    code, out, err = command("apply", "--adapter", "a.safetensors", "--input", "rows.npy", "--output", "out.npy")
    assert (code, out) == (2, "") and f"Row 16500 of input, counted from 0, {words}" in err
    assert sorted(tmp_path.iterdir()) == before


def test_apply_needs_a_place(command, pairs, tmp_path):
    command(*FIT, "--method", "procrustes")
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "taken.npy.partial").mkdir()
    for output, words in (
        ("folder.npy", "no place"),
        ("nowhere/x.npy", "no place"),
        ("taken.npy", "cannot be written"),
    ):
        code, _, err = command(*APPLY, output)
        assert code == 2 and words in err.strip().splitlines()[-1], output


def test_report_writes_tables_and_pictures(command, pairs):
    options = ("--source", "theirs.npy", "--target", "ours.npy", "--people", "names.txt", "--false-match-rate", "0.01")
    code, out, err = command("report", *options, "--sizes", "100,300", "--out", "report")
    assert code == 0, err
    assert out.count("\n") == 13 and "Published" in out
    assert {path.name for path in Path("report").iterdir()} == {
        "report.json", "report.md", "sweep.png", "cosines.png", "spaces.png",
    }  # fmt: skip
    kept = Path("report/report.json").read_bytes()
    again = ("report", *options, "--sizes", "100", "--out", "report")
    code, _, err = command(*again)
    assert code == 2 and "report.json is there already. Add --overwrite" in err
    assert Path("report/report.json").read_bytes() == kept
    code, _, err = command(*again, "--overwrite")
    assert code == 0 and Path("report/report.json").read_bytes() != kept, err


def test_photos_of_a_folder_go_through_both_recognisers(command, tmp_path):
    for person in (1, 2, 3):
        (tmp_path / "photos" / str(person)).mkdir(parents=True)
        with Image.open(EXAMPLES / f"person_{person}.jpg") as photo:
            for number in range(2):
                photo.rotate(number * 5).save(tmp_path / "photos" / str(person) / f"{number}.png")
    with Image.open(EXAMPLES / "no_face.jpg") as photo:
        photo.save(tmp_path / "photos" / "4.png")
    (tmp_path / "photos" / "5.jpg").write_bytes(b"no picture")
    options = ("--source", "photos", "--target", "photos", "--source-pack", FOREIGN)
    code, out, err = command("fit", *options, "--out", "a.safetensors", "--held-out", "0", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["pairs"], told["people"], told["source"], told["target"]) == (6, 3, "face_other", "face")
    assert "without --target-pack the target is the miniature's" in err
    assert "1 photos without a face were left out" in err and "1 files that cannot be read as photos" in err
    assert told["cosine"] > 0.99, "six pairs of three people are fitted exactly"


def test_a_template_of_any_kind_becomes_a_picture_that_says_so(drawing, pairs):
    x = pairs[0].astype(np.float32)
    drawing(*FIT)
    Path("t.pkl").write_bytes(pickle.dumps(x[0]))
    Path("t.txt").write_bytes(base64.b64encode(x[0].tobytes()))
    np.save("t.npy", x[0] / np.linalg.norm(x[0]))
    pixels = {}
    for name in ("t.pkl", "t.txt", "t.npy"):
        code, out, err = drawing(
            "reconstruct", "--input", name, "--adapter", "a.safetensors", "--output", f"{name}.png", "--seed", "3"
        )
        assert code == 0, err
        assert "right to use" in err and "likeness" in out
        with Image.open(f"{name}.png") as picture:
            pixels[name] = np.asarray(picture)
            assert "Identity from: a template" in picture.text["parameters"]
    assert (pixels["t.pkl"] == pixels["t.txt"]).all()
    assert np.abs(pixels["t.pkl"].astype(int) - pixels["t.npy"]).max() <= 2, "the length of a template does not matter"
    assert "taken for" not in err
    code, _, err = drawing("reconstruct", "--input", "t.npy", "--output", "own.jpg")
    assert code == 0 and "taken for one of the weights' own recogniser" in err
    settings = read_settings("t.pkl.png")
    fingerprint = load_map(Path("a.safetensors")).fingerprint
    assert settings["template"] == {"recogniser": "theirs", "adapter": fingerprint}
    assert settings["view"] == "front"


def test_a_jpeg_carries_the_same_marks(drawing, photo):
    photo.save("face.png")
    code, _, err = drawing("reconstruct", "--input", "face.png", "--output", "out.jpg")
    assert code == 0, err
    with Image.open("out.jpg") as picture:
        assert b"trainedAlgorithmicMedia" in picture.info["xmp"]
        kept = json.loads(picture.info["comment"])["instantid"]
    assert kept["template"] == {"recogniser": None, "adapter": None}
    assert "taken for" not in err, "the weights' own recogniser has read the photo"
    assert "embedding" not in json.dumps(kept)
    code, _, err = drawing("reconstruct", "--input", "face.png", "--output", "out.jpg")
    assert code == 2 and "is there already" in err


def test_validation_counts_and_shows(drawing, pairs, tmp_path):
    drawing(*FIT)
    (tmp_path / "set").mkdir()
    for person in (1, 2, 3, 4):
        with Image.open(EXAMPLES / f"person_{person}.jpg") as photo:
            photo.save(tmp_path / "set" / f"{person}.png")
    (tmp_path / "set" / "5.jpg").write_bytes(b"no picture")
    options = ("--set", "set", "--adapter", "a.safetensors", "--source-pack", FOREIGN, "--out", "v", "--max-ids", "2")
    code, out, err = drawing("validate", *options, "--threshold", "0.3")
    assert code == 0, err
    assert "from the mapped template | 2 |" in out
    told = json.loads(Path("v/validation.json").read_text())
    assert told["threshold"] == 0.3 and len(told["cosines"]) == 2
    assert (told["left_out"], told["false_match_rate"]) == (0, None), "two people are looked at, no more"
    assert "2/2 making pictures" in err and "3/5 reading photos" not in err
    with Image.open("v/contact.jpg") as sheet:
        assert sheet.width > 900 and b"trainedAlgorithmicMedia" in sheet.info["xmp"]
        kept = json.loads(sheet.info["comment"])["instantid"]
    assert kept["template"] == {"recogniser": "theirs", "adapter": load_map(Path("a.safetensors")).fingerprint}
    code, _, err = drawing("validate", *options, "--overwrite")
    assert code == 2 and "too few" in err and "5/5 choosing the threshold" in err
    code, _, err = drawing("validate", *options, "--threshold", "0.2")
    assert code == 2 and "validation.json is there already. Add --overwrite" in err
    assert json.loads(Path("v/validation.json").read_text()) == told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fit", "--source", "theirs.npy", "--target", "ours.npy", "--out", "a.bin"), "no place"),
        (("fit", "--source", "none.npy", "--target", "ours.npy", "--out", "a.safetensors"), "no file none.npy"),
        ((*FIT, "--method", "magic"), "Choose one of: ols, ridge, procrustes"),
        ((*FIT, "--per-person", "some"), "Choose one of: all, weight, mean"),
        ((*FIT, "--held-out", "2"), "held_out"),
        ((*FIT, "--seed", "-1"), "seed is below 0"),
        ((*REPORT, "--false-match-rate", "2"), "rate is no share"),
        ((*REPORT, "--false-match-rate", "0"), "rate is no share"),
        ((*REPORT, "--threshold", "nan"), "threshold is no cosine"),
        ((*REPORT, "--threshold", ".5", "--false-match-rate", ".01"), "contradict each other"),
        (("apply", "--adapter", "known.safetensors", "--input", ".", "--output", "b.npy"), "is a folder, not a file"),
        (("apply", "--adapter", "known.safetensors", "--input", "one.npy", "--output", "b.npy"), "is one vector, not"),
        (("reconstruct", "--input", "short.txt", "--output", "b.jpg"), "360 bytes that do not show"),
        (("reconstruct", "--input", "numbers.csv", "--output", "b.jpg"), "3 numbers, not 512"),
        (("reconstruct", "--input", "big.json", "--output", "b.jpg"), "no list of numbers"),
        (("apply", "--adapter", "none", "--input", "theirs.npy", "--output", "b.npy"), "no adapter"),
        (("reconstruct", "--input", "theirs.npy", "--output", "b.jpg"), "far too large"),
        (("reconstruct", "--input", "evil.pkl", "--output", "b.jpg"), "posix.system"),
        (("reconstruct", "--input", "evil.pkl", "--output", "b.gif"), "no place"),
        (("report", "--source", "theirs.npy", "--target", "ours.npy", "--out", "r", "--sizes", "few"), "sizes"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(command, pairs, arguments, words, tmp_path):
    LinearMap(np.eye(512, dtype=np.float32), None, About("a", "b", target_length=22.0)).save(Path("known.safetensors"))
    np.save("one.npy", pairs[0][0])
    Path("short.txt").write_bytes(base64.b64encode(b"a" * 360))
    Path("numbers.csv").write_text("1.5,2,3\n")
    Path("big.json").write_text("[" + ",".join(["1" + "0" * 400] * 512) + "]")
    Path("evil.pkl").write_bytes(b"cposix\nsystem\n(X\x0c\x00\x00\x00touch hackedtR.")
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    last = err.strip().splitlines()[-1]
    assert last.startswith("error: ") and words in last
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("what", ["fit", "report"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--method", "magic"), "Choose one of: ols"),
        (("--method", "ridge", "--alpha", "-1"), "alpha must be above 0"),
        (("--seed", "-1"), "seed is below 0"),
        (("--held-out", ".9"), "held_out"),
        (("--per-person", "some"), "Choose one of: all"),
        (("--out", "there/taken.safetensors"), "there already"),
    ],
)
def test_every_option_is_checked_before_anything_is_read(command, monkeypatch, what, options, words):
    def read(*_, **__):
        raise AssertionError("files were read")

    monkeypatch.setattr(template_fit, "open_vectors", read)
    monkeypatch.setattr(template_fit, "embed_folder", read)
    Path("there").mkdir()
    Path("there/taken.safetensors").write_bytes(b"")
    for source in ("theirs.npy", "there"):
        out = "a.safetensors" if what == "fit" else "there/r"
        code, told, err = command(
            what, "--source", source, "--target", source, "--source-pack", "x", "--out", out, *options
        )
        expected = "cannot be written" if (what, options[0]) == ("report", "--out") else words
        assert (code, told) == (2, "") and expected in err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("reconstruct", "--input", "t.npy", "--output", "o.jpg", "--view", "under"), "view"),
        ((*VALIDATE, "a.safetensors", "--out", "t.npy"), "cannot be written"),
        ((*VALIDATE, "a.safetensors", "--out", "t.npy/v"), "cannot be written"),
        (("reconstruct", "--input", "t.npy", "--output", "o.jpg", "--adapter", "narrow.safetensors"), "256 numbers"),
        (("reconstruct", "--input", "f.jpg", "--output", "o.jpg", "--adapter", "a.safetensors"), "a recogniser"),
        (
            ("reconstruct", "--input", "t.npy", "--output", "o.jpg", "--source-name", "x", *ADAPTED),
            "of x, the adapter reads theirs",
        ),
        (("reconstruct", "--input", "broken.jpg", "--output", "o.jpg"), "damaged"),
        (("reconstruct", "--input", "t.npy", "--output", "o.jpg", "--adapter", "else.safetensors"), "do not read"),
        (("reconstruct", "--input", "t.npy", "--output", "o.jpg", "--source-name", "theirs"), "leave --source-name"),
        (("reconstruct", "--input", "f.jpg", "--output", "o.jpg", "--source-pack", "set"), "leave --source-pack"),
        ((*VALIDATE, "else.safetensors"), "do not read"),
        ((*VALIDATE, "narrow.safetensors"), "256 numbers"),
        ((*VALIDATE, "a.safetensors", "--threshold", "nan"), "no cosine"),
        ((*VALIDATE, "a.safetensors", "--threshold", ".5", "--false-match-rate", ".01"), "contradict each other"),
        ((*VALIDATE, "a.safetensors", "--view", "under"), "view"),
        ((*VALIDATE, "a.safetensors", "--set", "nowhere"), "no folder"),
    ],
)  # fmt: skip
def test_what_needs_no_weights_is_said_before_they_are_loaded(command, monkeypatch, arguments, words):
    def load(*_):
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(template_pictures, "load_engine", load)
    numbers = np.eye(512, dtype=np.float32)
    about = About("theirs", "ours", target_length=22.0)
    LinearMap(numbers, None, about).save(Path("a.safetensors"))
    LinearMap(numbers[:, :256], None, about).save(Path("narrow.safetensors"))
    LinearMap(numbers, None, About("theirs", "antelopev2", target_length=22.0)).save(Path("else.safetensors"))
    np.save("t.npy", numbers[0])
    photo = (EXAMPLES / "person_1.jpg").read_bytes()
    Path("f.jpg").write_bytes(photo)
    Path("broken.jpg").write_bytes(photo[:900])
    Path("set").mkdir()
    Path("set/a.jpg").write_bytes(photo)
    code, out, err = command(*arguments)
    assert (code, out) == (2, "") and words in err.strip().splitlines()[-1]


def test_names_that_differ_are_told():
    fitted = LinearMap(np.eye(512, dtype=np.float32), None, About("buffalo_l", "antelopev2", target_length=22.0))
    notes = template_pictures.differing(fitted, Path("packs/face_other"))
    assert len(notes) == 1 and "face_other" in notes[0] and "buffalo_l" in notes[0]
    assert template_pictures.differing(fitted, Path("models/buffalo_l")) == []
    assert template_pictures.differing(fitted, None) == []
    unknown = LinearMap(fitted.matrix, None, About("a", "b", target_length=22.0))
    assert template_pictures.differing(unknown, Path("packs/face_other")) == []
