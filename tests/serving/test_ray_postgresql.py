"""Two doors and two engines over a real PostgreSQL, some of which are killed while clients send."""

import os
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests import postgresql
from tests.proof.senders import Runs, Senders, check
from tests.serving.conftest import PATIENCE, deploying

WISHES, CLIENTS, STEPS = 20, 6, 60
WAITING = 4


@pytest.mark.slow
def test_doors_and_engines_share_a_postgresql_and_may_be_killed(tmp_path: Path) -> None:
    with (
        postgresql.running() as jobs,
        deploying(tmp_path, jobs, doors=2, engines=2, queue_limit=WAITING) as deployed,
    ):
        doors, engines = deployed.processes("Door"), deployed.processes("Engine")
        assert (len(doors), len(engines)) == (2, 2)
        runs = Runs(jobs)
        runs.count()
        senders = Senders(deployed.address, WISHES, CLIENTS, STEPS)
        senders.start()
        for number, victim in enumerate((engines[0], doors[0], engines[1])):
            until = time.monotonic() + PATIENCE
            while runs.running() < 2 or senders.accepted() < 4 * (number + 1):
                assert time.monotonic() < until and not senders.wrong, senders.wrong
                time.sleep(0.05)
            assert senders.unsent > 0
            os.kill(victim.pid, signal.SIGKILL)
        senders.join()
        print(check(senders, runs, WISHES, kills=2))
        runs.close()
        # both were at work, and so was at least one that came in their place
        assert _workers(jobs) >= 3
        assert "interrupted" in senders.codes.values()
        until = time.monotonic() + PATIENCE
        while (len(deployed.processes("Door")), len(deployed.processes("Engine"))) != (2, 2):
            assert time.monotonic() < until
            time.sleep(0.5)
        assert not {one.pid for one in (doors[0], *engines)} & {
            one.pid for name in ("Door", "Engine") for one in deployed.processes(name)
        }


def _workers(jobs: str) -> int:
    """How many engines took jobs from the store."""
    engine = create_engine(jobs.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        count = connection.execute(text("SELECT count(DISTINCT worker) FROM jobs")).scalar_one()
    engine.dispose()
    return count
