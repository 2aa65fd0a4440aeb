"""The whole path in a browser: upload, choose, make, watch, stop, fail, download."""

import io
import re
import time
from pathlib import Path

from PIL import Image
from skimage import data

from outputs.metadata import read_settings
from tests.ui.conftest import EXAMPLES, Served
from tests.ui.looking import faint, nameless, unfold

PERSON = EXAMPLES / "person_1.jpg"
NOBODY = EXAMPLES / "no_face.jpg"
GROUP = EXAMPLES / "group.jpg"


def add(page, *photos: Path | dict) -> None:
    before = page.locator("#coach .coach > li").count()
    page.locator("#photos input[type=file]").set_input_files(list(photos))
    page.wait_for_function(
        "n => document.querySelectorAll('#coach .coach > li:not(.waiting)').length === n", arg=before + len(photos)
    )


def set_steps(page, steps: int) -> None:
    if page.locator("#more .open").count() == 0:
        unfold(page, "more")
    field = page.locator("#steps input[type=number]")
    field.fill(str(steps))
    field.press("Tab")


def make(page) -> None:
    page.locator("#make").click()


def wait_done(page) -> None:
    page.wait_for_selector(".stage.done")
    page.wait_for_selector("#make:enabled")


def witness(page) -> None:
    """Keeps every status line and whether an unfinished picture was shown: a quick run may end between two looks."""
    page.evaluate("""() => {
        window.told = []; window.unfinished = 0;
        new MutationObserver(() => {
            const line = document.querySelector('#status')?.innerText ?? '';
            if (line !== window.told.at(-1)) window.told.push(line);
            if (document.querySelector('.stage.working img[alt^=Unfinished]')) window.unfinished += 1;
        }).observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
    }""")


def test_from_photo_to_download(page, served: Served) -> None:
    add(page, PERSON)
    assert "used" in page.inner_text("#coach").lower()
    page.locator("#style-picker label:has(input[value='Neon'])").click()
    page.locator("#pose-mode label", has_text="A view").click()
    page.locator("label[data-view=three_quarter_left]").click()
    page.locator("#prompt textarea").fill("a woman in a red coat")
    set_steps(page, 8)
    witness(page)
    make(page)
    wait_done(page)
    told = page.evaluate("window.told")
    assert any(re.search(r"step \d+ of 8", line, re.IGNORECASE) for line in told), told
    assert page.evaluate("window.unfinished") > 0, "the picture was seen to grow"
    facts = page.inner_text("#facts")
    assert re.search(r"likeness (strong|fair|weak) -?\d\.\d\d|not measurable", facts)
    assert "seed" in facts
    with page.expect_download() as coming:
        page.locator("#download").click()
    data = Path(coming.value.path()).read_bytes()
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        assert "Steps: 8" in picture.text["parameters"]
        assert "trainedAlgorithmicMedia" in picture.text["XML:com.adobe.xmp"]
    settings = read_settings(data)
    assert settings is not None
    assert (settings["style"], settings["view"]) == ("Neon", "three_quarter_left")
    served_file = page.request.get(page.locator(".stage.done img").evaluate("picture => picture.src"))
    assert served_file.body() == data, "what is shown is what is downloaded"
    page.locator("#compare").click()
    page.locator(".compare .wipe").press("ArrowRight")
    assert page.locator(".compare").get_attribute("style").count("--cut: 51%") == 1


def test_a_real_photograph_becomes_a_drawn_portrait(page) -> None:
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "JPEG", quality=92)
    add(page, {"name": "astronaut.jpg", "mimeType": "image/jpeg", "buffer": buffer.getvalue()})
    assert page.locator("#coach .coach > li.used").count() == 1
    set_steps(page, 6)
    make(page)
    wait_done(page)
    assert page.locator("#strip button").count() == 1


def test_an_example_runs_at_a_click(page) -> None:
    set_steps(page, 6)
    page.locator(".example").first.click()
    wait_done(page)
    assert page.locator("#coach .coach > li.used").count() == 1
    assert page.locator("#strip button").count() == 1
    assert page.locator("#style-picker input:checked").input_value() == "Watercolor"
    assert "seed 7" in page.inner_text("#facts").replace("\n", " "), "an example is the same for everybody"
    set_steps(page, 4)
    make(page)
    page.wait_for_function("document.querySelectorAll('#strip button').length === 2")
    assert "seed 7 " not in page.inner_text("#facts").replace("\n", " "), "the next picture is a new one"


def test_a_run_stops_and_the_next_one_works(page) -> None:
    add(page, PERSON)
    set_steps(page, 100)
    make(page)
    page.wait_for_selector(".stage.working img[alt^=Unfinished]")
    page.locator("#stop").click()
    page.wait_for_function("document.querySelector('#status').innerText.startsWith('Stopped')")
    page.wait_for_selector("#make:enabled")
    page.wait_for_timeout(3000)
    assert page.inner_text("#status").startswith("Stopped"), "nothing of the stopped run comes late"
    assert page.locator(".stage.empty").count() == 1
    set_steps(page, 4)
    make(page)
    wait_done(page)
    assert page.locator("#strip button").count() == 1


