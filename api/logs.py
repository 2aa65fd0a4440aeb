"""The service's log: one JSON object a line, with times, states and counts, and nothing of any person.

No address of a caller, no header, no query, no text of a request and no name of a file is ever handed to it.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

LOGGER = "instantid.service"
log = logging.getLogger(LOGGER)


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
    for chatty in ("uvicorn.access", "httpx", "httpcore", "httpx2", "httpcore2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _places(traceback: Any) -> list[str]:
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return places[-12:]
