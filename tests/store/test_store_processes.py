"""Several processes at once, and processes that die: nothing is lost, nothing is done twice."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.store import JobStore
from errors import QueueFull

ROOT = Path(__file__).parents[2]


@contextmanager
def workers(address: str, what: str, number: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that have imported everything and wait for their first line."""
    command = [sys.executable, "-m", "tests.store.worker", address]
    started = [
        subprocess.Popen(
            [*command, f"worker{one}", what], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for one in range(number)
    ]
    try:
        assert [line(one) for one in started] == ["started"] * number
        yield started
    finally:
        for one in started:
            one.kill()
            one.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def at_once(processes: list[subprocess.Popen[str]], text: str = "\n") -> list[list[str]]:
    """Lets all of them go; what each printed until it ended by itself."""
    for process in processes:
        assert process.stdin
        process.stdin.write(text)
        process.stdin.close()
    printed = []
    for process in processes:
        assert process.stdout
        printed.append(process.stdout.read().split("\n")[:-1])
        assert process.wait(60) == 0
        process.stdin = None
    return printed


def submit(store: JobStore, number: int) -> str:
    text = f"photo {number} "
    return store.submit("ann", "generate", {"text": text}, {"face_image": text.encode() * 1000}, limit=1000)[0].id


def test_four_processes_run_every_job_once(address: str, store: JobStore) -> None:
    submitted = [submit(store, number) for number in range(40)]
    with workers(address, "drain", 4) as processes:
        done = at_once(processes)
    assert Counter(job for printed in done for job in printed) == Counter(submitted)
    assert store.counts()["done"] == 40
    # each by itself took them in the order in which they came
    order = {job: place for place, job in enumerate(submitted)}
    for printed in done:
        assert [order[job] for job in printed] == sorted(order[job] for job in printed)


def test_a_hundred_races_for_a_key(address: str) -> None:
    with workers(address, "ask", 3) as processes:
        answers = at_once(processes, "\n" + "".join(f"key-{number}\n" for number in range(100)))
    for race in zip(*answers, strict=True):
        assert len({answer.split()[0] for answer in race}) == 1, race
        assert sorted(answer.split()[1] for answer in race) == ["False", "False", "True"]
    assert len({answer.split()[0] for answer in answers[0]}) == 100
    store = JobStore(address)
    assert store.counts()["queued"] == 100
    store.close()


def test_the_limit_holds_for_all_processes_together(address: str) -> None:
    with workers(address, "ask", 4) as processes:
        answers = [answer for printed in at_once(processes, "\n" * 21) for answer in printed]
    assert Counter(answer == "full" for answer in answers) == {False: 40, True: 40}
    assert len({answer for answer in answers if answer != "full"}) == 40


def test_threads_of_one_store_race_for_a_limit(store: JobStore) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(12)

    def ask() -> None:
        start.wait()
        try:
            store.submit("ann", "generate", {}, {}, limit=7)
            outcomes.append("in")
        except QueueFull:
            outcomes.append("full")

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(outcomes) == {"in": 7, "full": 5}


@pytest.mark.parametrize("how", ["its name starts anew", "its lease ends"])
def test_a_killed_worker_loses_its_job_and_no_other(address: str, store: JobStore, how: str) -> None:
    submitted = [submit(store, number) for number in range(6)]
    with workers(address, "hang", 1) as (process,):
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
        assert line(process) == submitted[0]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert store.counts()["running"] == 1
    if how == "its lease ends":
        assert store.recover() == 0
        assert store.claim("late", 0.0).id == submitted[1]
        assert store.recover() == 1
        survivors = submitted[2:]
    else:
        survivors = submitted[1:]
    assert store.recover("worker0") == 1
    killed = store.get(submitted[0], "ann")
    assert killed is not None
    assert (killed.state, killed.code) == ("failed", "interrupted")
    with workers(address, "drain", 2) as processes:
        done = at_once(processes)
    assert Counter(job for printed in done for job in printed) == Counter(survivors)
    assert store.counts() == {
        "queued": 0, "running": 0, "canceled": 0, "done": len(survivors), "failed": 6 - len(survivors)
    }  # fmt: skip


def test_killed_at_any_moment_nothing_is_lost_or_doubled(address: str, store: JobStore) -> None:
    submitted = [submit(store, number) for number in range(30)]
    told: list[str] = []
    for life in range(4):
        with workers(address, "drain", 1) as (process,):
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
            told += [line(process) for _ in range(life + 1)]
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout
            told += process.stdout.read().split()
        store.recover("worker0")
    states = Counter(job.state for one in submitted if (job := store.get(one, "ann")))
    assert states["running"] == 0
    assert states["queued"] + states["done"] + states["failed"] == 30
    assert states["failed"] <= 4
    # whatever was told is done, and told once
    assert len(set(told)) == len(told)
    states_told = {job.state for one in told if (job := store.get(one, "ann"))}
    assert states_told == {"done"}
