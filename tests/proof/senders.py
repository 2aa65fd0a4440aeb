"""Clients as they should be: a key with every request, and the same request again until it is answered."""

import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing

import httpx2
from sqlalchemy import create_engine, text

from outputs.metadata import read_settings
from tests.proof.conftest import PATIENCE, PHOTO, QUICK

WAIT = 0.5
LONGEST_WAIT = 1.0
"""Seconds before a request is sent again, whatever Retry-After says: the tests are in a hurry."""

COUNTED = {
    "sqlite": (
        "CREATE TABLE runs (job INTEGER)",
        """CREATE TRIGGER note_runs AFTER UPDATE OF state ON jobs WHEN NEW.state = 'running' AND OLD.state <> 'running'
        BEGIN INSERT INTO runs VALUES (NEW.number); END""",
    ),
    "postgresql": (
        "CREATE TABLE runs (job INTEGER)",
        """CREATE FUNCTION note_run() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO runs VALUES (NEW.number); RETURN NEW; END $$""",
        """CREATE TRIGGER note_runs AFTER UPDATE OF state ON jobs FOR EACH ROW
        WHEN (NEW.state = 'running' AND OLD.state <> 'running') EXECUTE FUNCTION note_run()""",
    ),
}
"""What makes a database itself keep a list of every run that begins, beside all that the service says."""


