"""kill -9 of the server again and again while clients send: no wish is lost, no job is made or run twice."""

import time
from pathlib import Path

from tests.proof.conftest import free_port, serving
from tests.proof.senders import Runs, Senders, check

WISHES, CLIENTS, STEPS = 30, 6, 6
KILLS = 3
ACCEPTED = 4
"""Jobs that each life of the server takes before it is killed."""
WAITING = 4
AFTER = (0.0, 0.02, 0.06)
"""Seconds from the moment at which a request is on its way to the kill: photos are read, then a job is made."""


def test_a_server_killed_while_clients_send_loses_and_doubles_nothing(tmp_path: Path) -> None:
    port = free_port()
    senders = Senders(f"http://127.0.0.1:{port}", WISHES, CLIENTS, STEPS)
    runs = Runs(f"sqlite:///{tmp_path / 'jobs.db'}")
    for life in range(KILLS + 1):
        before = senders.accepted()
        with serving(tmp_path, port, queue_limit=str(WAITING)) as server:
            if life == 0:
                runs.count()
                senders.start()
            if life == KILLS:
                senders.join()
            else:
                senders.until_sending(before + ACCEPTED)
                assert senders.unsent > 0
                time.sleep(AFTER[life])
                server.kill()
    print(check(senders, runs, WISHES, KILLS))
    # some clients were cut off, some found the queue full, and none met anything else
    assert senders.broken["POST"] >= 1
    assert set(senders.statuses) <= {200, 202, 429, 503}
    runs.close()
