"""Jobs over HTTP: progress, pictures, cancelling, idempotency, owners, a full queue, deadlines, restarts."""

import concurrent.futures
import io
import json
import time

import pytest
from PIL import Image

from api.keys import new_key
from generation.background import EngineRoom
from generation.request import GenerationResult, Progress

URL = "/api/v1/generate"
BODY = "/api/v1/generate-identity-body"


class SlowEngine:
    """The toy engine, whose runs begin with steps of a tenth of a second that can be cancelled."""

    def __init__(self, engine, steps: int = 1000) -> None:
        self.profile, self.analyzer, self.styles = engine.profile, engine.analyzer, engine.styles
        self.prepare = engine.prepare
        self._engine = engine
        self._steps = steps
        self.stepped = 0
        self.runs = 0

    def generate(self, request, cancel):
        from errors import Cancelled

        self.runs += 1
        for step in range(self._steps):
            if cancel.is_set():
                raise Cancelled("The run was stopped.")
            self.stepped += 1
            time.sleep(0.1)
            yield Progress("denoising", step + 1, self._steps, (Image.new("RGB", (64, 64), (step % 256, 0, 0)),))
        yield from self._engine.generate(request, cancel)


def room_of(engine) -> EngineRoom:
    room = EngineRoom(lambda told: engine)
    room.start(wait=True)
    return room


