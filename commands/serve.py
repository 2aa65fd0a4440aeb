"""`cli.py serve` and `cli.py api-key`: the HTTP service without the page, and keys for it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from api.keys import new_key
from api.settings import ServiceSettings
from errors import RequestError
from generation.settings import Settings
from style_presets import STYLES, load_styles

CONNECTIONS = 1024
"""Connections at once, open event streams among them; further ones are answered with 503."""

LAST_ANSWERS = 5
"""Seconds after the grace in which callers who waited for the running job are answered."""


COMPUTING = {"worker", "generation", "weights", "other weights"}
"""Names of the threads that may be inside torch."""


def serve(
    profile: Annotated[str | None, typer.Option(help="Weights: auto, miniature, realvisxl, ...")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for every network.")] = None,
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = None,
    models_dir: Annotated[Path | None, typer.Option(help="Where downloaded weights lie.")] = None,
    jobs: Annotated[
        str | None, typer.Option(help="Job store: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.")
    ] = None,
    fallback: Annotated[
        bool | None, typer.Option("--fallback/--no-fallback", help="Plain SDXL when InstantID cannot be loaded.")
    ] = None,
) -> None:
    """Serve the HTTP API alone. Its other settings are environment variables, listed in docs/API.md."""
    import uvicorn

    from api.application import create_api
    from api.assembly import open_service
    from api.logs import event, to_stderr
    from generation.background import EngineRoom
    from generation.loading import load_engine, pick_profile

    os.environ.setdefault("DIFFUSERS_DISABLE_REMOTE_CODE", "1")
    settings = Settings.from_environment(
        profile=profile, host=host, port=port, device=device, models_dir=models_dir and str(models_dir)
    )
    service_settings = ServiceSettings.from_environment(jobs=jobs, fallback=fallback).listening_on(settings.host)
    styles = STYLES if settings.styles is None else load_styles(settings.styles)
    chosen = pick_profile(settings.profile)
    listening = uvicorn.Config("", host=settings.host, port=settings.port, log_config=None, access_log=False)
    try:
        taken = listening.bind_socket()
    except SystemExit:
        raise RequestError(
            f"Nothing can listen on {settings.host}:{settings.port}.", field="port", cure="Give another --port."
        ) from None
    settings = replace(settings, port=taken.getsockname()[1])
    to_stderr()
    room = EngineRoom(lambda told: load_engine(chosen, settings, downloading=told))
    service = open_service(settings, service_settings, room, chosen, styles=styles)

    class Server(uvicorn.Server):
        """At the signal nothing more is claimed, while connections come to their ends."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            service.halt()
            super().handle_exit(sig, frame)

    server = Server(
        uvicorn.Config(
            create_api(service),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(service_settings.grace) + LAST_ANSWERS,
            timeout_keep_alive=75,
            limit_concurrency=CONNECTIONS,
        )
    )
    # uvicorn ends in order at these and then raises them again, which would end the process before its worker has
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: None)
    room.start()
    service.start()
    event("listening", address=f"http://{settings.host}:{settings.port}", docs="/api/v1/docs")
    try:
        server.run(sockets=[taken])
    finally:
        service.stop()
    _leave()


def _leave() -> None:
    """Ends the process at once while a thread still computes a step that could not be broken off.

    Python's own end takes the ground from under native code, which then aborts the process.
    """
    if any(thread.name in COMPUTING for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def api_key(
    name: Annotated[str, typer.Argument(help="Whose key it is: letters, digits, dots and dashes.")],
) -> None:
    """Make a key for a caller. It is shown once; the service is told its hash in INSTANTID_API_KEYS."""
    key, entry = new_key(name)
    ServiceSettings.from_environment({"INSTANTID_API_KEYS": entry})
    print(f"key, for the caller:                 {key}")
    print(f"entry, for INSTANTID_API_KEYS:       {entry}")
