"""Loading, ready, failed; plain SDXL in InstantID's place; figures and logs."""

import json
import logging
import sys
import threading
import time

import pytest
from PIL import Image

from api.logs import JsonLines
from errors import WeightsCorrupt, WeightsMissing
from generation.background import EngineRoom
from generation.request import GeneratedImage, GenerationResult, Progress

BODY = "/api/v1/generate-identity-body"


class Plain:
    """As `generation.plain.PlainEngine`, which has its own tests."""

    def generate(self, request, cancel):
        yield Progress("denoising", 0, 1)
        image = Image.new("RGB", (64, 64), "green")
        landmarks = Image.new("RGB", (64, 64))
        yield GenerationResult((GeneratedImage(image, 1),), {"seed": 1}, "tiny", 0.1, (), landmarks, ("Nobody.",))


def failing(error: Exception) -> EngineRoom:
    def load(told):
        raise error

    room = EngineRoom(load)
    room.start(wait=True)
    return room


CORRUPT = WeightsCorrupt("ip-adapter.bin is not what it should be.", field="ip-adapter.bin")


def test_alive_while_loading_and_ready_after(serve, engine, jpeg) -> None:
    go = threading.Event()

    def load(told):
        go.wait(60)
        return engine

    room = EngineRoom(load)
    room.start()
    served = serve(room=room)
    assert served.client.get("/healthz").text == "live"
    ready = served.client.get("/readyz")
    assert (ready.status_code, ready.json()["state"]) == (503, "loading")
    assert "retry-after" in ready.headers
    assert served.client.post("/api/v1/faces", files={"photos": jpeg}).status_code == 503
    job = served.job(files={"photos": jpeg})
    assert served.client.get(job["url"]).json()["state"] == "queued"
    go.set()
    assert served.over(job["id"])["state"] == "done"
    ready = served.client.get("/readyz")
    assert (ready.status_code, ready.json()["state"]) == (200, "ready")


@pytest.mark.parametrize("error", [CORRUPT, WeightsMissing("InstantID is not here.")])
def test_without_instantid_nothing_is_made_unless_allowed(serve, jpeg, error) -> None:
    served = serve(room=failing(error))
    answer = served.client.post(BODY, files={"face_image": jpeg})
    assert answer.status_code == 503
    assert error.message in answer.json()["error"]["message"]
    ready = served.client.get("/readyz")
    assert (ready.status_code, ready.json()["state"]) == (503, "failed")


def test_the_fallback_is_never_silent(serve, jpeg) -> None:
    served = serve(room=failing(CORRUPT), load_plain=Plain)
    answer = served.client.post(BODY, files={"face_image": jpeg}, data={"gender": "male", "analysis": "local"}).json()
    assert answer["method"] == "sdxl_fallback"
    assert CORRUPT.message in answer["note"]
    assert "Nobody." in answer["note"]
    assert answer["images"][0]["identity_score"] is None
    assert served.client.get(answer["images"][0]["url"]).status_code == 200
    ready = served.client.get("/readyz").json()
    assert (ready["state"], ready["method"]) == ("ready", "sdxl_fallback")


def test_callers_are_told_which_file_is_missing_and_not_where(serve, jpeg) -> None:
    lost = WeightsMissing("realvisxl: unet/model.safetensors is not in /srv/secret/models/realvisxl.")
    told = "realvisxl: unet/model.safetensors is not in realvisxl."
    served = serve(room=failing(lost))
    assert served.client.get("/readyz").json()["reason"] == told
    for path, name in (("generate", "photos"), ("faces", "photos"), ("generate-identity-body", "face_image")):
        refused = served.client.post(f"/api/v1/{path}", files={name: jpeg})
        assert refused.status_code == 503
        assert "secret" not in refused.text
    fallen = serve(room=failing(lost), load_plain=Plain)
    made = fallen.client.post(BODY, files={"face_image": jpeg})
    assert told in made.json()["note"]
    assert "secret" not in made.text


