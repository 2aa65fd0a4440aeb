"""A whole evaluation at toy size: every figure is there, a stopped run goes on, and the command writes its files."""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

import cli
from commands import evaluate as command
from evaluation import report
from evaluation.making import Shelf
from evaluation.run import evaluate, gather
from evaluation.suite import SUITES, Suite, plan
from outputs.metadata import read_settings, write_png

FEW = {"strengths": (0.0, 1.0), "guidances": (1.0,), "steps": (2,), "references": (1, 2)}
SUITE = Suite("toy", people=2, gallery=3, pictures=3, views=1, parts=1, sweep=1, **FEW)


@pytest.fixture(scope="module")
def world(engine, eyes, people):
    return gather(engine, SUITE, 0, eyes, people=people, bundle=None)


@pytest.fixture(scope="module")
def evaluation(engine, eyes, world):
    return evaluate(engine, world, SUITE, 0, eyes, weights={"toy": "1"})


def test_every_figure_is_there_and_can_be_written(evaluation):
    found = json.loads(json.dumps(evaluation.figures, allow_nan=False))
    identity, pose = found["identity"], found["pose"]
    assert {"neutral_mean", "true_pair_mean", "different_mean", "rank1", "found"} <= identity.keys()
    assert {"keypoint_error", "yaw_error"} <= pose.keys()
    assert {"style", "place", "clothes"} <= found["prompt"].keys()
    assert found["seconds_per_picture"] > 0
    assert identity["found"] == 1.0
    assert identity["among"] == 3
    assert len(pose["views"]) == 11
    assert pose["pictures"] == 13, "a picture of both parts counts once"
    assert found["comparisons"]["references"]["pictures"] == 2
    assert len(found["comparisons"]["adapter_alone"]) == 1
    assert set(found["sweeps"]) == {
        "parts", "adapter_alone", "identity_net_alone", "strengths", "guidance", "steps", "references",
    }  # fmt: skip


def test_a_picture_that_stands_in_several_places_is_made_once(tiny_profile):
    planned = plan(SUITES["full"], tiny_profile, 0, [4] * 66)
    takes = planned.takes()
    assert len(takes) == len(set(takes))
    places = len(planned.main) + len(planned.views) + sum(len(p.takes) for s in planned.sweeps.values() for p in s)
    assert len(takes) < places
    assert not {take.seed for take in takes} & {
        take.seed for take in plan(SUITES["full"], tiny_profile, 1, [4] * 66).takes()
    }
    assert {take.view for take in planned.main[:11]} == {take.view for take in planned.views}


def test_a_stopped_run_goes_on(engine, eyes, world, tmp_path):
    suite = Suite("toy", people=2, gallery=3, pictures=3, views=0, parts=2, sweep=0)

    def stop_at_the_third(what, done, total):
        if what == "making" and done == 2:
            raise KeyboardInterrupt

    def run(tell=lambda *told: None, weights="1"):
        seen = []
        engine.generate, generate = lambda request: seen.append(request) or generate(request), engine.generate
        try:
            told = {"weights": {"toy": weights}, "shelf": Shelf(tmp_path, write_png, read_settings), "tell": tell}
            return evaluate(engine, world, suite, 0, eyes, **told).figures, len(seen)
        finally:
            del engine.generate

    with pytest.raises(KeyboardInterrupt):
        run(stop_at_the_third)
    assert len(list(tmp_path.glob("*.png"))) == 2
    figures, made = run()
    total = figures["pictures"]
    assert made == total - 2
    again, made = run()
    assert made == 0
    assert again == figures
    assert run(weights="2")[1] == total, "pictures of other weights are not taken for these"


def test_the_report_has_its_pictures(evaluation, tmp_path):
    files = report.write(evaluation, tmp_path / "RESULTS.md", "python cli.py evaluate")
    text = (tmp_path / "RESULTS.md").read_text()
    shown = set(re.findall(r"\]\((results/[^)]+)\)", text))
    assert shown == {str(file.relative_to(tmp_path)) for file in files[1:]}
    for name in shown:
        if name.endswith(".svg"):
            assert ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")
        else:
            with Image.open(tmp_path / name) as picture:
                assert picture.width > 300
    for heading in ("Likeness", "Pose", "Copying", "Strengths", "Guidance", "Steps", "Number of reference photos"):
        assert f"## {heading}" in text
    for line in text.splitlines():
        assert not line.startswith("|") or line.endswith("|")
    identity = text.split("## Likeness")[1].split("\n## ")[0]
    assert re.search(r"\| \*\*made\*\* +\| -?\d\.\d{3} ± \d\.\d{3} ", identity), "photographs have no aims"


def test_a_card_gets_its_figures_between_the_marks(evaluation, tmp_path):
    card = tmp_path / "README.md"
    card.write_text(f"before\n{report.BEGIN}old\n{report.END}after\n")
    evaluation.figures["drawn"] = True
    report.into_card(evaluation.figures, card, "the command")
    told = card.read_text()
    assert told.startswith("before\n")
    assert told.endswith("after\n")
    assert "`the command`" in told
    assert report.ERRORS in told
    assert "old\n" not in told
    card.write_text("no place")
    with pytest.raises(ValueError, match="no place"):
        report.into_card(evaluation.figures, card, "the command")


@pytest.fixture
def run(engine, tiny_profile, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "load_engine", lambda profile, settings: engine)
    monkeypatch.setattr(command, "pick_profile", lambda name: tiny_profile)
    monkeypatch.setitem(SUITES, "quick", Suite("quick", people=2, gallery=4, pictures=2, views=0, parts=0, sweep=0))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["cli.py", "evaluate", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return run


def test_the_command_writes_its_files(run, people, neutral, tmp_path):
    files = ("--json", "out.json", "--report", "RESULTS.md", "--pictures", "kept")
    code, out, err = run("--people", people, "--neutral", neutral, "--seed", 3, *files)
    assert code == 0, err
    assert "| **made**" in out
    assert "asked for" not in out, "nobody read the prompts"
    assert "looking at people" in err
    assert "people left out, without a photo of a face: 1 (nobody)" in err
    assert "prompts are not measured without CLIP" in err
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["seed"] == 3
    assert len(list((tmp_path / "kept").glob("*.png"))) == told["pictures"]
    text = (tmp_path / "RESULTS.md").read_text()
    assert "--suite quick --seed 3 --people FOLDER" in text
    assert str(people) not in text
    assert "left out for want of a readable face: 0 of the photos and 1 of the people" in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--suite", "huge"), "Choose one of: quick, full"),
        (("--seed", "-1"), "from 0 to 99999"),
        (("--json", "nowhere/out.json"), "Make it first"),
        (("--report", "."), "cannot be written"),
        (("--card", "card.md"), "no place for figures"),
        (("--pictures", __file__), "cannot be used"),
        (("--pictures", "/proc/pictures"), "cannot be used"),
        (("--people", "nowhere"), "two people at least"),
        (("--neutral", "nowhere"), "no face pack"),
    ],
)
def test_what_cannot_be_is_one_line(run, people, neutral, arguments, told):
    given = dict(zip(("--people", "--neutral"), (people, neutral), strict=True))
    rest = [part for name, value in given.items() if name != arguments[0] for part in (name, value)]
    code, _, err = run(*arguments, *rest)
    assert code == 2
    assert told in err
    assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in err


def test_photographic_weights_need_people(run, monkeypatch):
    from weights.registry import PROFILES

    monkeypatch.setattr(command, "pick_profile", lambda name: PROFILES["sdxl"])
    code, _, err = run()
    assert code == 2
    assert "--people" in err
