"""The FastAPI application around a service."""

from __future__ import annotations

import math
from typing import Any

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from api import asking_routes, docs_page, failures, job_routes, making_routes
from api.gate import Gate, Guard
from api.service import Service
from api.settings import ServiceSettings
from api.watch import Watch

TITLE = "InstantID studio"
ABOUT = """Pictures of one person from a single photo.

Every request for pictures is a job. `POST /api/v1/generate` answers at once with the job, whose events can be watched;
`POST /api/v1/generate-identity-body` waits for it. Failures always have one form: `{"success": false, "error": {"code",
"message", "field", "cure"}}`. Photos and templates are deleted as soon as their job is over, results after a while.
"""
KEY = HTTPBearer(auto_error=False, scheme_name="key", description="Where the service asks for keys.")
"""For the description alone: the gate has looked at the key before."""

LONGEST_WAIT = 120

PATHS = ("/api/v1/", "/healthz", "/readyz", "/metrics")
"""What this application answers where it shares its port; paths that end in a slash stand for all below them."""


CORS: dict[str, Any] = {
    "allow_methods": ("GET", "POST", "DELETE"),
    "allow_headers": ("Authorization", "X-API-Key", "Idempotency-Key", "Prefer", "Content-Type"),
    "expose_headers": ("Location", "Retry-After", "X-Request-ID"),
}
"""What pages of listed origins may do."""


def create_api(service: Service) -> FastAPI:
    """The application. Starting and stopping the service's work is up to whoever runs it."""
    app = FastAPI(
        title=TITLE,
        description=ABOUT,
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.service = service
    for part in (making_routes, job_routes, asking_routes):
        app.include_router(part.router, dependencies=[Security(KEY)])
    app.include_router(docs_page.router)
    failures.install(app, lambda: retry_after(service))
    app.add_middleware(Gate, settings=service.settings)
    if service.settings.origins:
        app.add_middleware(CORSMiddleware, allow_origins=service.settings.origins, **CORS)
    app.add_middleware(Watch, metrics=service.metrics)
    return app


def retry_after(service: Service) -> int:
    """Whole seconds until the queue is half empty, as long as jobs usually take; at most `LONGEST_WAIT`.

    A single free place would be taken by whoever comes first.
    """
    usual = service.store.typical_seconds()
    if usual is None:
        return failures.RETRY_SECONDS
    counts = service.store.counts()
    jobs = max(1, math.ceil(counts["queued"] / 2))
    return max(1, min(LONGEST_WAIT, math.ceil(usual * jobs / max(1, counts["running"]))))


class Beside:
    """ASGI middleware that puts the application in front of another one on the same port, and a guard before that."""

    def __init__(self, app: ASGIApp, api: ASGIApp, settings: ServiceSettings) -> None:
        guarded = Guard(app, settings)
        self._app = CORSMiddleware(guarded, settings.origins, **CORS) if settings.origins else guarded
        self._api = api

    async def __call__(self, scope, receive, send) -> None:
        mine = scope["type"] == "http" and scope["path"].startswith(PATHS)
        await (self._api if mine else self._app)(scope, receive, send)
