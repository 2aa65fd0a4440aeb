"""The program behind docs/TEMPLATES.md: its tables come between their marks, its pictures beside the page."""

import json
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from commands import template_pictures
from scripts import measure_templates
from scripts.measure_templates import BEGIN, END, replaced

PAGE = Path(__file__).parent.parent / "docs" / "TEMPLATES.md"


def test_tables_of_the_map_are_renewed_and_nothing_else(tmp_path):
    rng = np.random.default_rng(0)
    source = rng.normal(size=(440, 16)).astype(np.float32)
    target = source @ rng.normal(size=(16, 16)).astype(np.float32) + rng.normal(size=(440, 16)).astype(np.float32)
    np.savez(tmp_path / "templates-440.npz", people=np.arange(440), source=source, target=target)
    before = PAGE.read_text(encoding="utf-8")
    (tmp_path / "TEMPLATES.md").write_text(before, encoding="utf-8")
    adapter = measure_templates.ADAPTER.read_bytes()
    options = ["--data", str(tmp_path), "--docs", str(tmp_path), "--people", "440", "--only", "map"]
    measure_templates.main(options)
    after = (tmp_path / "TEMPLATES.md").read_text(encoding="utf-8")
    tables = {name: between(after, name) for name in ("sweep", "methods", "few", "validation", "speed")}
    assert "| 300 | 300 |" in tables["sweep"] and tables["sweep"].count("\n") == 5
    assert tables["few"].splitlines()[0] == "| people | ols | ridge | procrustes |"
    assert [line.split(" | ")[0] for line in tables["few"].splitlines()[2:]] == ["| 100", "| 200", "| 300", "| 400"]
    assert "ols, no bias" in tables["methods"]
    for name in ("sweep", "methods", "few"):
        after = replaced(after, name, between(before, name))
    assert after == before
    assert {path.name for path in (tmp_path / "templates").iterdir()} == {"sweep.png", "cosines.png", "spaces.png"}
    assert measure_templates.ADAPTER.read_bytes() == adapter, "the shipped adapter is the training's"


def test_pictures_are_measured_beside_what_lies_there_and_their_sheet_says_how_they_were_made(
    tmp_path, engine, tiny_profile, monkeypatch
):
    monkeypatch.setattr(template_pictures, "load_engine", lambda profile, settings: engine)
    monkeypatch.setattr(template_pictures, "pick_profile", lambda name: tiny_profile)
    given = partial(template_pictures.validate_command, threshold=0.4)  # few people show none by themselves
    monkeypatch.setattr(measure_templates, "validate_command", given)
    data, docs = tmp_path / "data", tmp_path / "docs"
    kept = data / "photos" / "ada.png"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"my own")
    docs.mkdir()
    before = PAGE.read_text(encoding="utf-8")
    (docs / "TEMPLATES.md").write_text(before, encoding="utf-8")
    options = ["--data", str(data), "--docs", str(docs), "--validate", "1", "--only", "pictures"]
    measure_templates.main(options)
    after = (docs / "TEMPLATES.md").read_text(encoding="utf-8")
    assert "| from the mapped template | 1 |" in between(after, "validation") and "4 photos" in after
    assert replaced(after, "validation", between(before, "validation")) == before
    assert [path for path in data.rglob("*") if path.is_file()] == [kept]
    with Image.open(docs / "templates" / "contact.jpg") as sheet:
        assert b"trainedAlgorithmicMedia" in sheet.info["xmp"]
        told = json.loads(sheet.info["comment"])["instantid"]
    assert told["template"]["recogniser"] == "face_other"


def between(text: str, name: str) -> str:
    return text.split(BEGIN.format(name))[1].split(END.format(name))[0]