class Senders:
    """Several clients that share a list of wishes. Each wish is sent under a key of its own, again and again until it
    is accepted, and watched to its end; one that was interrupted is sent once more, under a new key.

    Attributes:
        jobs: key -> ids that answers gave for it.
        codes: key -> how its job ended: "done" or the code of its failure.
        pictures: seed -> the picture that was fetched in the end.
        statuses: of all answers. broken: requests that ended without an answer, by their method.
        wrong: what no client should meet.
    """

    def __init__(self, address: str, wishes: int, clients: int, steps: int) -> None:
        self.jobs: dict[str, set[str]] = {}
        self.codes: dict[str, str] = {}
        self.pictures: dict[int, bytes] = {}
        self.statuses: Counter[int] = Counter()
        self.broken: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._address = address
        self._steps = str(steps)
        self._sending = 0
        self._open = list(reversed(range(wishes)))
        self._lock = threading.Lock()
        self._own = threading.local()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def unsent(self) -> int:
        """Wishes that no client has taken up yet."""
        return len(self._open)

    def accepted(self) -> int:
        return len(self.jobs)

    def until_sending(self, accepted: int) -> None:
        """Waits until so many wishes are accepted, and another request for pictures is on its way."""
        end = time.monotonic() + PATIENCE
        while self.accepted() < accepted or not self._sending:
            assert time.monotonic() < end and not self.wrong, (self.accepted(), self.statuses, self.wrong)
            time.sleep(0.002)

    def join(self) -> None:
        end = time.monotonic() + 2 * PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
            assert not thread.is_alive(), (self.codes, self.statuses, self.wrong)

    def _work(self) -> None:
        with httpx2.Client(base_url=self._address, timeout=PATIENCE, trust_env=False) as self._own.client:
            while True:
                with self._lock:
                    if not self._open:
                        return
                    seed = self._open.pop()
                try:
                    self._fulfil(seed)
                except Exception as error:
                    self.wrong.append(f"{seed}: {error!r}")
                    raise

    def _fulfil(self, seed: int) -> None:
        for attempt in range(10):
            key = f"wish-{seed}-{attempt}"
            job = self._send(seed, key)
            # half of them ask twice: a second answer to the same key names the same job
            if seed % 2:
                assert self._send(seed, key)["id"] == job["id"]
            job = self._until_over(job["id"])
            self.codes[key] = "done" if job["state"] == "done" else job["error"]["code"]
            if job["state"] == "done":
                self.pictures[seed] = self._ask("GET", f"/api/v1/jobs/{job['id']}/images/0", {200}).content
                return
            assert self.codes[key] == "interrupted", job
        raise AssertionError("interrupted ten times")

    def _send(self, seed: int, key: str) -> dict:
        wish = {
            "data": QUICK | {"steps": self._steps, "seed": str(seed)},
            "files": {"photos": ("me.jpg", PHOTO, "image/jpeg")},
            "headers": {"Idempotency-Key": key},
        }
        job = self._ask("POST", "/api/v1/generate", {202}, **wish).json()
        with self._lock:
            self.jobs.setdefault(key, set()).add(job["id"])
        return job

    def _until_over(self, job_id: str) -> dict:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            job = self._ask("GET", f"/api/v1/jobs/{job_id}", {200}).json()
            if job["state"] not in ("queued", "running"):
                return job
            time.sleep(WAIT)
        raise AssertionError(f"{job_id} is not over after {PATIENCE} s")

    def _ask(self, method: str, path: str, wanted: Iterable[int], **sent) -> httpx2.Response:
        """The answer, asked for until it is one of those wanted; connections may break and servers be away."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            wait = WAIT
            self._note(method, 1)
            try:
                answer = self._own.client.request(method, path, **sent)
            except httpx2.TransportError:
                with self._lock:
                    self.broken[method] += 1
            else:
                with self._lock:
                    self.statuses[answer.status_code] += 1
                if answer.status_code in wanted:
                    return answer
                assert answer.status_code in (429, 500, 502, 503), (answer.status_code, answer.text)
                wait = min(LONGEST_WAIT, float(answer.headers.get("retry-after", WAIT)))
            finally:
                self._note(method, -1)
            time.sleep(wait)
        raise AssertionError(f"{method} {path} was not answered for {PATIENCE} s: {self.statuses}")

    def _note(self, method: str, more: int) -> None:
        if method == "POST":
            with self._lock:
                self._sending += more


class Runs:
    """The job store's database, asked directly what was run in it."""

    def __init__(self, address: str) -> None:
        self._engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"))

    def count(self) -> None:
        """From now on the database keeps a list."""
        with self._engine.begin() as connection:
            for statement in COUNTED[self._engine.dialect.name]:
                connection.execute(text(statement))

    def told(self) -> tuple[Counter[str], Counter[int], int]:
        """State or failure's code -> jobs; times that a job was begun -> jobs; keys in the store."""
        with closing(self._engine.connect()) as connection:
            ends = connection.execute(text("SELECT coalesce(code, state) FROM jobs")).scalars().all()
            begun = connection.execute(text("SELECT count(*) FROM runs GROUP BY job")).scalars().all()
            keys = connection.execute(text("SELECT count(DISTINCT key) FROM jobs")).scalar_one()
        return Counter(ends), Counter(begun), keys

    def running(self) -> int:
        """Jobs that run just now."""
        with closing(self._engine.connect()) as connection:
            return connection.execute(text("SELECT count(*) FROM jobs WHERE state = 'running'")).scalar_one()

    def close(self) -> None:
        self._engine.dispose()


def check(senders: Senders, runs: Runs, wishes: int, kills: int) -> str:
    """Nothing was lost and nothing doubled; the figures in one line."""
    assert senders.wrong == []
    ends, begun, keys = runs.told()
    interrupted = sorted(key for key, code in senders.codes.items() if code == "interrupted")
    # nothing lost: every wish has its picture, and it is its own
    assert sorted(senders.pictures) == list(range(wishes))
    for seed, picture in senders.pictures.items():
        settings = read_settings(picture)
        assert settings is not None
        assert settings["seed"] == seed
    # nothing doubled: a key is a job, whatever its client met; a job is begun once
    assert all(len(ids) == 1 for ids in senders.jobs.values())
    assert keys == sum(ends.values()) == len(senders.jobs) == wishes + len(interrupted)
    assert begun == {1: len(senders.jobs)}
    # a kill costs what ran, and that is told
    assert ends == Counter(done=wishes, interrupted=len(interrupted)) - Counter()
    assert len(interrupted) <= kills
    return (
        f"{wishes} wishes, {kills} kills, {sum(senders.statuses.values())} answers {dict(senders.statuses)}, "
        f"{dict(senders.broken)} without an answer: {keys} jobs, {len(interrupted)} interrupted, each begun once"
    )
