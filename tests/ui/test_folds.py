"""The folds in a browser: every control beyond the four questions, used as a visitor uses it."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generation.checkpoints import BASES
from outputs.metadata import read_settings, write_png
from tests.ui.conftest import EXAMPLES, Served
from tests.ui.looking import faint, nameless, unfold
from tests.ui.test_page import GROUP, NOBODY, PERSON, add, make, set_steps, wait_done

OTHER = EXAMPLES / "person_2.jpg"
FOLDS = ("more", "finely", "company", "work", "follow", "loras")


def upload(page, name: str, *files: Path | dict) -> None:
    page.locator(f"#{name} input[type=file]").set_input_files(list(files))


def value(page, name: str) -> float:
    return float(page.locator(f"#{name} input[type=number]").input_value())


def set_value(page, name: str, wanted: float) -> None:
    field = page.locator(f"#{name} input[type=number]")
    field.fill(f"{wanted:g}")
    field.press("Tab")


def saved(page) -> tuple[dict, Image.Image]:
    """Settings and pixels of the picture that is shown."""
    data = page.request.get(page.locator(".stage.done .picture img").evaluate("picture => picture.src")).body()
    settings = read_settings(data)
    assert settings is not None
    return settings, Image.open(io.BytesIO(data)).convert("RGB")


def facts(page) -> str:
    return page.inner_text("#facts").replace("\n", " ")


def test_speeds_and_presets_move_the_sliders(page) -> None:
    unfold(page, "more")
    unfold(page, "finely")
    usual = value(page, "steps")
    page.locator("#speed label", has_text="Fast").click()
    page.wait_for_function("n => document.querySelector('#steps input[type=number]').value < n", arg=usual)
    assert (value(page, "guidance-start"), value(page, "guidance-end")) == (0, 0.6)
    assert value(page, "end") == 0.8
    assert page.locator("#scheduler input").input_value() == "DPM++ 2M"
    page.locator("#speed label", has_text="Turbo").click()
    page.wait_for_function("document.querySelector('#steps input[type=number]').value === '8'")
    assert "Eight steps" in page.inner_text("#speed-note")
    page.locator("#speed label", has_text="Quality").click()
    page.wait_for_function("n => document.querySelector('#steps input[type=number]').value == n", arg=usual)
    assert value(page, "guidance-end") == 1
    page.locator("#preset-free").click()
    page.wait_for_function("document.querySelector('#noise input[type=number]').value === '0.35'")
    assert (value(page, "rescale"), value(page, "adapter-start"), value(page, "detail")) == (0.6, 0.1, 0.6)
    page.locator("#preset-official").click()
    page.wait_for_function("document.querySelector('#noise input[type=number]').value === '0'")
    assert (value(page, "shape"), value(page, "end")) == (0.8, 1)


def test_two_people_side_by_side_and_exchanged(page) -> None:
    add(page, PERSON)
    unfold(page, "company")
    page.locator("#people label", has_text="Two").click()
    make(page)
    page.wait_for_selector(".stage.failed")
    assert "Person 2 has no photo yet." in page.inner_text(".stage.failed")
    upload(page, "person-2", OTHER)
    page.wait_for_selector("#person-2-coach li.used")
    page.wait_for_selector("#order li:nth-child(2) img")
    page.locator("#order button[aria-label='Move person 1 to the right']").click()
    page.wait_for_function("document.querySelector('#order li span').innerText === 'Person 2'")
    set_steps(page, 4)
    assert page.locator("#size input").input_value().startswith("Wide")
    make(page)
    wait_done(page)
    settings, picture = saved(page)
    shown, stage = (page.locator(f".stage.done{inside}").bounding_box() for inside in (" .picture img", ""))
    assert shown["width"] / shown["height"] == pytest.approx(picture.width / picture.height, rel=0.01)
    assert shown["x"] >= stage["x"] and shown["x"] + shown["width"] <= stage["x"] + stage["width"], "none of it is cut"
    assert (settings["people"], settings["assignment"]) == (2, [1, 0])
    words = facts(page)
    assert re.search(r"person 2 .*person 1 ", words), "scores from left to right"
    if "swapped" in words:
        assert page.locator("#facts [data-act=again]").count() == 1
    page.locator("#person-2-coach .remove").click()
    page.wait_for_selector("#order .nobody")


def test_into_a_photo_only_the_face_changes(page, served: Served) -> None:
    add(page, PERSON)
    unfold(page, "work")
    page.locator("#ground-mode label", has_text="Into a photo").click()
    page.wait_for_function("document.querySelector('#ground-strength input[type=number]')?.value === '0.8'")
    upload(page, "ground", NOBODY)
    page.wait_for_selector("#ground-coach li.left-out")
    make(page)
    page.wait_for_selector(".stage.failed")
    assert "No face was found in the photo to put the person into" in page.inner_text(".stage.failed")
    upload(page, "ground", GROUP)
    page.wait_for_selector("#ground-coach .face-button")
    page.locator("#ground-coach .face-button").nth(1).click()
    page.wait_for_selector("#ground-coach .face-button:nth-of-type(2)[aria-pressed=true]")
    set_steps(page, 4)
    make(page)
    wait_done(page)
    settings, picture = saved(page)
    assert settings["into_face"] == 1
    before = np.int16(Image.open(GROUP).convert("RGB"))
    changed = np.abs(np.int16(picture) - before).max(axis=2) > 0
    assert 0.005 < changed.mean() < 0.5, "the face alone"
    kept = [path for path in served.files.rglob("*") if path.is_file() and path.read_bytes() == GROUP.read_bytes()]
    assert kept == [], "the uploaded photo is in memory only"


def test_a_painted_mask_keeps_the_rest_of_a_picture_to_start_from(page) -> None:
    add(page, PERSON)
    unfold(page, "work")
    page.locator("#ground-mode label", has_text="Start from it").click()
    upload(page, "ground", OTHER)
    page.wait_for_selector("#painter canvas")
    canvas = page.locator("#painter canvas")
    canvas.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('#painter canvas').width > 300")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_function("document.querySelector('#mask-card').innerText.includes('may change')")
    set_steps(page, 4)
    make(page)
    wait_done(page)
    settings, picture = saved(page)
    assert settings["needs"] == ["start_picture", "mask"]
    start = Image.open(OTHER).convert("RGB").resize(picture.size, Image.Resampling.LANCZOS)
    apart = np.abs(np.int16(picture) - np.int16(start)).mean(axis=2)
    assert apart[-40:, -40:].mean() < 6, "far from the brush"
    page.locator("#mask-card .remove").click()
    page.wait_for_function("!document.querySelector('#mask-card')?.innerText.includes('may change')")
    upload(page, "mask", PERSON)
    page.wait_for_function("document.querySelector('#mask-card .refused, #mask-card .coach')")


def test_edges_are_followed_and_shown(page) -> None:
    add(page, PERSON)
    unfold(page, "follow")
    page.locator("#canny-on input").check()
    page.wait_for_selector("#canny-strength")
    make(page)
    page.wait_for_selector(".stage.failed")
    assert "Edges to follow: there is no picture for that yet." in page.inner_text(".stage.failed")
    upload(page, "canny-picture", OTHER)
    page.wait_for_selector("#canny-card li.used")
    set_value(page, "canny-strength", 0.4)
    set_value(page, "canny-end", 0.5)
    set_steps(page, 4)
    make(page)
    wait_done(page)
    settings, _ = saved(page)
    (followed,) = settings["followed"]
    assert (followed["kind"], followed["strength"], followed["end"]) == ("canny", 0.4, 0.5)
    assert page.locator("#facts .followed img").count() == 1


def test_small_faces_again_before_and_after_the_best_and_the_colours(page) -> None:
    add(page, PERSON)
    page.locator("#pose-mode label", has_text="A view").click()
    page.wait_for_selector(".pad")
    page.locator("#view-picker input[type=range]").fill("0.3")
    unfold(page, "finely")
    page.locator("#refine label", has_text="Always").click()
    page.locator("#compare-colours input").check()
    set_steps(page, 4)
    set_value(page, "best-of", 3)
    make(page)
    wait_done(page)
    words = facts(page)
    assert re.search(r"small face made again, before (-?\d\.\d\d|not measurable)", words)
    assert re.search(r"colours \d\.\d\d× saturation", words)
    page.locator(".candidates summary").click()
    assert page.locator(".candidates li").count() == 3
    assert page.locator(".candidates li.kept").count() == 1
    assert page.locator("#strip button").count() == 1
    page.locator("#before").click()
    page.wait_for_selector(".compare .before[src*='-before.png']")
    page.locator(".compare .wipe").press("ArrowRight")
    page.locator("#compare").click()
    page.wait_for_selector(".compare .before[src^='data:']")


def test_loras_are_listed_weighed_and_told_when_they_do_not_fit(page, served: Served) -> None:
    add(page, PERSON)
    unfold(page, "loras")
    upload(page, "lora-file", {"name": "x.safetensors", "mimeType": "application/octet-stream", "buffer": b"PK" * 40})
    page.wait_for_selector("#lora-list .refused")
    assert "pickle" in page.inner_text("#lora-list")
    upload(page, "lora-file", {"name": "flux.safetensors", "mimeType": "application/octet-stream", "buffer": foreign()})
    page.wait_for_selector("#lora-list li")
    page.locator("#lora-list input[type=range]").fill("0.5")
    page.wait_for_function("document.querySelector('#lora-list output').innerText === '0.5'")
    set_steps(page, 4)
    make(page)
    page.wait_for_selector(".stage.failed")
    assert "flux.safetensors" in page.inner_text(".stage.failed")
    assert list(served.files.rglob("flux.safetensors"))
    page.locator("#lora-list .remove").click()
    page.wait_for_function("!document.querySelector('#lora-list li')")
    assert not list(served.files.rglob("flux.safetensors")), "removed from the list is removed from the disk"
    page.locator("#lora-name input").fill("/etc/passwd")
    page.locator("#lora-add").click()
    page.wait_for_selector("#lora-list .refused")
    make(page)
    wait_done(page)


def foreign() -> bytes:
    """A LoRA for another base, as a safetensors file without values."""
    width = BASES["Stable Diffusion 1.5"]
    names = [f"unet.down_blocks.{n}.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight" for n in range(3)]
    table, offset = {}, 0
    for name in names:
        end = offset + 4 * 4 * width
        table[name] = {"dtype": "F32", "shape": [4, width], "data_offsets": [offset, end]}
        offset = end
    head = json.dumps(table).encode()
    return len(head).to_bytes(8, "little") + head + bytes(offset)


def test_settings_of_a_picture_bring_the_folds_back(page, tmp_path: Path) -> None:
    add(page, PERSON)
    set_steps(page, 4)
    page.locator("#speed label", has_text="Fast").click()
    make(page)
    wait_done(page)
    settings, picture = saved(page)
    settings |= {
        "people": 2,
        "needs": ["others", "controls", "into"],
        "followed": [{"kind": "canny", "strength": 0.3, "start": 0.0, "end": 0.9, "is_map": False}],
        "loras": [{"name": "owner/style", "weight": 0.4}],
        "refine": "auto",
        "face_noise": 0.2,
    }
    settings["needs"] = ["others", "controls"]
    write_png(picture, settings, tmp_path / "made.png")
    page.reload()
    page.wait_for_selector(".weights.ready")
    unfold(page, "more")
    upload(page, "restore", tmp_path / "made.png")
    page.wait_for_function("document.querySelector('#status').innerText.includes('are in the form')")
    told = page.inner_text("#status")
    assert "photos of the person" in told
    assert "photos of person 2" in told
    assert "the picture for edges" in told
    assert page.locator("#speed label.selected").inner_text() == "Fast"
    for name in FOLDS[1:]:
        unfold(page, name)
    page.wait_for_selector("#person-2")
    page.wait_for_selector("#canny-strength")
    assert page.locator("#people label.selected").inner_text() == "Two"
    assert value(page, "canny-strength") == 0.3
    assert value(page, "noise") == 0.2
    assert page.locator("#refine label.selected").inner_text() == "When needed"
    assert "owner/style" in page.inner_text("#lora-list")


def test_an_example_keeps_the_visitors_own_photos(page) -> None:
    add(page, OTHER)
    before = page.locator("#coach .shot img").get_attribute("src")
    set_steps(page, 4)
    page.locator(".example").first.click()
    wait_done(page)
    assert page.locator("#coach .shot img").get_attribute("src") == before
    assert page.locator("#style-picker input:checked").input_value() == "Watercolor"


def test_folds_are_closed_named_and_load_nothing_before_they_are_opened(page) -> None:
    for name in FOLDS:
        assert page.locator(f"#{name} .open").count() == 0
    assert page.locator("#advanced canvas").count() == 0 or not page.locator("#advanced canvas").first.is_visible()
    for name in FOLDS:
        unfold(page, name)
    page.locator("#people label", has_text="Four").click()
    page.locator("#ground-mode label", has_text="Start from it").click()
    page.wait_for_selector("#person-4")
    assert nameless(page, "#advanced") == []


def test_the_folds_fit_a_phone(phone) -> None:
    for name in FOLDS:
        unfold(phone, name)
    phone.locator("#people label", has_text="Four").click()
    phone.locator("#ground-mode label", has_text="Into a photo").click()
    phone.locator("#canny-on input").check()
    upload(phone, "ground", GROUP)
    phone.wait_for_selector("#ground-coach .face-button")
    phone.wait_for_selector("#person-4")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    wide = phone.evaluate(
        """() => [...document.querySelectorAll('#advanced *')].filter(part => part.checkVisibility())
            .filter(part => part.getBoundingClientRect().right > 391 && !part.closest('.chips, .upload-container'))
            .map(part => part.className)"""
    )
    assert wide == []
    cut = phone.locator("#size input").evaluate("field => field.scrollWidth > field.clientWidth")
    assert not cut, "the size is readable"


def test_words_in_the_folds_are_readable(lit) -> None:
    for name in FOLDS:
        unfold(lit, name)
    lit.locator("#people label", has_text="Two").click()
    lit.wait_for_selector("#person-2")
    assert faint(lit) == []
