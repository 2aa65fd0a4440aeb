"""Jobs of the store run one after another by this process's engine."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from PIL import Image

from api.failures import without_folders
from api.job import Job
from api.logs import event as log_event
from api.recipes import Outcome, Recipes
from api.store import INTERRUPTED, TOO_LATE, JobStore
from api.studio import Studio
from errors import Cancelled, InstantIDError, WeightsError
from generation.request import GenerationResult, Progress

log = logging.getLogger(__name__)

LEASE = 60.0
POLL = 0.25
TOLD_SECONDS = 0.2
RENEW_SECONDS = 0.5
PREVIEW_SIDE = 256
PREVIEW_SECONDS = 0.5
STEP_SECONDS = 3.0
"""For a job that is broken off to come to the end of its step; it has failed afterwards too."""
SWEEP_SECONDS = 1.0
PURGE_SECONDS = 60.0

Done = Callable[[str, str, float | None], None]
"""Told of a job that ended here: its kind, how it ended, and the seconds it ran; None for one that only waited."""


class Worker:
    """One thread that claims and runs jobs while the studio can make pictures.

    Args:
        name: shared by no two living workers, and the same after a restart: what it ran when it was killed is then
            marked failed at once.
        kept: seconds for which finished jobs stay in the store.
        lease: seconds after which a worker that gave no sign of life has lost its job.
    """

    def __init__(
        self,
        store: JobStore,
        studio: Studio,
        recipes: Recipes,
        *,
        name: str,
        kept: float = 3600.0,
        lease: float = LEASE,
        done: Done | None = None,
    ) -> None:
        self.name = name
        self._store = store
        self._studio = studio
        self._recipes = recipes
        self._kept = kept
        self._lease = lease
        self._done = done
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._running: _Run | None = None
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)

    def start(self) -> None:
        """Marks what this worker left behind as failed, then begins."""
        self._sweep(self.name)
        self._thread.start()
        threading.Thread(target=self._keep_swept, name="sweeper", daemon=True).start()

    def wake(self) -> None:
        """There is something in the queue."""
        self._wake.set()

    def canceled(self, job_id: str) -> None:
        """The store has canceled a job: if it runs here, it stops within a step."""
        running = self._running
        if running is not None and running.job.id == job_id:
            running.cancel.set()

    def runs(self, job_id: str) -> bool:
        """Whether the job runs here just now."""
        running = self._running
        return running is not None and running.job.id == job_id

    def halt(self) -> None:
        """Claims nothing more."""
        self._stopping.set()
        self._wake.set()

    def stop(self, grace: float) -> None:
        """Claims nothing more; the running job has so many seconds to end and is then stopped and marked failed."""
        self.halt()
        if not self._thread.is_alive():
            return
        self._thread.join(grace)
        if (running := self._running) is None:
            return
        why = Cancelled("The service was stopped while this job ran.", cure="Send the request again.")
        running.end(why)
        self._thread.join(STEP_SECONDS)
        if self._running is running and self._store.fail(running.job.id, self.name, why.code, str(why)):
            self._told(running.job.kind, why.code, None, running.job.id)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                job = self._store.claim(self.name, self._lease) if self._studio.settle(POLL) else None
                if job is not None:
                    self._run(job)
                    continue
            except InstantIDError as error:  # the store did not answer; what it knows is still there when it does
                log.error("The job store failed: %s", error)
            except Exception:
                log.exception("The worker failed.")
            self._wake.wait(POLL)
            self._wake.clear()

    def _keep_swept(self) -> None:
        """Ends jobs whose time is over, also while another runs, and deletes old ones."""
        purged = 0.0
        while not self._stopping.wait(SWEEP_SECONDS):
            try:
                self._sweep()
                if time.monotonic() - purged > PURGE_SECONDS:
                    purged = time.monotonic()
                    self._store.purge(self._kept)
            except InstantIDError as error:
                log.error("The job store failed: %s", error)
            except Exception:
                log.exception("Jobs could not be swept.")

    def _sweep(self, worker: str | None = None) -> None:
        for kind in self._store.expire():
            self._told(kind, TOO_LATE[0], None)
        for kind in self._store.interrupt(worker):
            self._told(kind, INTERRUPTED[0], None)
        self._store.recover()

    def _run(self, job: Job) -> None:
        began = time.monotonic()
        running = self._running = _Run(job, self._store, self.name)
        try:
            how = self._make(job, running)
        finally:
            self._running = None
            running.over.set()
        seconds = time.monotonic() - began
        if how != INTERRUPTED[0]:  # else told by who took it from this worker
            self._told(job.kind, how, seconds, job.id)

    def _told(self, kind: str, how: str, seconds: float | None, job_id: str = "") -> None:
        ran = {} if seconds is None else {"seconds": round(seconds, 3)}
        log_event("job", job=job_id[:8], kind=kind, outcome=how, **ran)
        if self._done is not None:
            self._done(kind, how, seconds)

    def _make(self, job: Job, running: _Run) -> str:
        try:
            running.watch()
            outcome = self._outcome(job, running)
            if self._store.finish(job.id, self.name, outcome.result, outcome.images):
                return "done"
            return self._ended(job)
        except InstantIDError as error:
            told = running.why if isinstance(error, Cancelled) and running.why is not None else error
        except Exception as error:
            # its own text could hold anything, so only its kind and place are logged
            log.error("A job failed: %s", type(error).__name__, exc_info=error)
            self._studio.lost(error)
            told = InstantIDError("Something went wrong on the server.", cure="Try again.")
        words = without_folders(str(told)) if isinstance(told, WeightsError) else str(told)
        if self._store.fail(job.id, self.name, told.code, words):
            return told.code
        return self._ended(job)

    def _ended(self, job: Job) -> str:
        """How a job that was over before its run was: "canceled", or the code of its failure."""
        now = self._store.get(job.id, job.owner)
        return "canceled" if now is None else now.code or now.state

    def _outcome(self, job: Job, running: _Run) -> Outcome:
        recipe = self._recipes.of(job, running.cancel)
        events = self._studio.run(recipe.request, running.cancel)
        try:
            for event in events:
                if isinstance(event, GenerationResult):
                    return recipe.outcome(event)
                running.tell(event)
        finally:
            close: Any = getattr(events, "close", None)
            if close is not None:
                close()
        raise Cancelled("The run was stopped.")


class _Run:
    """A job while it runs: its sign of life, its end before time, and what the store is told of its progress."""

    def __init__(self, job: Job, store: JobStore, worker: str) -> None:
        self.cancel = threading.Event()
        self.over = threading.Event()
        self.why: InstantIDError | None = None
        self.job = job
        self._store = store
        self._worker = worker
        self._step = self._total = 0
        self._told = self._shown = 0.0

    def end(self, why: InstantIDError) -> None:
        self.why = why
        self.cancel.set()

    def watch(self) -> None:
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def tell(self, event: Progress) -> None:
        """Passes progress on, a few times a second at most."""
        now = time.monotonic()
        if event.phase == "denoising":
            self._step, self._total = event.step, event.total
        last = event.phase == "denoising" and event.step >= event.total
        if now - self._told < TOLD_SECONDS and not last:
            return
        self._told = now
        preview = None
        if event.previews and (now - self._shown >= PREVIEW_SECONDS or last):
            self._shown = now
            preview = _small(event.previews[-1])
        state = self._store.progress(self.job.id, self._worker, self._step, self._total, event.seconds_left, preview)
        if state != "running":
            self.cancel.set()

    def _watch(self) -> None:
        while not self.over.wait(RENEW_SECONDS):
            try:
                if self._store.renew(self.job.id, self._worker) != "running":
                    self.cancel.set()
            except InstantIDError as error:
                log.error("The job store failed: %s", error)
            except Exception:
                log.exception("The job could not be watched.")


def _small(picture: Image.Image) -> bytes:
    small = picture.convert("RGB")
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
