"""Jobs that survive the process: queued, run once, answered, forgotten."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update

from api.database import Database, jobs, pictures
from api.idempotency import checked_key, fingerprint
from api.job import OPEN, STATES, Job
from api.rows import NEWS, admitted, as_job, failed, held, keep, of

INTERRUPTED = ("interrupted", "The job was cut off while it ran. It was not run again; send it once more.")
TOO_LATE = ("deadline_exceeded", "The job was not done within its deadline.")
RECENT = 20
"""Finished jobs that tell how long a job takes."""


class JobStore:
    """Jobs with their photos and pictures in one database, for any number of processes at once.

    A job is queued, then running, then done, failed or canceled, which is final: whoever comes later changes nothing.
    It is claimed by one worker under a lease and never run twice: when the lease ends, or its worker starts anew, it
    has failed ("interrupted"). Photos and previews are deleted in the transaction that ends a job. Every method is a
    transaction of its own and may be called from any thread.

    Args:
        url: see `api.database.Database`.

    Raises RequestError for an address without meaning, StoreUnavailable (from every method) when the database fails.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    @property
    def address(self) -> str:
        """Where it is, without a password."""
        return self._database.address

    def submit(
        self,
        owner: str,
        kind: str,
        request: Mapping[str, Any],
        photos: Mapping[str, bytes],
        *,
        key: str | None = None,
        deadline: float | None = None,
        limit: int,
    ) -> tuple[Job, bool]:
        """A job at the end of the queue, and whether it is new.

        Args:
            photos: name -> encoded picture.
            key: the same key of the same owner gives the same job as long as that is kept.
            deadline: seconds from now, waiting counted.
            limit: jobs that may wait at once.

        Raises QueueFull; KeyReused when the key came with another request; RequestError when it is no key.
        """
        key = checked_key(key)
        mark = None if key is None else fingerprint(kind, request, photos)
        with self._database.writing() as connection:
            self._database.lock(connection)
            known = admitted(connection, owner, key, mark, limit)
            if known is not None:
                return known, False
            now = self._database.now(connection)
            row = connection.execute(
                insert(jobs)
                .values(
                    id=secrets.token_urlsafe(32),
                    owner=owner,
                    kind=kind,
                    request=json.dumps(request, allow_nan=False),
                    key=key,
                    fingerprint=mark,
                    state="queued",
                    created=now,
                    deadline=None if deadline is None else now + deadline,
                )
                .returning(jobs)
            ).one()
            keep(connection, row.number, "photo", photos)
            return as_job(connection, row), True

    def admit(
        self,
        owner: str,
        kind: str,
        request: Mapping[str, Any],
        photos: Mapping[str, bytes],
        *,
        key: str | None = None,
        limit: int,
    ) -> Job | None:
        """What `submit` would say just now, without submitting: the job of this key, or None when there is room.

        Raises as `submit` does.
        """
        key = checked_key(key)
        mark = None if key is None else fingerprint(kind, request, photos)
        with self._database.reading() as connection:
            return admitted(connection, owner, key, mark, limit)

    def claim(self, worker: str, lease: float) -> Job | None:
        """The job that has waited longest, with its photos, as running; None when nothing waits.

        Args:
            worker: a name that no two living workers share.
            lease: seconds until the job counts as lost unless `progress` or `renew` is heard before.
        """
        waiting = jobs.c.state == "queued"
        with self._database.reading() as connection:
            if connection.execute(select(jobs.c.number).where(waiting).limit(1)).first() is None:
                return None
        with self._database.writing() as connection:
            now = self._database.now(connection)
            in_time = and_(waiting, or_(jobs.c.deadline.is_(None), jobs.c.deadline > now))
            first = (
                select(jobs.c.number).where(in_time).order_by(jobs.c.number).limit(1).with_for_update(skip_locked=True)
            )
            number = connection.execute(first).scalar_one_or_none()
            if number is None:
                return None
            row = connection.execute(
                update(jobs)
                .where(jobs.c.number == number)
                .values(state="running", worker=worker, started=now, lease=lease, lease_until=now + lease, **NEWS)
                .returning(jobs)
            ).one()
            return as_job(connection, row, with_photos=True)

    def progress(
        self,
        job_id: str,
        worker: str,
        step: int,
        total: int,
        seconds_left: float | None = None,
        preview: bytes | None = None,
    ) -> str:
        """Notes where a job stands and renews its lease; the state it is in now: anything but "running" means stop."""
        values = {"step": step, "total": total, "seconds_left": seconds_left, **NEWS}
        return self._heard(job_id, worker, values, preview)

    def renew(self, job_id: str, worker: str) -> str:
        """Renews the lease alone; answers as `progress` does."""
        return self._heard(job_id, worker, {}, None)

    def finish(self, job_id: str, worker: str, result: Mapping[str, Any], images: Sequence[bytes]) -> bool:
        """Done, with the encoded pictures; False when the job was over already, or is not this worker's."""
        values = {"state": "done", "result": json.dumps(result, allow_nan=False), "images": len(images)}
        return bool(self._end(held(job_id, worker), values, images))

    def fail(self, job_id: str, worker: str, code: str, message: str) -> bool:
        """Failed, with an error of `errors`; False when the job was over already, or is not this worker's."""
        told = message.encode(errors="replace").decode().replace("\0", "?")
        return bool(self._end(held(job_id, worker), failed((code, told))))

    def cancel(self, job_id: str, owner: str) -> Job | None:
        """The owner's job, canceled unless it was over; None when there is no such job of this owner."""
        self._end(and_(of(job_id, owner), jobs.c.state.in_(OPEN)), {"state": "canceled"})
        return self.get(job_id, owner)

    def get(self, job_id: str, owner: str) -> Job | None:
        """The owner's job; None when there is no such job of this owner."""
        with self._database.reading() as connection:
            row = connection.execute(select(jobs).where(of(job_id, owner))).one_or_none()
            return None if row is None else as_job(connection, row)

    def image(self, job_id: str, owner: str, number: int) -> bytes | None:
        """Picture `number`, from 0, of the owner's job as it was given to `finish`; None when there is none."""
        return self._picture(job_id, owner, "image", number)

    def preview(self, job_id: str, owner: str) -> bytes | None:
        """The last preview of the owner's running job; None when there is none."""
        return self._picture(job_id, owner, "preview", 0)

    def recover(self, worker: str | None = None) -> int:
        """Ends what nobody will end: how many jobs failed.

        Running jobs whose lease is over, and those of `worker`, which has started anew, were interrupted; queued and
        running ones whose deadline is over are too late. What else is queued stays queued.
        """
        interrupted = len(self.interrupt(worker))
        with self._database.reading() as connection:
            now = self._database.now(connection)
        return interrupted + self._end(and_(jobs.c.state.in_(OPEN), jobs.c.deadline <= now), failed(TOO_LATE))

    def interrupt(self, worker: str | None = None) -> list[str]:
        """Ends running jobs whose lease is over, and those of `worker`, which has started anew: their kinds."""
        with self._database.reading() as connection:
            over = or_(jobs.c.lease_until <= self._database.now(connection), jobs.c.worker == worker)
            lost = and_(jobs.c.state == "running", over)
            rows = connection.execute(select(jobs.c.number, jobs.c.kind).where(lost)).all()
        return [row.kind for row in rows if self._end(and_(lost, jobs.c.number == row.number), failed(INTERRUPTED))]

    def expire(self) -> list[str]:
        """Ends what waited beyond its deadline: the kinds of these jobs."""
        with self._database.reading() as connection:
            late = and_(jobs.c.state == "queued", jobs.c.deadline <= self._database.now(connection))
            waited = connection.execute(select(jobs.c.number, jobs.c.kind).where(late)).all()
        return [row.kind for row in waited if self._end(and_(late, jobs.c.number == row.number), failed(TOO_LATE))]

    def purge(self, older_than: float) -> int:
        """Deletes jobs that have been over for so many seconds, with their pictures: how many."""
        with self._database.writing() as connection:
            old = jobs.c.finished <= self._database.now(connection) - older_than
            numbers = connection.execute(select(jobs.c.number).where(old)).scalars().all()
            connection.execute(delete(pictures).where(pictures.c.job.in_(numbers)))
            connection.execute(delete(jobs).where(jobs.c.number.in_(numbers)))
        if numbers:
            self._database.forget()
        return len(numbers)

    def counts(self) -> dict[str, int]:
        """Jobs in each of `STATES`; those that are over count until they are purged."""
        with self._database.reading() as connection:
            rows = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).all()
        return dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in rows}

    def typical_seconds(self) -> float | None:
        """How long the jobs that were done last took to run, on average; None before the first."""
        with self._database.reading() as connection:
            last = (
                select((jobs.c.finished - jobs.c.started).label("seconds"))
                .where(jobs.c.state == "done")
                .order_by(jobs.c.finished.desc())
                .limit(RECENT)
                .subquery()
            )
            return connection.execute(select(func.avg(last.c.seconds))).scalar_one()

    def close(self) -> None:
        """Closes its connections."""
        self._database.close()

    def _heard(self, job_id: str, worker: str, values: dict[str, Any], preview: bytes | None) -> str:
        with self._database.writing() as connection:
            now = self._database.now(connection)
            in_time = or_(jobs.c.deadline.is_(None), jobs.c.deadline > now)
            number = connection.execute(
                update(jobs)
                .where(held(job_id, worker), in_time)
                .values(lease_until=now + jobs.c.lease, **values)
                .returning(jobs.c.number)
            ).scalar_one_or_none()
            if number is not None:
                if preview is not None:
                    shown = and_(pictures.c.job == number, pictures.c.role == "preview")
                    connection.execute(delete(pictures).where(shown))
                    keep(connection, number, "preview", {"": preview})
                return "running"
        self._end(held(job_id, worker), failed(TOO_LATE))
        with self._database.reading() as connection:
            mine = select(jobs.c.state).where(jobs.c.id == job_id, jobs.c.worker == worker)
            return connection.execute(mine).scalar_one_or_none() or "failed"

    def _end(self, which: ColumnElement[bool], values: dict[str, Any], images: Sequence[bytes] = ()) -> int:
        """Moves jobs into a final state, their photos and previews deleted: how many. `images` is for a single job."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            numbers = (
                connection.execute(
                    update(jobs)
                    .where(which)
                    .values(finished=now, seconds_left=None, lease_until=None, **values, **NEWS)
                    .returning(jobs.c.number)
                )
                .scalars()
                .all()
            )
            connection.execute(delete(pictures).where(pictures.c.job.in_(numbers)))
            for number in numbers:
                keep(connection, number, "image", {str(place): image for place, image in enumerate(images)})
        if numbers:
            self._database.forget()
        return len(numbers)

    def _picture(self, job_id: str, owner: str, role: str, number: int) -> bytes | None:
        with self._database.reading() as connection:
            wanted = and_(of(job_id, owner), pictures.c.role == role, pictures.c.number == number)
            return connection.execute(select(pictures.c.data).join(jobs).where(wanted)).scalar_one_or_none()
