"""A process of the tests: `python -m tests.store.worker ADDRESS NAME WHAT`, speaking in lines."""

import sys
import time

from api.store import JobStore
from errors import QueueFull


def drain(store: JobStore, name: str) -> None:
    """Runs jobs to their end until none waits; prints the id of each."""
    while job := store.claim(name, 60):
        assert job.photos["face_image"] == job.request["text"].encode() * 1000
        assert store.progress(job.id, name, 1, 1) == "running"
        assert store.finish(job.id, name, {"by": name}, [b"picture"])
        print(job.id, flush=True)


def hang(store: JobStore, name: str) -> None:
    """Claims one job, says so and never ends it."""
    job = store.claim(name, 3600)
    print(job.id if job else "nothing", flush=True)
    time.sleep(3600)


def ask(store: JobStore, name: str) -> None:
    """Submits a job a line; prints its id and whether it is new."""
    for number, line in enumerate(sys.stdin):
        try:
            job, created = store.submit(
                "ann", "generate", {"n": number}, {}, key=line.strip() or None, limit=40 if not line.strip() else 100
            )
            print(job.id, created, flush=True)
        except QueueFull:
            print("full", flush=True)


if __name__ == "__main__":
    address, name, what = sys.argv[1:]
    print("started", flush=True)
    sys.stdin.readline()
    {"drain": drain, "hang": hang, "ask": ask}[what](JobStore(address), name)
