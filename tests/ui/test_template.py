"""A template in the place of photos: read, told, mapped, drawn, and taken back."""

import base64
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from errors import RequestError
from outputs.metadata import read_settings
from template_adapter.linear import About, LinearMap
from tests.ui.test_form import PROFILE, form, photo
from tests.ui.test_page import make, set_steps, wait_done
from ui import stage
from ui.form import build_request
from ui.inbox import Inbox
from ui.session import Session
from ui.template import add_adapter, add_template, drop, template_html
from ui.wording import UNREADABLE

VECTOR = np.random.default_rng(0).normal(size=512).astype(np.float32)
ADAPTER = LinearMap(np.eye(512, dtype=np.float32), None, About("theirs", "ours", target_length=22.0))


NARROW = LinearMap(
    np.random.default_rng(1).normal(size=(256, 512)).astype(np.float32),
    None,
    About("theirs", "ours", target_length=22.0),
)
"""Of a recogniser whose templates have 256 numbers."""
FOREIGN = VECTOR[:256]


@pytest.fixture
def given(tmp_path):
    """A function that uploads bytes into a session by one of the two doors."""
    inbox = Inbox(tmp_path)

    def give(session: Session, add, data: bytes) -> None:
        path = tmp_path / "upload"
        path.write_bytes(data)
        add(session, inbox, str(path))
        assert not path.exists()

    return give


def take_adapter(session: Session, inbox: Inbox, path: str) -> None:
    add_adapter(session, inbox, path, PROFILE)


def npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def adapter_bytes(folder: Path, adapter: LinearMap = ADAPTER) -> bytes:
    adapter.save(folder / "adapter.safetensors")
    return (folder / "adapter.safetensors").read_bytes()


def test_a_template_makes_a_request_without_photos(given, tmp_path):
    session = Session(photos=[photo()])
    given(session, add_template, pickle.dumps(VECTOR))
    request = build_request(session, form(who_mode="template"), PROFILE).resolved(PROFILE)
    assert request.photos == () and (request.view, request.view_size) == ("front", PROFILE.view_size)
    np.testing.assert_array_equal(request.template.embedding, VECTOR)
    given(session, take_adapter, adapter_bytes(tmp_path))
    mapped = build_request(session, form(who_mode="template"), PROFILE).template
    assert mapped.provenance() == {"recogniser": "theirs", "adapter": ADAPTER.fingerprint}
    assert "theirs" in template_html(session)
    assert build_request(session, form(), PROFILE).template is None


def test_what_cannot_be_taken_is_told_and_changes_nothing(given, tmp_path):
    session = Session()
    with pytest.raises(RequestError) as told:
        build_request(session, form(who_mode="template"), PROFILE)
    assert told.value.field == "template" and told.value.cure
    given(session, add_template, pickle.dumps(VECTOR))
    for add, data in ((add_template, b"cos\nsystem\n(S'ls'\ntR."), (take_adapter, b"no adapter")):
        given(session, add, data)
        assert session.template is not None and session.adapter is None
        assert 'role="alert"' in template_html(session)
    drop(session, "template")
    assert template_html(session) == "", "what was refused is forgotten with it"


def alert(session: Session) -> bool:
    return 'role="alert"' in template_html(session)


@pytest.mark.parametrize("adapter_first", [True, False])
def test_template_and_adapter_come_and_go_in_any_order(given, tmp_path, adapter_first) -> None:
    session = Session()
    adapter = (take_adapter, adapter_bytes(tmp_path, NARROW))
    for add, data in [adapter, (add_template, npy(FOREIGN))][:: 1 if adapter_first else -1]:
        given(session, add, data)
        assert not alert(session)
    mapped = build_request(session, form(who_mode="template"), PROFILE).template
    np.testing.assert_array_equal(mapped.embedding, NARROW.map_template(FOREIGN).embedding)
    assert "left-out" not in template_html(session)
    drop(session, "adapter")
    shown = template_html(session)
    assert "256 numbers, not 512" in shown and "adapter" in shown and "own recogniser" not in shown
    with pytest.raises(RequestError) as told:
        build_request(session, form(who_mode="template"), PROFILE)
    assert "256" in told.value.message and "adapter" in told.value.cure
    given(session, *adapter)
    assert build_request(session, form(who_mode="template"), PROFILE).template.adapter == NARROW.fingerprint
    given(session, add_template, npy(VECTOR))
    assert "512 numbers, not 256" in template_html(session) and "theirs" in template_html(session)


def test_bare_floats_are_the_same_numbers_whatever_the_adapter_reads(given, tmp_path) -> None:
    """512 floats of half precision are as many bytes as the 256 numbers of the adapter."""
    session = Session()
    given(session, add_template, base64.b64encode(VECTOR.astype(np.float16).tobytes()))
    assert session.template is not None and len(session.template) == 512
    given(session, take_adapter, adapter_bytes(tmp_path, NARROW))
    assert session.template is None and "512 numbers, not 256" in template_html(session)


