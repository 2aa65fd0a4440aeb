"""What every route knows of the request in front of it."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import Depends, Header, Query, Request

from api.answers import Link
from api.service import Service
from errors import RequestError


def service_of(request: Request) -> Service:
    return request.app.state.service


def owner_of(request: Request) -> str:
    """Whose request this is, as the gate found out."""
    return request.state.owner


def link_of(request: Request) -> Link:
    """Addresses as the caller sees this service."""
    base = str(request.base_url).rstrip("/")
    return lambda path: base + path


def deadline_of(
    deadline: Annotated[
        str | None, Query(description="Seconds that the job may take, waiting included.", examples=["120"])
    ] = None,
) -> float | None:
    if deadline is None:
        return None
    try:
        seconds = float(deadline)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise RequestError("deadline is no number of seconds.", field="deadline", cure="Write it as 120.")
    return seconds


Served = Annotated[Service, Depends(service_of)]
Owner = Annotated[str, Depends(owner_of)]
Linked = Annotated[Link, Depends(link_of)]
Deadline = Annotated[float | None, Depends(deadline_of)]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="The same key with the same request gives the same job."),
]
Prefer = Annotated[str | None, Header(description="`respond-async` answers 202 at once.")]