def test_a_job_that_was_cut_off_is_counted_and_logged(serve, jpeg, caplog) -> None:
    first = serve(worker=None)
    job = first.job(files={"photos": jpeg})
    assert first.service.store.claim("test", 600).id == job["id"]
    with caplog.at_level(logging.INFO):
        served = serve(worker="test")
    assert served.client.get(job["url"]).json()["error"]["code"] == "interrupted"
    assert served.service.metrics.jobs.labels("generate", "interrupted")._value.get() == 1
    told = [line for line in map(JsonLines().format, caplog.records) if "interrupted" in line]
    assert len(told) == 1
    assert json.loads(told[0])["kind"] == "generate"


def test_a_fallback_that_fails_too_is_a_failure(serve, jpeg) -> None:
    def broken():
        raise WeightsMissing("There is no base either.")

    served = serve(room=failing(CORRUPT), load_plain=broken)
    answer = served.client.post(BODY, files={"face_image": jpeg})
    assert answer.status_code == 503


def test_figures_tell_of_requests_and_jobs(serve, jpeg) -> None:
    served = serve()
    assert served.client.post(BODY, files={"face_image": jpeg}).status_code == 200
    served.client.get("/api/v1/nothing/secret-words")
    page = served.client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    for line in (
        f'instantid_requests_total{{method="POST",route="{BODY}",status="200"}} 1.0',
        'instantid_jobs_ended_total{kind="identity-body",outcome="done"} 1.0',
        'instantid_jobs{state="done"} 1.0',
        'instantid_state{state="ready"} 1.0',
        "instantid_queue_limit 32.0",
    ):
        assert line in page.text, line
    assert "secret-words" not in page.text


def test_figures_tell_of_jobs_that_never_ran(serve, jpeg) -> None:
    go = threading.Event()

    def load(told):
        go.wait(60)
        raise WeightsMissing("InstantID is not here.")

    room = EngineRoom(load)
    room.start()
    served = serve(room=room)
    late = served.client.post("/api/v1/generate", files={"photos": jpeg}, params={"deadline": "0.2"}).json()
    gone = served.job(files={"photos": jpeg})
    for _ in range(2):
        served.client.delete(f"/api/v1/jobs/{gone['id']}")
    assert served.over(late["id"])["state"] == "failed"
    late_line = 'instantid_jobs_ended_total{kind="generate",outcome="deadline_exceeded"} 1.0'
    until = time.monotonic() + 10  # a job is over a moment before it is counted
    while late_line not in (page := served.client.get("/metrics").text) and time.monotonic() < until:
        time.sleep(0.02)
    go.set()
    assert late_line in page
    assert 'instantid_jobs_ended_total{kind="generate",outcome="canceled"} 1.0' in page


def test_alive_is_told_to_those_who_ask_for_the_head_alone(serve) -> None:
    assert serve(worker=None).client.head("/healthz").status_code == 200


def test_logs_hold_nothing_of_anybody(serve, jpeg, caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        served = serve()
        answer = served.client.post(
            BODY,
            files={"face_image": ("my_secret_name.jpg", jpeg)},
            data={"clothing": "a chartreuse kimono", "ethnicity": "Ruritanian"},
            headers={"Authorization": "Bearer token-of-mine", "X-Forwarded-For": "203.0.113.9"},
        )
        assert answer.status_code == 200
        served.client.post(BODY, files={"face_image": b"broken"}, params={"note": "query-words"})
    ours = [
        record for record in caplog.records if record.name.startswith(("instantid", "api", "generation", "uvicorn"))
    ]
    lines = [JsonLines().format(record) for record in ours]
    told = [json.loads(line) for line in lines]
    seed = str(answer.json()["images"][0]["seed"])
    for secret in ("secret_name", "chartreuse", "Ruritanian", "token-of-mine", "query-words", "203.0.113.9", seed):
        assert not any(secret in line for line in lines), secret
    requests = [one for one in told if one["event"] == "request"]
    assert {one["status"] for one in requests} >= {200, 422}
    assert all(one["route"] == BODY for one in requests if one["method"] == "POST")
    assert any(one["event"] == "job" and one["outcome"] == "done" for one in told)


def test_an_error_is_logged_by_kind_and_place_alone() -> None:
    try:
        raise ValueError("words of a prompt")
    except ValueError:
        record = logging.LogRecord("api", logging.ERROR, "x", 1, "A job failed.", None, sys.exc_info())
    line = JsonLines().format(record)
    assert "ValueError" in line
    assert "test_states.py" in line
    assert "words of a prompt" not in line
