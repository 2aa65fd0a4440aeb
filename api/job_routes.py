"""Jobs: where they stand, what happens to them while one watches, their pictures, and their end."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from api.answers import JobAnswer, Link, job_answer
from api.asking import Linked, Owner, Served
from api.job import Job
from api.openapi import failures
from api.service import Service, no_job, stopped
from errors import NotThere

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

LOOK = 0.2
ALIVE = 10.0
"""Seconds between comments that keep proxies from closing a silent stream."""

Id = Annotated[str, Path(max_length=100)]
PRIVATE = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}


@router.get("/{id}", response_model=JobAnswer, responses=failures(404, 422))
async def job(id: Id, service: Served, owner: Owner, link: Linked) -> Response:
    """Where a job stands, and its result when it is done."""
    found = await run_in_threadpool(service.job, id, owner)
    return JSONResponse(job_answer(found, link).model_dump(), headers=PRIVATE)


@router.delete("/{id}", response_model=JobAnswer, responses=failures(404, 422))
async def cancel(id: Id, service: Served, owner: Owner, link: Linked) -> Response:
    """Cancels a job that waits or runs; one that is over stays as it is."""
    found = await run_in_threadpool(service.cancel, id, owner)
    return JSONResponse(job_answer(found, link).model_dump(), headers=PRIVATE)


@router.get(
    "/{id}/images/{number}",
    responses={200: {"content": {"image/png": {}}, "description": "The picture."}, **failures(404, 422)},
    response_class=Response,
)
async def image(id: Id, number: Annotated[int, Path(ge=0, le=999)], service: Served, owner: Owner) -> Response:
    """A finished picture as PNG; its settings are inside."""
    data = await run_in_threadpool(service.store.image, id, owner, number)
    if data is None:
        raise NotThere("There is no such picture.", field="number", cure="Results are deleted after a while.")
    return Response(data, media_type="image/png", headers=PRIVATE)


@router.get(
    "/{id}/events",
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Until the job is over."},
        **failures(404, 422),
    },
    response_class=StreamingResponse,
)
async def events(id: Id, request: Request, service: Served, owner: Owner, link: Linked) -> Response:
    """Server-sent events: `progress` at every change, `preview` with a small picture, at last the state as its name.

    The stream may be opened at any time and again: it begins with where the job stands.
    """
    found = await run_in_threadpool(service.job, id, owner)
    stream = _stream(found, request, service, link)
    return StreamingResponse(stream, media_type="text/event-stream", headers={**PRIVATE, "X-Accel-Buffering": "no"})


async def _stream(job: Job, request: Request, service: Service, link: Link) -> AsyncIterator[str]:
    told, shown, said = -1, b"", time.monotonic()
    while not await request.is_disconnected():
        if job.changed != told:
            told, said = job.changed, time.monotonic()
            if job.over:
                yield _event(job.state, job_answer(job, link).model_dump(), told)
                return
            yield _event("progress", _progress(job), told)
            preview = await run_in_threadpool(service.store.preview, job.id, job.owner)
            if preview is not None and preview != shown:
                shown = preview
                address = "data:image/jpeg;base64," + base64.b64encode(preview).decode("ascii")
                yield _event("preview", {"image": address}, told)
        elif time.monotonic() - said > ALIVE:
            said = time.monotonic()
            yield ": still there\n\n"
        await asyncio.sleep(LOOK)
        left = service.left(job)
        later = await run_in_threadpool(service.store.get, job.id, job.owner)
        if later is None:
            yield _event("error", {"code": no_job().code, "message": no_job().message}, told)
            return
        job = later
        if left and not job.over:
            yield _event("error", {"code": stopped().code, "message": stopped().message}, told)
            return


def _progress(job: Job) -> dict[str, Any]:
    return {
        "state": job.state,
        "step": job.step,
        "total": job.total,
        "eta_seconds": job.seconds_left,
        "position": job.position,
    }


def _event(name: str, data: dict[str, Any], number: int) -> str:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data, ensure_ascii=True)}\n\n"
