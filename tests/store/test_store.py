"""One process: what a job goes through, and what nobody can do to it."""

import time
from pathlib import Path

import pytest

from api.job import STATES, Job
from api.store import JobStore
from errors import KeyReused, QueueFull, RequestError, StoreUnavailable

PHOTO = bytes(range(256)) * 40
WISH = {"prompt": "on the beach \0 \ud83d", "seed": 2**32 - 1, "sizes": [1, 2.5, None]}


def submit(store: JobStore, owner: str = "ann", **changes) -> Job:
    wish = {"key": None, "deadline": None, "limit": 100} | changes
    job, _ = store.submit(owner, "generate", WISH, {"face_image": PHOTO, "pose": b"second"}, **wish)
    return job


def ended(store: JobStore, state: str) -> str:
    """The id of a job that came to this state."""
    job = submit(store)
    if state != "canceled":
        assert store.claim("w", 60)
    if state == "done":
        assert store.finish(job.id, "w", {"count": 1}, [b"one", b"two"])
    elif state == "failed":
        assert store.fail(job.id, "w", "out_of_memory", "too large")
    else:
        store.cancel(job.id, "ann")
    return job.id


def test_a_job_from_queue_to_result(store: JobStore) -> None:
    job = submit(store)
    assert (job.state, job.position, job.photos, job.images) == ("queued", 0, {}, 0)
    claimed = store.claim("w", 60)
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.request, claimed.worker) == (job.id, "running", WISH, "w")
    assert list(claimed.photos.items()) == [("face_image", PHOTO), ("pose", b"second")]
    assert store.progress(job.id, "w", 3, 20, 1.5, b"preview") == "running"
    assert store.progress(job.id, "w", 4, 20, 1.25, b"newer") == "running"
    seen = store.get(job.id, "ann")
    assert seen is not None
    assert (seen.step, seen.total, seen.seconds_left, seen.position) == (4, 20, 1.25, None)
    assert seen.changed > claimed.changed
    assert store.preview(job.id, "ann") == b"newer"
    assert store.finish(job.id, "w", {"identity": 0.5}, [b"first", b"second"])
    seen = store.get(job.id, "ann")
    assert seen is not None
    assert (seen.state, seen.result, seen.images, seen.over) == ("done", {"identity": 0.5}, 2, True)
    assert [store.image(job.id, "ann", number) for number in (0, 1, 2, -1)] == [b"first", b"second", None, None]
    assert store.preview(job.id, "ann") is None
    assert store.claim("w", 60) is None
    assert seen.created <= seen.started <= seen.finished
    assert store.typical_seconds() == pytest.approx(seen.finished - seen.started)


def test_first_come_first_served_and_positions(store: JobStore) -> None:
    submitted = [submit(store).id for _ in range(5)]
    store.cancel(submitted[1], "ann")
    positions = [job.position for one in submitted if (job := store.get(one, "ann"))]
    assert positions == [0, None, 1, 2, 3]
    claimed = [job.id for _ in range(4) if (job := store.claim("w", 60))]
    assert claimed == [submitted[number] for number in (0, 2, 3, 4)]


def test_ids_are_unguessable_and_never_alike(store: JobStore) -> None:
    found = {submit(store).id for _ in range(50)}
    assert len(found) == 50
    # 43 characters of 6 bits
    assert min(map(len, found)) >= 43


def test_another_owner_sees_and_does_nothing(store: JobStore) -> None:
    job = submit(store)
    store.claim("w", 60)
    store.progress(job.id, "w", 1, 2, None, b"preview")
    assert store.get(job.id, "bob") is store.cancel(job.id, "bob") is store.preview(job.id, "bob") is None
    store.finish(job.id, "w", {}, [b"picture"])
    assert store.image(job.id, "bob", 0) is None
    assert store.image(job.id, "ann", 0) == b"picture"


@pytest.mark.parametrize("state", ["done", "failed", "canceled"])
def test_final_states_are_final(store: JobStore, state: str) -> None:
    job_id = ended(store, state)
    before = store.get(job_id, "ann")
    assert before is not None
    assert before.state == state
    assert not store.finish(job_id, "w", {"other": 1}, [b"other"])
    assert not store.fail(job_id, "w", "other", "other")
    assert store.progress(job_id, "w", 9, 9) != "running"
    assert store.renew(job_id, "w") != "running"
    assert store.cancel(job_id, "ann") == before
    assert store.recover("w") == 0
    assert store.claim("w", 60) is None
    assert store.get(job_id, "ann") == before


def test_only_the_worker_of_a_job_ends_it(store: JobStore) -> None:
    job = submit(store)
    store.claim("w", 60)
    assert not store.finish(job.id, "other", {}, [])
    assert not store.fail(job.id, "other", "error", "no")
    assert store.progress(job.id, "other", 1, 2) != "running"
    seen = store.get(job.id, "ann")
    assert seen is not None
    assert (seen.state, seen.step) == ("running", 0)


def test_a_canceled_run_is_told_to_stop(store: JobStore) -> None:
    job = submit(store)
    store.claim("w", 60)
    assert store.progress(job.id, "w", 1, 9) == "running"
    canceled = store.cancel(job.id, "ann")
    assert canceled is not None
    assert canceled.state == "canceled"
    assert store.progress(job.id, "w", 2, 9) == "canceled"


