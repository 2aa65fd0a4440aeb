"""What is settled before a request's body is read: where it comes from, whose it is, how large it may be."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from api.bodies import Bodies
from api.failures import answer
from api.keys import ANYBODY, key_in, owner_of
from api.pictures import LONGEST_PHOTO
from api.settings import ServiceSettings
from errors import ForeignOrigin, InstantIDError, KeyNeeded

OPEN_PATHS = ("/api/v1/docs", "/api/v1/openapi.json")
OPEN_FOLDER = "/api/v1/docs/"
"""Below /api/v1, what is shown to anybody."""

BODIES = 8
"""Bodies of the largest size that the service holds at once; of smaller ones as many more."""

LONGEST_CALL = LONGEST_PHOTO * 4 // 3 + 2**20
"""Bytes of a call of the page: names of uploaded files, or one photo as base64 for the tool."""
CALLS = 4
UPLOADS = ("/gradio_api/upload",)
"""Written to the disk while they arrive; app.py bounds their files."""

_UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


class Guard:
    """ASGI middleware before the page. Refuses calls under a name that is not the service's, what other origins' pages
    send, and bodies that no call of the page has; those of `UPLOADS` are bounded by who reads them."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._settings = settings
        self._calls = Bodies(LONGEST_CALL, CALLS * LONGEST_CALL, settings.body_seconds, "Send a smaller photo.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                check_caller(scope, self._settings)
            except InstantIDError as error:
                await answer(error, headers={"Connection": "close"})(scope, receive, send)
                return
            if scope["path"] not in UPLOADS:
                await self._calls.serve(self._app, scope, receive, send)
                return
        await self._app(scope, receive, send)


def check_caller(scope: Scope, settings: ServiceSettings) -> None:
    """Raises ForeignOrigin for a Host or an Origin that is not welcome."""
    host, origin = _header(scope, b"host"), _header(scope, b"origin")
    if settings.hosts and _name_in(host) not in settings.hosts:
        raise ForeignOrigin(
            "The service is not called by this name.",
            field="Host",
            cure="Call it as localhost, or have its operator add the name to INSTANTID_HOSTS.",
        )
    if scope["method"] not in _UNSAFE or origin is None:
        return
    origin = origin.rstrip("/")
    if origin != "null" and (_same(origin, host) or origin in settings.origins):
        return
    raise ForeignOrigin(
        "Requests from web pages of another origin are refused.",
        field="Origin",
        cure="Call the service from your own server, or have its operator allow the origin.",
    )


class Gate:
    """ASGI middleware. Lets a request in with `state["owner"]` set, or answers it without reading a byte of its body.

    A body is counted while it arrives, so that one without Content-Length ends at the limit too.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._settings = settings
        most = settings.max_upload
        self._bodies = Bodies(most, BODIES * most, settings.body_seconds, "Send fewer or smaller pictures.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            check_caller(scope, self._settings)
            scope.setdefault("state", {})["owner"] = self._owner(scope)
        except InstantIDError as error:
            await answer(error, headers={"Connection": "close"})(scope, receive, send)
            return
        await self._bodies.serve(self._app, scope, receive, send)

    def _owner(self, scope: Scope) -> str:
        settings = self._settings
        if not (settings.api_keys or settings.require_key):
            return ANYBODY
        path = scope["path"]
        if not path.startswith("/api/") or path in OPEN_PATHS or path.startswith(OPEN_FOLDER):
            return ANYBODY
        key = key_in(scope["headers"])
        owner = None if key is None else owner_of(key, settings.api_keys)
        if owner is None:
            raise KeyNeeded(
                "This service wants a key." if key is None else "This key is not known here.",
                field="Authorization",
                cure="Send the header Authorization: Bearer KEY.",
            )
        return owner


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1").strip() for key, value in scope["headers"] if key.lower() == name), None)


def _name_in(host: str | None) -> str | None:
    """The Host header without port and brackets."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _same(origin: str, host: str | None) -> bool:
    parts = urlsplit(origin)
    usual = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return host is not None and parts.netloc.lower().removesuffix(usual) == host.lower().removesuffix(usual)
