"""Photo analysis by Gemini's vision model over its HTTP API (ai.google.dev/api/generate-content).

The photo leaves this server: only when a key is set and a request asks for it.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import threading
import time
from typing import Any

import httpx2
from PIL import Image

from api.analysis import Analysis, AnalysisFailed
from api.settings import ServiceSettings
from errors import RequestError
from generation import ranges

LONGEST_SIDE = 768
"""Pixels of the photo that is sent; its metadata stay here."""

TRIES = 2
POLL = 0.05
LONGEST_WORDS = 40
LARGEST_ANSWER = 2**20

QUESTION = (
    "Describe the most prominent person in this photo for an illustrator. Give the skin tone and the apparent "
    "ethnicity in one to three words each, the apparent age in years, and the apparent gender."
)
SCHEMA = {
    "type": "OBJECT",
    "properties": {
        "skin_tone": {"type": "STRING"},
        "ethnicity": {"type": "STRING"},
        "age": {"type": "INTEGER"},
        "gender": {"type": "STRING", "enum": ["male", "female", "other"]},
    },
}
FAILED = "Gemini {}."

log = logging.getLogger(__name__)


class _TooSlow(Exception):
    """The answer was not there when the time of a try was over."""


class Gemini:
    """Raises AnalysisFailed whatever goes wrong; a slow or failing answer is asked for once more.

    The settings' seconds are for a whole try, however slowly its bytes come.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._address = f"{settings.gemini_url.rstrip('/')}/v1beta/models/{settings.gemini_model}:generateContent"
        self._key = settings.gemini_key
        self._timeout = settings.gemini_timeout

    def __call__(self, photo: Image.Image, cancel: threading.Event | None = None) -> Analysis:
        """cancel: once set, nothing more is waited for."""
        question = _question(photo)
        reason = ""
        for _ in range(TRIES):
            try:
                status, content = asyncio.run(self._ask(question, cancel))
            except (httpx2.TimeoutException, _TooSlow):
                reason = f"did not answer within {self._timeout:g} seconds"
            except Exception as error:
                # keys and addresses that no header holds, proxies and certificates that are not there: all of the
                # deployment's own making, and none may end a request
                log.warning("Gemini could not be asked: %s", type(error).__name__)
                reason = "could not be reached"
            else:
                if status == 200:
                    return read_answer(content)
                reason = f"answered with status {status}"
                if status != 429 and status < 500:
                    break
            if cancel is not None and cancel.is_set():
                break
        raise AnalysisFailed(FAILED.format(reason))

    async def _ask(self, question: dict[str, Any], cancel: threading.Event | None) -> tuple[int, bytes]:
        """One try, from the connection to the last byte, given up when its time is over."""
        asking = asyncio.ensure_future(self._post(question))
        until = time.monotonic() + self._timeout
        while not asking.done() and time.monotonic() < until and not (cancel is not None and cancel.is_set()):
            await asyncio.wait((asking,), timeout=POLL)
        if not asking.done():
            asking.cancel()
            await asyncio.wait((asking,))
            raise _TooSlow
        return asking.result()

    async def _post(self, question: dict[str, Any]) -> tuple[int, bytes]:
        """Status and body; of the body no more than tells that it is too long, and never unpacked."""
        headers = {"x-goog-api-key": self._key, "Accept-Encoding": "identity"}
        content = b""
        async with (
            httpx2.AsyncClient(timeout=self._timeout, follow_redirects=False, trust_env=True) as client,
            client.stream("POST", self._address, json=question, headers=headers) as answer,
        ):
            async for part in answer.aiter_raw():
                content += part
                if len(content) > LARGEST_ANSWER:
                    break
        return answer.status_code, content


def read_answer(content: bytes) -> Analysis:
    """The analysis in an answer's body. Words of a stranger: only short plain text and known values pass.

    Raises AnalysisFailed.
    """
    try:
        if len(content) > LARGEST_ANSWER:
            raise ValueError("too long")
        told = json.loads(json.loads(content)["candidates"][0]["content"]["parts"][0]["text"])
        return Analysis(
            skin_tone=_words(told.get("skin_tone")),
            ethnicity=_words(told.get("ethnicity")),
            age=_years(told.get("age")),
            gender=told["gender"] if told.get("gender") in ("male", "female", "other") else None,
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise AnalysisFailed(FAILED.format("gave an answer that cannot be read")) from error


def _words(value: Any) -> str | None:
    try:
        words, _ = ranges.text("analysis", value)
    except RequestError:
        return None
    words = words.lower().removesuffix(" skin").strip()
    return words if 0 < len(words) <= LONGEST_WORDS and words.replace(" ", "").replace("-", "").isalpha() else None


def _years(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= 120 else None


def _question(photo: Image.Image) -> dict[str, Any]:
    small = photo.convert("RGB")
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88)
    picture = {"mime_type": "image/jpeg", "data": base64.b64encode(buffer.getvalue()).decode("ascii")}
    return {
        "contents": [{"parts": [{"inline_data": picture}, {"text": QUESTION}]}],
        "generationConfig": {"responseMimeType": "application/json", "responseSchema": SCHEMA, "temperature": 0},
    }
