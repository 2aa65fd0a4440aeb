"""Rows of the store as jobs, and the conditions by which they are found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, false, func, insert, select

from api.database import jobs, pictures
from api.job import Job
from errors import KeyReused, QueueFull

_SAME = (
    "id", "owner", "kind", "state", "changed", "step", "total", "seconds_left", "created", "started", "finished",
    "deadline", "worker", "code", "message", "images",
)  # fmt: skip
NEWS: dict[str, Any] = {"changed": jobs.c.changed + 1}


def of(job_id: str, owner: str) -> ColumnElement[bool]:
    """The job of this id, when it is this owner's; no job for an id that no database could hold as text."""
    if not (job_id.isascii() and job_id.isprintable()):
        return false()
    return and_(jobs.c.id == job_id, jobs.c.owner == owner)


def held(job_id: str, worker: str) -> ColumnElement[bool]:
    """The job of this id, as long as this worker runs it."""
    return and_(jobs.c.id == job_id, jobs.c.worker == worker, jobs.c.state == "running")


def failed(why: tuple[str, str]) -> dict[str, Any]:
    """Columns of a job that ends with this code and message."""
    return {"state": "failed", "code": why[0], "message": why[1]}


def number_of(connection: Connection, which: ColumnElement[bool]) -> int:
    """How many jobs there are of these."""
    return connection.execute(select(func.count()).select_from(jobs).where(which)).scalar_one()


def keep(connection: Connection, job: int, role: str, named: Mapping[str, bytes]) -> None:
    """Stores encoded pictures of a job under their names, in their order."""
    rows = [
        {"job": job, "role": role, "number": number, "name": name, "data": data}
        for number, (name, data) in enumerate(named.items())
    ]
    if rows:
        connection.execute(insert(pictures), rows)


def as_job(connection: Connection, row: Row[Any], *, with_photos: bool = False) -> Job:
    """A row of `jobs` as what the store answers."""
    values = {name: getattr(row, name) for name in _SAME}
    ahead = and_(jobs.c.state == "queued", jobs.c.number < row.number)
    of_request = and_(pictures.c.job == row.number, pictures.c.role == "photo")
    photos = select(pictures.c.name, pictures.c.data).where(of_request).order_by(pictures.c.number)
    return Job(
        **values,
        request=json.loads(row.request),
        result=None if row.result is None else json.loads(row.result),
        position=number_of(connection, ahead) if row.state == "queued" else None,
        photos={one.name: one.data for one in connection.execute(photos)} if with_photos else {},
    )


def admitted(connection: Connection, owner: str, key: str | None, mark: str | None, limit: int) -> Job | None:
    """The owner's job of this key; None when there is none and a new one has room.

    mark: fingerprint of the request that came with the key. limit: jobs that may wait at once.

    Raises KeyReused, QueueFull.
    """
    if key is not None:
        known = connection.execute(select(jobs).where(jobs.c.owner == owner, jobs.c.key == key)).one_or_none()
        if known is not None:
            if known.fingerprint != mark:
                raise KeyReused(
                    "This Idempotency-Key was used for another request.",
                    field="Idempotency-Key",
                    cure="Take a new key for a new request.",
                )
            return as_job(connection, known)
    if number_of(connection, jobs.c.state == "queued") >= limit:
        raise QueueFull(f"{limit} requests wait already.", cure="Try again later.")
    return None