def test_an_adapter_to_other_weights_is_refused(given, tmp_path) -> None:
    session = Session()
    elsewhere = LinearMap(NARROW.matrix, None, About("theirs", "antelopev2", target_length=22.0))
    given(session, take_adapter, adapter_bytes(tmp_path, elsewhere))
    assert session.adapter is None and "antelopev2" in template_html(session)


BROKEN = {
    "a number without an end": b"[" + b",".join([b"1" + b"0" * 400] * 512) + b"]",
    "a damaged header": npy(VECTOR)[:20] + b"((((" + npy(VECTOR)[24:],
    "nothing": b"",
    "half a zip": b"PK\x03\x04" + bytes(30),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_told_and_what_was_there_stays(given, what) -> None:
    session = Session()
    given(session, add_template, npy(VECTOR))
    given(session, add_template, BROKEN[what])
    assert alert(session)
    np.testing.assert_array_equal(session.template, VECTOR)
    given(session, take_adapter, BROKEN[what])
    assert alert(session) and session.adapter is None


def test_what_nobody_foresaw_is_told_too_and_not_repeated_in_the_log(tmp_path, caplog) -> None:
    class Broken(Inbox):
        def take(self, path, *, field="photo"):
            raise ValueError("could not convert 0.123")

    session = Session()
    add_template(session, Broken(tmp_path), "upload")
    assert session.template_refused == UNREADABLE
    assert "ValueError" in caplog.text and "0.123" not in caplog.text


def test_a_failure_with_a_template_speaks_of_no_photos() -> None:
    session = Session(photos=[photo()], who="template", template_file=npy(VECTOR))
    shown = stage.failed(RequestError("No.", field="template"), session)
    assert "Your template and settings are kept." in shown and "photo" not in shown
    assert "photo A" in stage.failed(RequestError("No."), Session(photos=[photo()]))


def upload(page, name: str, data: bytes) -> None:
    """Into a field that has to be free for it."""
    field = page.locator(f"#{name}-file input[type=file]")
    field.set_input_files({"name": "t.bin", "mimeType": "application/octet-stream", "buffer": data})


def test_in_the_browser_a_template_becomes_a_picture(page) -> None:
    assert "template" in page.inner_text(".stage.empty")
    page.locator("#who-mode label", has_text="From a template").click()
    page.wait_for_selector("#template-file")
    page.wait_for_function("document.querySelector('#who h2').innerText.includes('template')")
    assert page.inner_text("#pose-mode").split("\n")[0] == "To the front"
    assert "to the front" in page.inner_text("#pose .note")
    make(page)
    page.wait_for_selector(".stage.failed")
    assert "There is no template yet." in page.inner_text(".stage.failed")
    assert "Your settings are kept." in page.inner_text(".stage.failed")
    upload(page, "template", b"cos\nsystem\n.")
    page.wait_for_selector("#template-card .refused")
    upload(page, "template", npy(VECTOR / 20))
    page.wait_for_selector("#template-card li")
    assert page.locator("#template-card .refused").count() == 0
    set_steps(page, 4)
    make(page)
    wait_done(page)
    assert not page.locator("#compare").is_visible(), "there is no photo to lay over it"
    with page.expect_download() as coming:
        page.locator("#download").click()
    settings = read_settings(Path(coming.value.path()).read_bytes())
    assert settings is not None and settings["template"] == {"recogniser": None, "adapter": None}
    assert "embedding" not in json.dumps(settings)
    page.locator("#use").click()
    page.wait_for_function("document.querySelector('#status').innerText.includes('in the form')")
    assert page.locator("#from-template").is_visible()
    page.locator("#template-card .remove").click()
    page.wait_for_function("document.querySelectorAll('#template-card li').length === 0")
    page.locator("#who-mode label", has_text="Photos").click()
    page.wait_for_function("document.querySelector('#pose-mode').innerText.startsWith('From the photo')")


def test_in_the_browser_no_refusal_jams_the_fields(page, tmp_path) -> None:
    page.locator("#who-mode label", has_text="From a template").click()
    page.wait_for_selector("#template-file")
    for number, data in enumerate(BROKEN.values()):
        upload(page, "template", data or b" ")
        page.wait_for_selector("#template-card .refused")
        upload(page, "template", npy(VECTOR + number))
        page.wait_for_selector("#template-card li.used")
        page.wait_for_selector("#template-card .refused", state="detached")
    upload(page, "template", npy(FOREIGN))
    page.wait_for_selector("#template-card li.left-out")
    assert "adapter" in page.inner_text("#template-card")
    upload(page, "adapter", adapter_bytes(tmp_path)[:300])
    page.wait_for_selector("#template-card .refused")
    upload(page, "adapter", adapter_bytes(tmp_path, NARROW))
    page.wait_for_function("document.querySelectorAll('#template-card li.used').length === 2")
    upload(page, "template", BROKEN["a damaged header"])
    page.wait_for_selector("#template-card .refused")
    page.locator("#template-card .remove").nth(1).click()
    page.wait_for_selector("#template-card li.left-out")
    assert page.locator("#template-card .refused").count() == 0
    assert "own recogniser" not in page.inner_text("#template-card")
