"""A service from its settings: store, studio and application, ready to be served."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from api.application import create_api
from api.service import Service
from api.settings import ServiceSettings
from api.store import JobStore
from api.studio import Generate, Studio
from generation.background import EngineRoom
from generation.settings import Settings
from style_presets import STYLES, Style
from weights.registry import Profile

__all__ = ["create_api", "open_service"]


def open_service(
    settings: Settings,
    service_settings: ServiceSettings,
    room: EngineRoom,
    profile: Profile,
    *,
    styles: Mapping[str, Style] = STYLES,
    generate: Generate | None = None,
    worker: str | None = None,
) -> Service:
    """The service of this process, not started yet.

    Args:
        room: where the engine is or will be; loading it is up to the caller.
        generate: how a prepared request is run; the engine's own way when None.
        worker: name of the worker; the machine's name and the port when None.

    Raises RequestError, StoreUnavailable.
    """

    def load_plain():
        from generation.plain import load_plain

        return load_plain(profile, settings, styles)

    studio = Studio(
        room,
        profile,
        styles=styles,
        generate=generate,
        load_plain=load_plain if service_settings.fallback else None,
    )
    store = JobStore(service_settings.jobs_of(settings.port))
    name = worker or f"{socket.gethostname()}:{settings.port}"
    return Service(service_settings, store, studio, name=name)
