"""A template in the place of photos: read, told, mapped, drawn, and taken back."""

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
from ui.form import build_request
from ui.inbox import Inbox
from ui.session import Session
from ui.template import add_adapter, add_template, drop, template_html

VECTOR = np.random.default_rng(0).normal(size=512).astype(np.float32)
ADAPTER = LinearMap(np.eye(512, dtype=np.float32), None, About("theirs", "ours", target_length=22.0))


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


def adapter_bytes(folder: Path, adapter: LinearMap = ADAPTER) -> bytes:
    adapter.save(folder / "adapter.safetensors")
    return (folder / "adapter.safetensors").read_bytes()


def test_a_template_makes_a_request_without_photos(given, tmp_path):
    session = Session(photos=[photo()])
    given(session, add_template, pickle.dumps(VECTOR))
    request = build_request(session, form(who_mode="template"), PROFILE).resolved(PROFILE)
    assert request.photos == () and (request.view, request.view_size) == ("front", PROFILE.view_size)
    np.testing.assert_array_equal(request.template.embedding, VECTOR)
    given(session, add_adapter, adapter_bytes(tmp_path))
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
    for add, data in ((add_template, b"cos\nsystem\n(S'ls'\ntR."), (add_adapter, b"no adapter")):
        given(session, add, data)
        assert session.template is not None and session.adapter is None
        assert 'role="alert"' in template_html(session)
    narrow = LinearMap(np.ones((128, 512), np.float32), None, ADAPTER.about)
    given(session, add_adapter, adapter_bytes(tmp_path, narrow))
    assert session.template is None and "128" in session.template_refused
    drop(session, "adapter")
    given(session, add_template, pickle.dumps(VECTOR))
    drop(session, "template")
    assert template_html(session) == ""


def test_in_the_browser_a_template_becomes_a_picture(page) -> None:
    page.locator("#who-mode label", has_text="From a template").click()
    page.wait_for_selector("#template-file")
    make(page)
    page.wait_for_selector(".stage.failed")
    assert "There is no template yet." in page.inner_text(".stage.failed")
    field = page.locator("#template-file input[type=file]")
    field.set_input_files({"name": "t.pkl", "mimeType": "application/octet-stream", "buffer": b"cos\nsystem\n."})
    page.wait_for_selector("#template-card .refused")
    buffer = io.BytesIO()
    np.save(buffer, VECTOR / 20)
    field.set_input_files({"name": "t.npy", "mimeType": "application/octet-stream", "buffer": buffer.getvalue()})
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
