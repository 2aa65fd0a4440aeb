"""Templates in the place of photos: sent in every way, mapped by adapters, refused with a cure, and deleted."""

import base64
import io
import json
import logging
import pickle
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from api.settings import ServiceSettings
from errors import RequestError, WeightsMissing
from template_adapter.linear import About, LinearMap
from template_adapter.template import Template
from tests.api.conftest import PATIENCE

URL = "/api/v1/generate"
OWN = np.random.default_rng(1).normal(size=512).astype(np.float32)
THEIRS = np.random.default_rng(2).normal(size=256).astype(np.float32)
ADAPTER = LinearMap(
    np.random.default_rng(3).normal(size=(256, 512)).astype(np.float32),
    None,
    About("theirs", "miniature", target_length=22.0),
)


def npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def saved(folder: Path, adapter: LinearMap = ADAPTER) -> Path:
    file = folder / "theirs.safetensors"
    adapter.save(file)
    return file


def bent(**about) -> LinearMap:
    return LinearMap(ADAPTER.matrix, None, About("theirs", **{"target": "miniature", "target_length": 22.0, **about}))


@pytest.fixture
def seen(engine, monkeypatch) -> list[Template]:
    """The templates that reach the engine."""
    templates = []
    prepare = engine.prepare

    def watched(request):
        templates.append(request.template)
        return prepare(request)

    monkeypatch.setattr(engine, "prepare", watched)
    return templates


WAYS = {
    "a file": {"files": {"template": npy(THEIRS)}},
    "base64 in a file": {"files": {"template": base64.b64encode(THEIRS.tobytes())}},
    "a pickle": {"files": {"template": pickle.dumps(THEIRS)}},
    "base64": {"data": {"template": base64.b64encode(THEIRS.tobytes()).decode()}},
    "base64 in lines": {"data": {"template": base64.encodebytes(npy(THEIRS)).decode()}},
    "a list": {"data": {"template": json.dumps(THEIRS.tolist())}},
    "a list in the request": {"data": {"request": json.dumps({"template": THEIRS.tolist(), "seed": 1})}},
    "base64 in the request": {"data": {"request": json.dumps({"template": base64.b64encode(npy(THEIRS)).decode()})}},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_foreign_template_is_mapped_however_it_comes(serve, seen, tmp_path, way) -> None:
    served = serve()
    files = {"adapter": saved(tmp_path).read_bytes(), **WAYS[way].get("files", {})}
    job = served.over(served.job(files=files, data=WAYS[way].get("data"))["id"])
    assert job["state"] == "done", job
    (template,) = seen
    np.testing.assert_array_equal(template.embedding, ADAPTER.map_template(THEIRS).embedding)
    told = {"recogniser": "theirs", "adapter": ADAPTER.fingerprint}
    assert job["result"]["template"] == job["result"]["settings"]["template"] == told
    assert not [note for note in job["result"]["notes"] if "own recogniser" in note]


def test_an_adapter_of_the_deployment_goes_by_its_name(serve, seen, tmp_path) -> None:
    served = serve(template_adapters=(("arcface", saved(tmp_path)),))
    for data in ({"adapter": "arcface"}, {"request": '{"adapter": "arcface"}'}):
        job = served.over(served.job(files={"template": npy(THEIRS)}, data=data)["id"])
        assert job["result"]["template"] == {"recogniser": "theirs", "adapter": ADAPTER.fingerprint}
    refused = served.client.post(URL, files={"template": npy(THEIRS)}, data={"adapter": "facenet"}).json()["error"]
    assert refused["field"] == "adapter" and "arcface" in refused["cure"] and "facenet" not in str(refused)


def test_without_an_adapter_the_answer_says_what_the_template_was_taken_for(serve, seen, jpeg) -> None:
    served = serve()
    told = served.over(served.job(files={"template": npy(OWN)})["id"])["result"]
    np.testing.assert_array_equal(seen[0].embedding, OWN)
    assert told["template"] == {"recogniser": None, "adapter": None}
    assert any("own recogniser" in note and "adapter" in note for note in told["notes"])
    of_photo = served.over(served.job(files={"photos": jpeg})["id"])["result"]
    assert of_photo["template"] is None
    assert not [note for note in of_photo["notes"] if "recogniser" in note]


def compressed() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, OWN)
    return buffer.getvalue()


