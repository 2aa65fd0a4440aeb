"""The FastAPI application around a service."""

from __future__ import annotations

import math

from fastapi import FastAPI
from starlette.types import ASGIApp

from api import asking_routes, failures, job_routes, making_routes
from api.gate import Gate
from api.service import Service
from api.watch import Watch

TITLE = "InstantID studio"
ABOUT = """Pictures of one person from a single photo.

Every request for pictures is a job. `POST /api/v1/generate` answers at once with the job, whose events can be watched;
`POST /api/v1/generate-identity-body` waits for it. Failures always have one form: `{"success": false, "error": {"code",
"message", "field", "cure"}}`. Photos are deleted as soon as their job is over, results after a while.
"""
LONGEST_WAIT = 120

PATHS = ("/api/v1/", "/healthz", "/readyz", "/metrics")
"""What this application answers where it shares its port; paths that end in a slash stand for all below them."""


def create_api(service: Service) -> FastAPI:
    """The application. Starting and stopping the service's work is up to whoever runs it."""
    app = FastAPI(
        title=TITLE,
        description=ABOUT,
        version="1",
        docs_url="/api/v1/docs",
        redoc_url=None,
        redirect_slashes=False,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.service = service
    for part in (making_routes, job_routes, asking_routes):
        app.include_router(part.router)
    failures.install(app, lambda: retry_after(service))
    app.add_middleware(Gate, settings=service.settings)
    app.add_middleware(Watch, metrics=service.metrics)
    return app


def retry_after(service: Service) -> int:
    """Whole seconds until a place in the queue may be free: what a job usually takes."""
    usual = service.store.typical_seconds()
    return max(1, min(LONGEST_WAIT, math.ceil(failures.RETRY_SECONDS if usual is None else usual)))


class Beside:
    """ASGI middleware that puts the application in front of another one on the same port."""

    def __init__(self, app: ASGIApp, api: ASGIApp) -> None:
        self._app = app
        self._api = api

    async def __call__(self, scope, receive, send) -> None:
        mine = scope["type"] == "http" and scope["path"].startswith(PATHS)
        await (self._api if mine else self._app)(scope, receive, send)
