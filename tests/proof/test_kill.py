"""kill -9 of the server under load: nothing is lost, nothing is done twice."""

import threading
import time
from pathlib import Path

import httpx2

from tests.proof.conftest import PATIENCE, QUICK, SLOW, free_port, serving, state, submit, until_over


def test_a_killed_server_loses_the_running_job_alone(tmp_path: Path) -> None:
    port = free_port()
    keys = [f"client-{number}" for number in range(5)]
    with serving(tmp_path, port) as before, before.client() as client:
        done = submit(client, QUICK, key="before").json()["id"]
        assert until_over(client, done)["state"] == "done"
        running = submit(client, SLOW, key="running").json()["id"]
        while state(client, running)["state"] == "queued":
            time.sleep(0.05)
        ids = [submit(client, QUICK | {"seed": str(number)}, key=key).json()["id"] for number, key in enumerate(keys)]
        before.kill()
    with serving(tmp_path, port) as after, after.client() as client:
        lost = state(client, running)
        assert (lost["state"], lost["error"]["code"]) == ("failed", "interrupted")
        # every client sends its request again, as after a broken connection: each finds the job that it had
        again = [submit(client, QUICK | {"seed": str(number)}, key=key).json()["id"] for number, key in enumerate(keys)]
        assert again == ids
        over = [until_over(client, one) for one in ids]
        assert [job["state"] for job in over] == ["done"] * 5
        assert [job["result"]["images"][0]["seed"] for job in over] == list(range(5))
        # those were all that ran in this life, and once each
        ended = {
            name: count for name, count in after.metrics().items() if name.startswith("instantid_jobs_ended_total")
        }
        assert sum(ended.values()) == 5
        assert client.get(state(client, done)["result"]["images"][0]["url"]).content.startswith(b"\x89PNG")
        assert client.get(over[4]["result"]["images"][0]["url"]).content.startswith(b"\x89PNG")


def test_a_server_killed_while_clients_send_answers_for_every_202(tmp_path: Path) -> None:
    port = free_port()
    accepted: dict[str, str] = {}
    stop = threading.Event()

    def send(name: str) -> None:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False) as client:
            for number in range(200):
                if stop.is_set():
                    return
                key = f"{name}-{number}"
                try:
                    answer = submit(client, QUICK | {"steps": "1", "seed": str(number)}, key=key)
                except httpx2.TransportError:
                    return
                if answer.status_code == 202:
                    accepted[key] = answer.json()["id"]

    with serving(tmp_path, port, queue_limit="100") as before:
        threads = [threading.Thread(target=send, args=(f"client{one}",)) for one in range(3)]
        for thread in threads:
            thread.start()
        while len(accepted) < 12:
            time.sleep(0.05)
        before.kill()
        stop.set()
        for thread in threads:
            thread.join()
    with serving(tmp_path, port, queue_limit="100") as after, after.client() as client:
        states = [until_over(client, one) for one in accepted.values()]
        assert len(set(accepted.values())) == len(accepted)
        assert {job["state"] for job in states} <= {"done", "failed"}
        failed = [job for job in states if job["state"] == "failed"]
        assert len(failed) <= 1
        assert all(job["error"]["code"] == "interrupted" for job in failed)