def test_the_same_key_is_the_same_job(store: JobStore) -> None:
    first = submit(store, key="k")
    again, created = store.submit("ann", "generate", WISH, {"face_image": PHOTO, "pose": b"second"}, key="k", limit=1)
    assert (again.id, created) == (first.id, False)
    assert submit(store, owner="bob", key="k").id != first.id
    for kind, request, photos in (
        ("body", WISH, {"face_image": PHOTO, "pose": b"second"}),
        ("generate", WISH | {"seed": 1}, {"face_image": PHOTO, "pose": b"second"}),
        ("generate", WISH, {"face_image": PHOTO, "pose": b"another"}),
    ):
        with pytest.raises(KeyReused):
            store.submit("ann", kind, request, photos, key="k", limit=100)
    for unusable in ("", "k" * 256, "kü", "k\n", "\0"):
        with pytest.raises(RequestError):
            submit(store, key=unusable)


def test_a_full_queue_refuses_and_recovers(store: JobStore) -> None:
    for _ in range(3):
        submit(store, limit=3)
    with pytest.raises(QueueFull):
        submit(store, limit=3)
    store.claim("w", 60)
    submit(store, limit=3)
    assert store.counts() == dict.fromkeys(STATES, 0) | {"queued": 3, "running": 1}


def test_a_lease_that_ends_ends_the_job(store: JobStore) -> None:
    lost, kept = submit(store), submit(store)
    store.claim("gone", 0.3)
    store.claim("alive", 0.3)
    for _ in range(4):
        time.sleep(0.1)
        assert store.renew(kept.id, "alive") == "running"
    assert store.recover() == 1
    seen = store.get(lost.id, "ann")
    assert seen is not None
    assert (seen.state, seen.code) == ("failed", "interrupted")
    assert store.progress(lost.id, "gone", 1, 2) == "failed"
    assert not store.finish(lost.id, "gone", {}, [])


def test_deadlines_count_the_wait(store: JobStore) -> None:
    running = submit(store, deadline=0.15)
    store.claim("w", 60)
    waiting = submit(store, deadline=0.15)
    time.sleep(0.2)
    assert store.claim("w", 60) is None
    assert store.progress(running.id, "w", 1, 2) == "failed"
    assert store.recover() == 1
    for job in (running, waiting):
        seen = store.get(job.id, "ann")
        assert seen is not None
        assert (seen.state, seen.code) == ("failed", "deadline_exceeded")


def test_purging_takes_old_results_alone(store: JobStore) -> None:
    old = ended(store, "done")
    time.sleep(0.3)
    young = ended(store, "done")
    waiting = submit(store)
    assert store.purge(0.2) == 1
    assert store.get(old, "ann") is store.image(old, "ann", 0) is None
    assert store.image(young, "ann", 1) == b"two"
    assert store.purge(0) == 1
    assert [state for state, number in store.counts().items() if number] == ["queued"]
    assert store.get(waiting.id, "ann")


@pytest.mark.parametrize("state", ["done", "failed", "canceled"])
def test_photos_and_previews_go_with_the_job(address: str, store: JobStore, state: str) -> None:
    from sqlalchemy import create_engine, text

    ended(store, state)
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        roles = connection.execute(text("SELECT DISTINCT role FROM job_pictures")).scalars().all()
    engine.dispose()
    assert list(roles) == (["image"] if state == "done" else [])


@pytest.mark.parametrize("job_id", ["", "\0", "\ud800", "../x", "x" * 5000, "' OR 1=1 --"])
def test_foreign_ids_find_nothing(store: JobStore, job_id: str) -> None:
    ended(store, "done")
    assert store.get(job_id, "ann") is store.cancel(job_id, "ann") is store.image(job_id, "ann", 0) is None


def test_messages_that_no_database_can_hold(store: JobStore) -> None:
    job = submit(store)
    store.claim("w", 60)
    assert store.fail(job.id, "w", "error", "a \0 and half a pair \ud800")
    seen = store.get(job.id, "ann")
    assert seen is not None
    assert seen.message == "a ? and half a pair ?"


def test_nothing_of_a_photo_stays_in_the_files(tmp_path: Path) -> None:
    store = JobStore(f"sqlite:///{tmp_path / 'deep' / 'jobs.db'}")
    mark = b"a sentence that stands in no other file" * 300
    job, _ = store.submit("ann", "generate", {}, {"face_image": mark}, limit=1)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "deep").stat().st_mode & 0o777 == 0o700
    assert any(mark[:39] in path.read_bytes() for path in files)
    store.claim("w", 60)
    store.finish(job.id, "w", {}, [b"picture"])
    assert not any(mark[:39] in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    store.close()


@pytest.mark.parametrize(
    "address", ["", "jobs.db", "sqlite://", "sqlite:///:memory:", "mysql://host/name", "http://127.0.0.1/", "sqlite:"]
)
def test_addresses_without_meaning(address: str) -> None:
    with pytest.raises(RequestError, match="sqlite:///"):
        JobStore(address)


def test_what_is_no_database_is_told_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, and longer than its header would be" * 9)
    for address in (
        f"sqlite:///{tmp_path / 'notes.txt'}",
        f"sqlite:///{tmp_path / 'notes.txt' / 'jobs.db'}",
        f"postgresql://ann:hidden@/name?host={tmp_path}",
    ):
        with pytest.raises(StoreUnavailable) as told:
            JobStore(address)
        assert "hidden" not in str(told.value)
