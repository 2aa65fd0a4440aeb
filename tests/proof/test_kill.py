"""kill -9 of the server under load: nothing is lost, nothing is done twice."""

import time
from pathlib import Path

from tests.proof.conftest import QUICK, SLOW, free_port, serving, state, submit, until_over


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
        # those were all that ran in this life, and once each; the one that was cut off is counted as such
        ended = {
            name: count for name, count in after.metrics().items() if name.startswith("instantid_jobs_ended_total")
        }
        assert sum(ended.values()) == 6
        assert [count for name, count in ended.items() if 'outcome="interrupted"' in name] == [1]
        assert client.get(state(client, done)["result"]["images"][0]["url"]).content.startswith(b"\x89PNG")
        assert client.get(over[4]["result"]["images"][0]["url"]).content.startswith(b"\x89PNG")