def test_a_photo_without_a_face_is_told_and_nothing_is_lost(page) -> None:
    add(page, NOBODY)
    assert "No face" in page.inner_text("#coach")
    page.locator("#prompt textarea").fill("a woman in a red coat")
    page.locator("#style-picker label:has(input[value='Snow'])").click()
    make(page)
    page.wait_for_selector(".stage.failed")
    words = page.inner_text(".stage.failed")
    assert "No face was found" in words and "no face seen" in words
    assert page.locator("#prompt textarea").input_value() == "a woman in a red coat"
    assert page.locator("#style-picker input:checked").input_value() == "Snow"
    assert page.locator("#coach .coach > li").count() == 1
    assert page.locator("#make").is_enabled()


def test_a_bad_pose_picture_is_told(page) -> None:
    page.locator("#pose-mode label", has_text="A picture").click()
    whole = PERSON.read_bytes()
    field = page.locator("#pose-photo input[type=file]")
    field.set_input_files({"name": "torn.jpg", "mimeType": "image/jpeg", "buffer": whole[: len(whole) // 3]})
    page.wait_for_selector("#pose-coach .refused")
    assert "damaged" in page.inner_text("#pose-coach .refused")
    page.locator("#pose-photo input[type=file]").set_input_files(GROUP)
    page.wait_for_selector("#pose-coach .coach > li.used")
    assert page.locator("#pose-coach .refused").count() == 0


def test_a_picture_without_settings_is_told(page) -> None:
    unfold(page, "more")
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    page.locator("#restore input[type=file]").set_input_files(
        {"name": "plain.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    )
    page.wait_for_function("document.querySelector('#status').innerText.includes('holds no settings')")


def test_without_a_photo_the_page_says_what_to_do(page) -> None:
    make(page)
    page.wait_for_selector(".stage.failed")
    assert "There is no photo yet." in page.inner_text(".stage.failed")


def test_a_file_that_is_no_picture_is_refused(page) -> None:
    page.locator("#photos input[type=file]").set_input_files(
        {"name": "face.jpg", "mimeType": "image/jpeg", "buffer": b"not a picture"}
    )
    page.wait_for_selector("#coach .refused")
    assert "not a picture" in page.inner_text("#coach")
    assert page.locator("#coach .coach > li").count() == 0


def test_a_phone_photo_stands_upright(page) -> None:
    with Image.open(PERSON) as upright:
        lying = upright.convert("RGB").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    lying.crop((0, 0, 512, 480)).save(buffer, "JPEG", exif=exif)
    add(page, {"name": "phone.jpg", "mimeType": "image/jpeg", "buffer": buffer.getvalue()})
    width, height = page.locator("#coach .shot img").evaluate(
        "picture => [picture.naturalWidth, picture.naturalHeight]"
    )
    assert width < height
    assert page.locator("#coach .coach > li.used").count() == 1


def test_a_face_in_a_group_can_be_chosen(page) -> None:
    add(page, GROUP)
    faces = page.locator("#coach .face-button")
    assert faces.count() >= 2
    faces.nth(1).click()
    page.wait_for_selector("#coach .face-button:nth-of-type(2)[aria-pressed=true]")
    page.locator("#coach .remove").click()
    page.wait_for_function("document.querySelectorAll('#coach li').length === 0")


def test_the_whole_page_works_by_keyboard(page) -> None:
    page.locator("#pose-mode label", has_text="A view").click()
    page.wait_for_selector(".pad")
    reached: list[str] = []
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.closest('[id]')?.id ?? ''"))
        if reached[-1] == "make":
            break
    assert reached[-1] == "make", reached
    page.locator(".pad").focus()
    before = page.locator(".pad").get_attribute("aria-valuetext")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".pad").get_attribute("aria-valuetext") != before


def test_every_control_has_a_name(page) -> None:
    unfold(page, "more")
    page.locator("#pose-mode label", has_text="A view").click()
    page.wait_for_selector(".pad")
    assert nameless(page) == []


def test_one_column_on_a_phone_with_the_button_in_reach(phone) -> None:
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    for part in ("0", "document.body.scrollHeight / 2", "document.body.scrollHeight"):
        phone.evaluate(f"window.scrollTo(0, {part})")
        box = phone.locator("#make").bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 844
    assert phone.locator("#form").bounding_box()["width"] > 340


def test_text_is_readable(lit) -> None:
    assert faint(lit) == []


def test_nothing_private_stays_behind(page, served: Served) -> None:
    add(page, PERSON)
    page.locator("#prompt textarea").fill("a very private wish")
    set_steps(page, 2)
    make(page)
    wait_done(page)
    photo = PERSON.read_bytes()
    deadline = time.monotonic() + 10
    kept = [path for path in served.files.rglob("*") if path.is_file() and path.read_bytes() == photo]
    while kept and time.monotonic() < deadline:
        time.sleep(0.2)
        kept = [path for path in kept if path.exists()]
    assert kept == [], "the uploaded file is gone once it was read"
    log = served.log.read_text()
    assert "private wish" not in log
    assert "Traceback" not in log


def test_helpers_of_the_page_are_no_api(served: Served, page) -> None:
    described = page.request.get(f"{served.address}/gradio_api/info").json()
    assert set(described["named_endpoints"]) == {"/generate_picture"}, "the one tool of ui/tools.py"
    assert described["unnamed_endpoints"] == {}


def test_files_of_others_are_refused(served: Served, page) -> None:
    for path in (str(Path(__file__)), "/etc/passwd", f"{served.files}/log.txt"):
        assert page.request.get(f"{served.address}/gradio_api/file={path}").status in (403, 404)
