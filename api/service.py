"""The service behind its routes: store, studio and worker, and what a request for a job goes through."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.concurrency import run_in_threadpool

from api.gemini import Gemini
from api.job import Job
from api.logs import event
from api.metrics import Metrics
from api.recipes import Recipes
from api.settings import ServiceSettings
from api.store import JobStore
from api.studio import Studio
from api.worker import LEASE, Worker
from errors import Cancelled, NotReady, NotThere, QueueFull, RequestError

T = TypeVar("T")

POLL = 0.1
INSPECTED_AT_ONCE = 2
"""Requests whose pictures are opened and looked at side by side; the others wait."""


class Service:
    """One process's share of the service.

    Args:
        name: of the worker, see `Worker`; None for a process that only takes requests and leaves the work to others.
        lease: of the worker, see `Worker`.
    """

    def __init__(
        self, settings: ServiceSettings, store: JobStore, studio: Studio, *, name: str | None, lease: float = LEASE
    ) -> None:
        self.settings = settings
        self.store = store
        self.studio = studio
        self.metrics = Metrics()
        self._lock = threading.RLock()
        self._halting: threading.Thread | None = None
        self._inspections = anyio.CapacityLimiter(INSPECTED_AT_ONCE)
        self.recipes = Recipes(studio, settings, Gemini(settings) if settings.gemini_key else None)
        self.worker = None
        if name is not None:
            self.worker = Worker(
                store, studio, self.recipes, name=name, kept=settings.kept, lease=lease, done=self._count
            )

    def start(self) -> None:
        """Begins to work on what is queued. Raises StoreUnavailable."""
        if self.worker is not None:
            self.worker.start()

    def halt(self) -> None:
        """Begins to stop, at once and without waiting: nothing more is claimed, the running job has its grace."""
        with self._lock:
            if self._halting is None and self.worker is not None:
                self.worker.halt()
                self._halting = threading.Thread(target=self.worker.stop, args=(self.settings.grace,), name="halting")
                self._halting.start()

    def stop(self) -> None:
        """Ends the running job within the settings' grace, or breaks it off, and closes the store."""
        self.halt()
        if self._halting is not None:
            self._halting.join()
        self.store.close()

    def left(self, job: Job) -> bool:
        """Whether the service is being stopped and nothing more happens to this job here."""
        return self._halting is not None and self.worker is not None and not self.worker.runs(job.id)

    async def inspect(self, call: Callable[[], T]) -> T:
        """Runs in a thread what opens pictures of a request. Raises QueueFull when too many requests wait for that."""
        if self._inspections.statistics().tasks_waiting >= self.settings.queue_limit:
            raise QueueFull("Too many requests wait already.", cure="Try again later.")
        return await anyio.to_thread.run_sync(call, limiter=self._inspections)

    def require_room(self, key: str | None) -> None:
        """Raises QueueFull before anything of a request is read. A known key finds its job in a full queue too."""
        if key is None and self.store.counts()["queued"] >= self.settings.queue_limit:
            raise QueueFull("Too many jobs wait already.", cure="Try again later.")

    def submit(
        self,
        owner: str,
        kind: str,
        document: Mapping[str, Any],
        photos: Mapping[str, bytes],
        *,
        key: str | None,
        deadline: float | None,
    ) -> tuple[Job, bool]:
        """A job in the queue, and whether it is new.

        Raises InputError of any kind, NotReady, QueueFull, StoreUnavailable.
        """
        if self.studio.state == "failed":
            self.studio.require()
        limit = self.settings.deadline
        if deadline is not None and not (math.isfinite(deadline) and 0 < deadline <= limit):
            raise RequestError(
                "deadline is out of range.", field="deadline", cure=f"Give seconds above 0, at most {limit:g}."
            )
        known = self.store.admit(owner, kind, document, photos, key=key, limit=self.settings.queue_limit)
        if known is not None:
            return known, False
        self.recipes.check(kind, document, photos)
        job, created = self.store.submit(
            owner,
            kind,
            document,
            photos,
            key=key,
            deadline=limit if deadline is None else deadline,
            limit=self.settings.queue_limit,
        )
        if created:
            event("queued", job=job.id[:8], kind=kind, position=job.position)
            if self.worker is not None:
                self.worker.wake()
        return job, created

    def cancel(self, job_id: str, owner: str) -> Job:
        """Raises NotThere."""
        before = self.store.get(job_id, owner)
        job = self.store.cancel(job_id, owner)
        if before is None or job is None:
            raise no_job()
        if before.state == "queued" and job.state == "canceled" and job.started is None:
            event("job", job=job.id[:8], kind=job.kind, outcome="canceled")
            self._count(job.kind, "canceled", None)
        if self.worker is not None:
            self.worker.canceled(job_id)
        return job

    def job(self, job_id: str, owner: str) -> Job:
        """Raises NotThere."""
        job = self.store.get(job_id, owner)
        if job is None:
            raise no_job()
        return job

    async def until_over(self, job: Job, gone: Callable[[], Awaitable[bool]], *, leave: bool) -> Job:
        """The job when it is over.

        Args:
            gone: whether the caller has hung up.
            leave: whether the job goes on without its caller.

        Raises NotThere; Cancelled when the caller has hung up; NotReady when nothing can be made here any more, or the
        service is stopped before the job began.
        """
        while not job.over:
            if await gone():
                if not leave:
                    await run_in_threadpool(self.cancel, job.id, job.owner)
                raise Cancelled("The caller hung up.")
            if job.state == "queued" and self.worker is not None and self.studio.state == "failed":
                await run_in_threadpool(self.cancel, job.id, job.owner)
                self.studio.require()
            await asyncio.sleep(POLL)
            left = self.left(job)
            job = await run_in_threadpool(self.job, job.id, job.owner)
            if left and not job.over:
                if not leave:
                    await run_in_threadpool(self.cancel, job.id, job.owner)
                raise stopped()
        return job

    def _count(self, kind: str, how: str, seconds: float | None) -> None:
        self.metrics.jobs.labels(kind, how).inc()
        if seconds is not None:
            self.metrics.job_seconds.labels(kind).observe(seconds)


def stopped() -> NotReady:
    return NotReady("The service is being stopped.", cure="Try again in a moment.")


def no_job() -> NotThere:
    return NotThere("There is no such job.", field="id", cure="Results are deleted after a while; send it again.")
