"""Many clients at once, at the queue's limit and past it: as many as may wait are served, the others are told."""

import threading
import time
from collections import Counter

import httpx2

from tests.proof.conftest import QUICK, SLOW, Served, submit, until_over

AT_ONCE = 1.0
"""Seconds, generous: what is refused is not opened."""


def seconds_until_refused(client: httpx2.Client) -> float:
    began = time.perf_counter()
    assert submit(client, QUICK).status_code == 429
    return time.perf_counter() - began


def test_clients_past_the_limit_are_refused_at_once_and_the_others_served_in_order(served: Served) -> None:
    with served.client() as client:
        first = submit(client, SLOW).json()["id"]
        while client.get(f"/api/v1/jobs/{first}").json()["state"] != "running":
            time.sleep(0.05)
        answers: list[tuple[int, dict, str | None]] = []
        start = threading.Barrier(14)

        def ask(number: int) -> None:
            with served.client() as own:
                own.get("/healthz")
                start.wait()
                answer = submit(own, QUICK | {"seed": str(number)})
                answers.append((answer.status_code, answer.json(), answer.headers.get("retry-after")))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(14)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(status for status, *_ in answers) == {202: 8, 429: 6}
        refused = [one for one in answers if one[0] == 429]
        assert {body["error"]["code"] for _, body, _ in refused} == {"queue_full"}
        assert min(seconds_until_refused(client) for _ in range(3)) < AT_ONCE
        assert all(after is not None and int(after) >= 1 for *_, after in refused)
        assert client.get("/readyz").json()["state"] == "busy"
        ids = [body["id"] for status, body, _ in answers if status == 202]
        positions = {one: client.get(f"/api/v1/jobs/{one}").json()["position"] for one in ids}
        assert sorted(positions.values()) == list(range(8))
        client.delete(f"/api/v1/jobs/{first}")
        over = {one: until_over(client, one) for one in ids}
        assert {job["state"] for job in over.values()} == {"done"}
        assert client.get("/readyz").json()["state"] == "ready"
    by_end = sorted(over, key=lambda one: over[one]["finished"])
    assert by_end == sorted(ids, key=positions.__getitem__)
