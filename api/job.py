"""A job as the store keeps it: what was asked for, where it stands, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STATES = ("queued", "running", "done", "failed", "canceled")
OPEN = ("queued", "running")
"""States that a job leaves; the others are final."""


@dataclass(frozen=True)
class Job:
    """One row of the store at one moment.

    Attributes:
        id: unguessable, 256 bits as 43 characters of URL-safe base64.
        owner: whoever submitted it; nobody else is shown it.
        kind: which request it is ("generate", ...).
        request: the request without its photos, JSON-able.
        state: one of `STATES`.
        changed: grows with everything that happens to the job, so that a watcher knows whether there is news.
        step, total: of the run, 0 before the first step.
        seconds_left: estimate of the worker, None when there is none.
        position: jobs that are served before this one; None when it does not wait.
        created, started, finished: seconds since 1970, None when it has not come to that.
        deadline: seconds since 1970 after which nobody wants the result; None for never.
        worker: who runs it or ran it.
        code, message: why it failed, as in `errors`; None unless it failed.
        result: what `finish` was given, JSON-able; None unless it is done.
        images: number of pictures that can be fetched.
        photos: name -> encoded picture; of a claimed job alone, empty in every other answer.
    """

    id: str
    owner: str
    kind: str
    request: Mapping[str, Any] = field(repr=False)
    state: str
    changed: int = 0
    step: int = 0
    total: int = 0
    seconds_left: float | None = None
    position: int | None = None
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    deadline: float | None = None
    worker: str | None = None
    code: str | None = None
    message: str | None = None
    result: Mapping[str, Any] | None = field(default=None, repr=False)
    images: int = 0
    photos: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def over(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.state not in OPEN
