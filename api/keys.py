"""API keys: random, shown once, kept as their hash alone."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

ANYBODY = "anybody"
"""The owner of everything where no keys are asked for."""


def new_key(name: str) -> tuple[str, str]:
    """A fresh key and the entry `name:hash` that a service is told of it.

    A key holds 256 random bits, so its plain SHA-256 gives nothing to guess at, unlike a password's.
    """
    key = f"iid_{secrets.token_urlsafe(32)}"
    return key, f"{name}:{hashed(key)}"


def hashed(key: str) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def owner_of(key: str, known: Iterable[tuple[str, str]]) -> str | None:
    """The name that a key belongs to, found in the same time wherever it stands; None for an unknown one."""
    given, owner = hashed(key), None
    for name, value in known:
        if hmac.compare_digest(given, value):
            owner = name
    return owner


def key_in(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The key in `Authorization: Bearer ...` or `X-API-Key`."""
    told = {name.lower(): value.decode("latin-1").strip() for name, value in headers}
    scheme, _, key = told.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return told.get(b"x-api-key") or None
