"""Style presets: the named ones, how they wrap a prompt, and a visitor's own file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from errors import RequestError
from style_presets import NO_STYLE, STYLES, apply_style, load_styles

KNOWN = ("Mars", "Jungle", "Neon", "Film Noir", "Line art", "Vibrant Color", "Snow", "Watercolor")


def test_the_known_names_and_many_more_stand_in_groups() -> None:
    assert next(iter(STYLES)) == NO_STYLE
    assert set(KNOWN) <= set(STYLES)
    assert len(STYLES) >= 1 + len(KNOWN) + 32
    groups = {style.group for name, style in STYLES.items() if name != NO_STYLE}
    assert {"Places", "Light", "Photography", "Art", "Fantasy", "Eras"} == groups
    assert all(sum(style.group == group for style in STYLES.values()) >= 5 for group in groups)


@pytest.mark.parametrize("name", STYLES)
def test_each_preset_is_plain_words_around_one_placeholder(name: str) -> None:
    style = STYLES[name]
    assert style.name == name
    assert style.prompt.count("{prompt}") == 1
    for text in (style.prompt, style.negative):
        assert not re.search(r"[()\[\]<>:]", text)
        assert text == " ".join(text.split())
    if name != NO_STYLE:
        assert style.negative
        words = re.findall(r"[\w']+|[,.]", style.prompt.replace("{prompt}", ""))
        assert 8 <= len(words) <= 35


def test_prompts_and_negatives_are_distinct() -> None:
    assert len({style.prompt for style in STYLES.values()}) == len(STYLES)


def test_no_style_changes_nothing() -> None:
    assert apply_style(NO_STYLE, "a man {with} braces", "dog") == ("a man {with} braces", "dog")
    assert apply_style(NO_STYLE, "") == ("", "")


def test_a_style_wraps_the_prompt_and_adds_its_negative() -> None:
    prompt, negative = apply_style("Snow", "a woman {0} {prompt} {}", "hat")
    before, after = STYLES["Snow"].prompt.split("{prompt}")
    assert prompt == before + "a woman {0} {prompt} {}" + after
    assert negative == "hat, " + STYLES["Snow"].negative
    assert apply_style("Snow", "x")[1] == STYLES["Snow"].negative
    assert apply_style("Snow", "  ")[0] == before + "a person" + after


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(RequestError) as caught:
        apply_style("mars", "a person")
    assert caught.value.field == "style"
    assert caught.value.cure


def _file(folder: Path, content: object) -> Path:
    path = folder / "mine.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_file_adds_and_replaces_styles(tmp_path: Path) -> None:
    entries = {
        "Pirate": {"prompt": "pirate {prompt}, at sea", "negative": "car", "group": "Stories"},
        "Mars": {"prompt": "my mars, {prompt}"},
    }
    styles = load_styles(_file(tmp_path, entries))
    assert apply_style("Pirate", "a cat", styles=styles) == ("pirate a cat, at sea", "car")
    assert styles["Pirate"].group == "Stories" and styles["Mars"].group == "Mine"
    assert apply_style("Mars", "a cat", styles=styles) == ("my mars, a cat", "")
    assert set(STYLES) < set(styles)
    assert "Pirate" not in STYLES and STYLES["Mars"].prompt != "my mars, {prompt}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not valid JSON"),
        ([], "one JSON object"),
        ({"A": "x {prompt}"}, "'A' must be an object"),
        ({"A": {}}, "exactly once"),
        ({"A": {"prompt": "no placeholder"}}, "'A'.*exactly once"),
        ({"A": {"prompt": "{prompt} {prompt}"}}, "'A'.*exactly once"),
        ({"A": {"prompt": 3}}, "'A'.*prompt must be text"),
        ({"A": {"prompt": "{prompt}", "negative": None}}, "'A'.*negative must be text"),
        ({"A": {"prompt": "{prompt}", "negativ": "x"}}, "'A'.*unknown entries: negativ"),
        ({"A": {"prompt": "{prompt}, (red:1.3) sky"}}, "'A'.*weight"),
        ({" ": {"prompt": "{prompt}"}}, "cannot be the name"),
        ({"A" * 1000: {"prompt": "{prompt}"}}, "cannot be the name"),
        ({"A\nB": {"prompt": "{prompt}"}}, "cannot be printed"),
        ({"A": {"prompt": "\0{prompt}"}}, "cannot be printed"),
        ({"A": {"prompt": "\ud800{prompt}"}}, "cannot be printed"),
        ("[" * 100_000, "cannot be read"),
        ('{"A": ' + "9" * 5000 + "}", "cannot be read"),
        ({NO_STYLE: {"prompt": "{prompt} x"}}, "cannot be the name"),
        ('{"A": {"prompt": "{prompt}"}, "A": {"prompt": "{prompt}"}}', "'A' appears twice"),
    ],
)
def test_a_bad_file_says_file_and_entry(tmp_path: Path, content: object, said: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        load_styles(_file(tmp_path, content))
    assert "mine.json" in str(caught.value) and caught.value.field == "styles"


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"Pirate": {"prompt": "a {prompt}"}}).encode())
    assert "Pirate" in load_styles(tmp_path / "mine.json")


def test_an_absent_or_foreign_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read"):
        load_styles(tmp_path / "absent.json")
    (tmp_path / "mine.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match="UTF-8"):
        load_styles(tmp_path / "mine.json")
