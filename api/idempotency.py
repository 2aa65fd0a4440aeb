"""The same request sent twice: keys, and what makes two requests the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from errors import RequestError

LONGEST_KEY = 255


def checked_key(key: str | None) -> str | None:
    """The key as it is. Raises RequestError unless it is None or 1 to 255 printable ASCII characters."""
    if key is None or (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        return key
    raise RequestError(
        "The Idempotency-Key cannot be used.",
        field="Idempotency-Key",
        cure=f"Take 1 to {LONGEST_KEY} printable ASCII characters, a UUID for example.",
    )


def fingerprint(kind: str, request: Mapping[str, Any], photos: Mapping[str, bytes]) -> str:
    """SHA-256 over everything that was asked for, as 64 hex digits; the order of a mapping's entries does not count."""
    asked = [kind, request, {name: hashlib.sha256(data).hexdigest() for name, data in photos.items()}]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, allow_nan=False).encode()).hexdigest()
