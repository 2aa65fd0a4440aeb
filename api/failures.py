"""Errors as answers: each kind of the exception tree has its status, and all have one form."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

import errors
from errors import InstantIDError, RequestError

log = logging.getLogger(__name__)

STATUS: tuple[tuple[type[InstantIDError], int], ...] = (
    (errors.TooLarge, 413),
    (errors.TooSlow, 408),
    (errors.WrongMediaType, 415),
    (errors.KeyNeeded, 401),
    (errors.ForeignOrigin, 403),
    (errors.NotThere, 404),
    (errors.NotReady, 503),
    (errors.QueueFull, 429),
    (errors.StoreUnavailable, 503),
    (errors.DeadlinePassed, 504),
    (errors.InputError, 422),
    (errors.WeightsError, 503),
    (errors.OutOfMemory, 507),
    (errors.Cancelled, 409),
    (errors.InstantIDError, 500),
)
"""The first kind that fits decides."""

OF_CODE = {kind.code: status for kind, status in reversed(STATUS)} | {
    "interrupted": 503,
    **{error.code: 422 for error in (errors.PhotoError, errors.NoFaceFound, errors.RequestError)},
    **{error.code: 503 for error in (errors.WeightsMissing, errors.WeightsCorrupt)},
}
"""Status for the code that a failed job was stored with."""

_PATH = re.compile(r"""(?<![^\s'"(\[=])(?:~?/|[A-Za-z]:[/\\])[^\s'",;:)\]]*""")
"""Absolute ones; what has them before it, such as a URL or a route behind a name, is none."""

RETRY_SECONDS = 5
CURE = "The list of fields is at /api/v1/docs."
UNEXPECTED = InstantIDError("Something went wrong on the server.", cure="Try again; the server's log has the details.")


class Failure(BaseModel):
    """What went wrong. `code` is stable, `field` names the part of the request at fault, `cure` says what to do."""

    code: str
    message: str
    field: str | None = None
    cure: str | None = None


class FailureAnswer(BaseModel):
    """The form of every answer that is no success."""

    success: bool = False
    error: Failure


class Ascii(Response):
    """JSON that any text survives, lone surrogates too."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def status_of(error: InstantIDError) -> int:
    return next(status for kind, status in STATUS if isinstance(error, kind))


def answer(error: InstantIDError, status: int | None = None, headers: Mapping[str, str] | None = None) -> Ascii:
    """The answer to a request that failed; one that may be sent again later says when."""
    status = status_of(error) if status is None else status
    told = dict(headers or {})
    if status in (429, 503):
        told.setdefault("Retry-After", str(RETRY_SECONDS))
    if status == 413:
        told.setdefault("Connection", "close")  # else the rest of the body would still be read, and thrown away
    if status == 401:
        told.setdefault("WWW-Authenticate", "Bearer")
    failure = Failure(code=error.code, message=error.message, field=error.field, cure=error.cure)
    return Ascii(FailureAnswer(error=failure).model_dump(), status_code=status, headers=told)


def without_folders(message: str) -> str:
    """A message as callers read it: of a path on the server the last part alone."""
    return _PATH.sub(lambda found: found[0].rstrip("/\\").replace("\\", "/").rpartition("/")[2], message)


def explained(error: ValidationError | RequestValidationError) -> RequestError:
    """The first thing that pydantic found, with the field but without the value."""
    first = error.errors()[0]
    places = [str(place) for place in first["loc"] if place not in ("body", "query", "path", "header")]
    field = places[0][:80] if places else None
    if first["type"] == "extra_forbidden":
        return RequestError("There is no field of this name.", field=field, cure=CURE)
    message = first["msg"].split(",", 1)[-1].strip() if first["type"] == "value_error" else first["msg"]
    where = field or "The request"
    return RequestError(f"{where}: {message}.", field=field, cure=CURE)


def install(app: FastAPI, retry_after: Callable[[], int]) -> None:
    """Every way a request of this application can fail ends in the same form.

    retry_after: seconds after which there may be room in the queue again.
    """

    @app.exception_handler(InstantIDError)
    async def known(_: Request, error: InstantIDError) -> Response:
        if isinstance(error, errors.QueueFull):
            seconds = await run_in_threadpool(retry_after)
            return answer(error, headers={"Retry-After": str(seconds)})
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return answer(explained(error))

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "wrong_method"}.get(error.status_code, "invalid_request")
        failure = Failure(code=code, message=str(error.detail))
        return Ascii(
            FailureAnswer(error=failure).model_dump(), status_code=error.status_code, headers=dict(error.headers or {})
        )

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, error: Exception) -> Response:
        log.error("A request failed.", exc_info=error)
        return answer(UNEXPECTED)