def mauled(data: bytes, place: int) -> bytes:
    return data[:place] + bytes(byte ^ 0xFF for byte in data[place : place + 8]) + data[place + 8 :]


REFUSED = {
    "a foreign template alone": (npy(THEIRS), None, "template", "-F adapter=@"),
    "foreign floats alone": (
        base64.b64encode(THEIRS.astype(np.float64)[:200].tobytes()),
        None,
        "template",
        "-F adapter",
    ),
    "an own template with an adapter": (npy(OWN), ADAPTER, "template", "theirs"),
    "an adapter to elsewhere": (npy(THEIRS), bent(target="antelopev2"), "adapter", "Fit one"),
    "an adapter to another width": (
        npy(THEIRS),
        LinearMap(ADAPTER.matrix[:, :128], None, ADAPTER.about),
        "adapter",
        "Fit",
    ),
    "no adapter": (npy(THEIRS), b"no adapter", "adapter", "template fit"),
    "an empty adapter": (npy(THEIRS), b"", "adapter", "leave it out"),
    "an adapter that is too large": (npy(THEIRS), bytes(17 * 2**20), "adapter", "16 MB"),
    "a template that is too large": (bytes(2**20 + 1), None, "template", "template"),
    "a picture": (b"\xff\xd8\xff\xe0" + bytes(300), None, "template", "photos"),
    "a number without an end": (b"[" + b",".join([b"1" + b"0" * 400] * 512) + b"]", None, "template", ""),
    "a damaged header": (mauled(npy(OWN), 12), None, "template", ""),
    "a damaged archive": (mauled(compressed(), 60), None, "template", ""),
    "NaN": (npy(OWN * np.nan), None, "template", ""),
    "several": (npy(np.stack([OWN, OWN])), None, "template", ""),
    "a call": (b"cos\nsystem\n(S'true'\ntR.", None, "template", ""),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_refused_with_a_cure_and_the_next_request_works(serve, tmp_path, what) -> None:
    template, adapter, field, cure = REFUSED[what]
    data = saved(tmp_path, adapter).read_bytes() if isinstance(adapter, LinearMap) else adapter
    served = serve(worker=None)
    answer = served.client.post(URL, files={"template": template} | ({} if data is None else {"adapter": data}))
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["field"]) == ("invalid_request", field) and error["cure"]
    assert cure in error["cure"]
    served.job(files={"template": npy(OWN)})


@pytest.mark.parametrize(("reader", "field"), [("read_template", "template"), ("load_map_bytes", "adapter")])
def test_what_no_reader_foresaw_is_the_callers_too(serve, tmp_path, monkeypatch, caplog, reader, field) -> None:
    def broken(*_, **__):
        raise ZeroDivisionError("0.123")

    monkeypatch.setattr(f"api.templates.{reader}", broken)
    files = {"template": npy(THEIRS), "adapter": saved(tmp_path).read_bytes()}
    answer = serve(worker=None).client.post(URL, files=files)
    assert answer.status_code == 422 and answer.json()["error"]["field"] == field
    assert "0.123" not in answer.text + caplog.text


@pytest.mark.parametrize("place", range(0, 700, 23))
def test_damage_anywhere_is_never_a_failure_of_the_server(serve, tmp_path, place) -> None:
    client = serve(worker=None, queue_limit=1000).client
    adapter = saved(tmp_path).read_bytes()
    for files in (
        {"template": mauled(compressed(), place)},
        {"template": mauled(npy(OWN), place % 128)},
        {"template": npy(THEIRS), "adapter": mauled(adapter, place % 400)},
    ):
        assert client.post(URL, files=files).status_code in (202, 422)


