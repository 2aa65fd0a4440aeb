"""Every request is counted and logged by its route; nothing that a caller wrote is."""

from __future__ import annotations

import secrets
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.logs import event
from api.metrics import Metrics

QUIET = ("/healthz", "/readyz", "/metrics")
"""Asked for every few seconds by machines: counted, not logged."""


class Watch:
    """ASGI middleware. Gives each answer an X-Request-ID that the log has too."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, number, status = time.perf_counter(), secrets.token_hex(8), 500

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (b"x-request-id", number.encode("ascii"))]
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD") else "other"
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(seconds)
            if route not in QUIET:
                event("request", id=number, method=method, route=route, status=status, seconds=round(seconds, 3))
