"""The service's log: one JSON object a line, with times, states and counts, and nothing of any person.

No address of a caller, no header, no query, no text of a request and no name of a file is ever handed to it.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from typing import Any

LOGGER = "instantid.service"
log = logging.getLogger(LOGGER)

LIBRARIES = {
    "transformers": logging.ERROR,
    "diffusers": logging.ERROR,
    "huggingface_hub": logging.ERROR,
    "uvicorn": logging.WARNING,
}
"""Libraries that bring handlers of their own, and from where on they are heard: below, they quote prompts."""


def event(name: str, **values: str | int | float | bool | None) -> None:
    """Logs that something happened."""
    log.info(name, extra={"told": values})


class JsonLines(logging.Formatter):
    """Every record as one line of JSON; of an error the kind and the places in the code, not its text."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "told", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["at"] = _places(record.exc_info[2])
        return json.dumps(line, ensure_ascii=True)


def to_stderr() -> None:
    """Logs of the whole process as JSON lines; servers' own access logs, which name callers, stay silent."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in ("uvicorn.access", "httpx", "httpcore", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name, level in LIBRARIES.items():
        library = logging.getLogger(name)
        library.handlers.clear()
        library.setLevel(level)
        library.__class__ = _Settled
    # gradio prints errors of its handlers, whose texts hold what callers sent, past every log
    traceback.print_exc = _log_error
    threading.excepthook = lambda told: _log_error(told.exc_value)
    sys.excepthook = lambda kind, error, at: _log_error(error)


class _Settled(logging.Logger):
    """A library's logger that stays as it was set up here, whatever the library does to it when it is imported."""

    def addHandler(self, hdlr: logging.Handler) -> None:
        return

    def setLevel(self, level: int | str) -> None:
        return

    @property
    def propagate(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return True

    @propagate.setter
    def propagate(self, value: bool) -> None:
        return


def _log_error(error: Any = None, *_: Any, **__: Any) -> None:
    """Takes the place of `traceback.print_exc` and of the hooks for errors that nobody caught."""
    error = error if isinstance(error, BaseException) else sys.exc_info()[1]
    if not isinstance(error, KeyboardInterrupt | SystemExit):
        log.error("An error came to the end of its thread or request.", exc_info=error)


def _places(at: Any) -> list[str]:
    places = []
    while at is not None:
        code = at.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{at.tb_lineno} {code.co_name}")
        at = at.tb_next
    return places[-12:]