@pytest.mark.parametrize(
    "value", [True, 3, {}, [], [[]], "", " ", "[", "\ud800", ["a"], [1] * 511, {"embedding": ["x"]}, [[[1]] * 600] * 4]
)
def test_what_json_says_in_a_templates_place_is_refused(serve, value) -> None:
    answer = serve(worker=None).client.post(URL, data={"request": json.dumps({"template": value})})
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["field"] == "template"


def test_requests_that_contradict_themselves_are_refused(serve, tmp_path, jpeg) -> None:
    client = serve(worker=None, template_adapters=(("arcface", saved(tmp_path)),)).client
    template, adapter = {"template": npy(THEIRS)}, {"adapter": saved(tmp_path).read_bytes()}
    for form, field in (
        ({"files": {"photos": jpeg} | adapter}, "adapter"),
        ({"files": {"photos": jpeg}, "data": {"adapter": "arcface"}}, "adapter"),
        ({"files": template | adapter, "data": {"adapter": "arcface"}}, "adapter"),
        ({"files": template, "data": {"template": json.dumps(THEIRS.tolist())}}, "template"),
        ({"files": template | adapter | {"photos": jpeg}}, "template"),
        ({"files": adapter}, "photos"),
    ):
        answer = client.post(URL, **form)
        assert answer.status_code == 422, answer.text
        assert answer.json()["error"]["field"] == field


def test_where_photos_alone_are_taken_the_cure_names_the_other_endpoint(serve, jpeg) -> None:
    client = serve(worker=None).client
    for form in ({"files": {"face_image": jpeg, "template": npy(OWN)}}, {"data": {"adapter": "arcface"}}):
        answer = client.post("/api/v1/generate-identity-body", **form)
        assert answer.status_code == 422
        assert URL in answer.json()["error"]["cure"]


def test_nothing_of_a_template_stays_or_is_logged(serve, tmp_path, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    text = json.dumps(THEIRS.tolist())
    served = serve()
    for data in ({"template": text}, {"request": json.dumps({"template": THEIRS.tolist()})}):
        job = served.job(files={"adapter": saved(tmp_path).read_bytes()}, data=data)
        assert served.over(job["id"])["state"] == "done"
    served.client.post(URL, data={"template": text.replace("]", ", 1]")})
    text_mark, packed_mark = str(THEIRS[5].item()), base64.b64encode(THEIRS.tobytes()[300:360]).decode()
    assert text_mark not in caplog.text and packed_mark not in caplog.text
    marks = (text_mark.encode(), packed_mark.encode(), THEIRS.tobytes()[300:360])
    until = time.monotonic() + PATIENCE
    while any(mark in file.read_bytes() for file in tmp_path.glob("jobs.db*") for mark in marks):
        assert time.monotonic() < until, "what a job held is still in its store"
        time.sleep(0.05)


def test_adapters_of_the_settings_are_read_before_anything_is_served(serve, tmp_path) -> None:
    with pytest.raises(WeightsMissing) as missing:
        serve(template_adapters=(("arcface", tmp_path / "nothing.safetensors"),))
    assert "nothing.safetensors" in missing.value.message
    with pytest.raises(RequestError) as elsewhere:
        serve(template_adapters=(("arcface", saved(tmp_path, bent(target="antelopev2"))),))
    assert "antelopev2" in elsewhere.value.message
    told = ServiceSettings.from_environment({"INSTANTID_TEMPLATE_ADAPTERS": f"arcface:{saved(tmp_path)}"})
    serve(template_adapters=told.template_adapters)


def test_an_archive_is_not_unpacked_without_an_end(serve) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(2**28))
    assert len(buffer.getvalue()) < 2**20
    assert serve(worker=None).client.post(URL, files={"template": buffer.getvalue()}).status_code == 422