def until(true, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_whole_request_becomes_a_job_with_pictures(serve, jpeg) -> None:
    served = serve()
    job = served.job(
        files=[("photos", jpeg), ("photos", jpeg)],
        data={"prompt": "in a blue hoodie", "request": json.dumps({"seed": 7, "count": 2, "view": "front"})},
    )
    assert job["state"] == "queued"
    over = served.over(job["id"])
    assert over["state"] == "done", over
    assert over["result"]["method"] == "instantid"
    assert over["result"]["settings"]["prompt"] == "in a blue hoodie"
    assert [image["seed"] for image in over["result"]["images"]] == [7, 8]
    picture = served.client.get(over["result"]["images"][1]["url"])
    assert Image.open(io.BytesIO(picture.content)).format == "PNG"
    assert served.client.get(f"/api/v1/jobs/{job['id']}/images/2").status_code == 404


def test_the_same_pictures_come_over_http_as_from_the_engine(serve, engine, photo) -> None:
    from generation.request import GenerationRequest
    from tests.api.conftest import encoded

    served = serve()
    job = served.job(files={"photos": encoded(photo)}, data={"seed": "11", "prompt": "x"})
    image = served.over(job["id"])["result"]["images"][0]
    made = Image.open(io.BytesIO(served.client.get(image["url"]).content))
    *_, result = engine.generate(GenerationRequest(photos=(photo,), prompt="x", seed=11))
    assert isinstance(result, GenerationResult)
    assert made.tobytes() == result.images[0].image.tobytes()


def test_events_tell_of_progress_previews_and_the_end(serve, engine, jpeg) -> None:
    served = serve(room=room_of(SlowEngine(engine, steps=8)))
    job = served.job(files={"photos": jpeg})
    names, last = [], {}
    with served.client.stream("GET", f"/api/v1/jobs/{job['id']}/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        for line in events.iter_lines():
            if line.startswith("event:"):
                names.append(line.partition(":")[2].strip())
            elif line.startswith("data:"):
                last = json.loads(line.partition(":")[2])
                if names[-1] == "preview":
                    assert last["image"].startswith("data:image/jpeg;base64,")
    assert "progress" in names
    assert "preview" in names
    assert names[-1] == "done"
    assert last["result"]["images"]
    with served.client.stream("GET", f"/api/v1/jobs/{job['id']}/events") as again:
        assert "event: done" in "".join(again.iter_lines())


def test_cancelling_stops_the_run_and_the_next_job_is_made(serve, engine, jpeg) -> None:
    slow = SlowEngine(engine)
    served = serve(room=room_of(slow))
    job = served.job(files={"photos": jpeg})
    waiting = served.job(files={"photos": jpeg})
    assert served.client.get(f"/api/v1/jobs/{waiting['id']}").json()["state"] == "queued"
    until(lambda: slow.stepped > 2)
    slow._steps = 1
    answer = served.client.delete(f"/api/v1/jobs/{job['id']}").json()
    steps = slow.stepped
    assert answer["state"] == "canceled"
    assert served.over(waiting["id"])["state"] == "done"
    assert slow.stepped <= steps + 2 + 1
    assert served.client.delete(f"/api/v1/jobs/{waiting['id']}").json()["state"] == "done"


def test_one_key_gives_one_run_however_often_it_is_sent(serve, engine, jpeg) -> None:
    slow = SlowEngine(engine, steps=5)
    served = serve(room=room_of(slow))

    def send(_: int) -> str:
        return served.job(files={"photos": jpeg}, data={"seed": "1"}, headers={"Idempotency-Key": "k"})["id"]

    with concurrent.futures.ThreadPoolExecutor(8) as many:
        ids = set(many.map(send, range(24)))
    assert len(ids) == 1
    served.over(ids.pop())
    assert slow.runs == 1
    other = served.client.post(URL, files={"photos": jpeg}, data={"seed": "2"}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 422
    assert other.json()["error"]["code"] == "idempotency_key_reused"
    assert served.client.post(URL, files={"photos": jpeg}, headers={"Idempotency-Key": "x" * 300}).status_code == 422


def test_past_the_limit_callers_are_told_when_to_come_back(serve, engine, jpeg) -> None:
    served = serve(worker=None, queue_limit=3)
    answers = [served.client.post(URL, files={"photos": jpeg}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 3 + [429] * 3
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].json()["error"]["code"] == "queue_full"
    ready = served.client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["state"] == "busy"
    positions = [served.client.get(answer.headers["location"]).json()["position"] for answer in answers[:3]]
    assert positions == [0, 1, 2]


def test_a_job_is_seen_by_its_owner_alone(serve, jpeg) -> None:
    (alice, first), (bob, second) = new_key("alice"), new_key("bob")
    served = serve(api_keys=tuple(tuple(entry.split(":")) for entry in (first, second)))
    mine, other = ({"Authorization": f"Bearer {key}"} for key in (alice, bob))
    job = served.client.post(URL, files={"photos": jpeg}, headers=mine).json()
    until(lambda: served.client.get(job["url"], headers=mine).json()["state"] == "done")
    for path in ("", "/events", "/images/0"):
        assert served.client.get(job["url"] + path, headers=mine).status_code == 200
        answer = served.client.get(job["url"] + path, headers=other)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"
    assert served.client.delete(job["url"], headers=other).status_code == 404


def test_a_deadline_counts_the_waiting_and_frees_the_engine(serve, engine, jpeg) -> None:
    slow = SlowEngine(engine)
    served = serve(room=room_of(slow))
    answer = served.client.post(BODY, params={"deadline": "1.5"}, files={"face_image": jpeg})
    assert answer.status_code == 504, answer.text
    assert answer.json()["error"]["code"] == "deadline_exceeded"
    steps = slow.stepped
    time.sleep(1.0)
    assert slow.stepped <= steps + 8
    slow._steps = 1
    assert served.client.post(BODY, files={"face_image": jpeg}).status_code == 200


@pytest.mark.parametrize("deadline", ["0", "-1", "nan", "inf", "1e9", "soon"])
def test_deadlines_without_meaning_are_refused(serve, jpeg, deadline) -> None:
    answer = serve(worker=None).client.post(URL, params={"deadline": deadline}, files={"photos": jpeg})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "deadline"


def test_an_error_of_the_engine_is_the_jobs_own(serve, engine, jpeg) -> None:
    from errors import OutOfMemory

    class Full(SlowEngine):
        def generate(self, request, cancel):
            if self.runs == 0:
                self.runs += 1
                raise OutOfMemory("The device ran out of memory.", cure="Ask for a smaller picture.")
            yield from self._engine.generate(request, cancel)

    served = serve(room=room_of(Full(engine)))
    answer = served.client.post(BODY, files={"face_image": jpeg})
    assert answer.status_code == 507
    assert served.client.post(BODY, files={"face_image": jpeg}).status_code == 200


def test_what_nobody_foresaw_is_told_without_its_text(serve, engine, jpeg, caplog) -> None:
    class Broken(SlowEngine):
        def generate(self, request, cancel):
            raise ValueError("secret words of the prompt")
            yield

    served = serve(room=room_of(Broken(engine)))
    answer = served.client.post(BODY, files={"face_image": jpeg})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert served.client.get("/readyz").json()["state"] == "ready"


def test_a_lost_accelerator_makes_the_service_unready(serve, engine, jpeg) -> None:
    class Dead(SlowEngine):
        def generate(self, request, cancel):
            raise RuntimeError("CUDA error: device-side assert triggered")
            yield

    served = serve(room=room_of(Dead(engine)))
    assert served.client.post(BODY, files={"face_image": jpeg}).status_code == 500
    assert served.client.get("/healthz").status_code == 200
    ready = served.client.get("/readyz")
    assert (ready.status_code, ready.json()["state"]) == (503, "failed")
    assert served.client.post(BODY, files={"face_image": jpeg}).status_code == 503


def test_stopping_fails_the_running_job_and_keeps_the_queue(serve, engine, jpeg) -> None:
    slow = SlowEngine(engine)
    served = serve(room=room_of(slow), grace=0.5)
    running, waiting = (served.job(files={"photos": jpeg})["id"] for _ in range(2))
    until(lambda: slow.stepped > 2)
    served.service.worker.stop(0.5)
    states = [served.client.get(f"/api/v1/jobs/{job}").json()["state"] for job in (running, waiting)]
    assert states == ["failed", "queued"]


def test_photos_are_gone_when_the_job_is_over(serve, jpeg, tmp_path) -> None:
    served = serve()
    job = served.job(files={"photos": jpeg}, data={"prompt": "x"})
    served.over(job["id"])

    def kept() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.glob("jobs.db*"))

    until = time.monotonic() + 10
    while jpeg[40:400] in kept():  # the log of changes is emptied right after the end was written
        assert time.monotonic() < until
        time.sleep(0.02)
