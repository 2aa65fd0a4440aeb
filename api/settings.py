"""How the service runs, from the environment. Secrets stay out of every printed form."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from errors import RequestError
from generation.settings import PREFIX
from weights.places import default_models_dir

LOOPBACK = ("localhost", "127.0.0.1", "::1")

_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[\w.-]{1,64}")


@dataclass(frozen=True)
class ServiceSettings:
    """What a deployment decides of its service.

    Each field can be set by the environment variable INSTANTID_<FIELD>, e.g. INSTANTID_QUEUE_LIMIT.

    Attributes:
        jobs: address of the job store: `sqlite:///file.db`, or `postgresql://...` for several machines. "" stands for a
            file beside the models, one for each port.
        queue_limit: jobs that may wait; further ones are answered with 429.
        deadline: seconds that a job may take, waiting included, when the caller names none; also the most one may name.
        kept: seconds for which results stay.
        max_upload: bytes of a request's body.
        body_seconds: in which a request's body has to arrive.
        api_keys: (name, SHA-256 of the key in hexadecimal) of each caller; without any, no key is asked for.
        require_key: refuse callers without a key even when there are no keys.
        origins: further origins whose pages may send requests; the service's own may.
        hosts: names without a port under which the service is called; every name when empty.
        fallback: answer with plain SDXL when InstantID cannot be loaded.
        hub_loras: whether callers may name LoRAs in repositories of the hub, which are downloaded then.
        gemini_key: for analysis by Gemini; without one it is not available. Also GEMINI_API_KEY.
        gemini_url, gemini_model, gemini_timeout: address of that service, model, seconds for one try.
        template_adapters: (name, file) of each template adapter that callers may name.
        grace: seconds for the running job to end when the service is stopped.
    """

    jobs: str = ""
    queue_limit: int = 32
    deadline: float = 900.0
    kept: float = 3600.0
    max_upload: int = 40 * 2**20
    body_seconds: float = 60.0
    api_keys: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    require_key: bool = False
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    fallback: bool = False
    hub_loras: bool = False
    gemini_key: str = field(default="", repr=False)
    gemini_url: str = "https://generativelanguage.googleapis.com"
    gemini_model: str = "gemini-2.5-flash"
    gemini_timeout: float = 10.0
    template_adapters: tuple[tuple[str, Path], ...] = ()
    grace: float = 20.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> ServiceSettings:
        """Settings of the environment; an override that is not None wins. Raises RequestError naming the variable."""
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        if "GEMINI_API_KEY" in environ:
            values["gemini_key"] = environ["GEMINI_API_KEY"].strip()
        for setting in fields(cls):
            if (variable := PREFIX + setting.name.upper()) in environ:
                values[setting.name] = _READERS[str(setting.type)](variable, environ[variable].strip())
        return cls(**{**values, **{name: value for name, value in overrides.items() if value is not None}})

    def listening_on(self, address: str) -> ServiceSettings:
        """On this machine alone, only names of it are taken beside those of `hosts`: else a page whose name is made to
        mean 127.0.0.1 would pass for the service's own."""
        if address not in LOOPBACK and not address.startswith("127."):
            return self
        return replace(self, hosts=tuple(dict.fromkeys((*self.hosts, *LOOPBACK, address))))

    def jobs_of(self, port: int) -> str:
        """The address of the job store of a service that listens on `port`."""
        return self.jobs or f"sqlite:///{default_jobs_dir() / f'jobs-{port}.db'}"


def default_jobs_dir() -> Path:
    return default_models_dir().parent


def _whole(name: str, text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 2**40:
        raise RequestError(f"{name} is no whole number above 0.", field=name, cure="Write digits alone.")
    return int(text)


def _seconds(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise RequestError(f"{name} is no number of seconds.", field=name, cure="Give a number above 0.")
    return value


def _switch(name: str, text: str) -> bool:
    if text.lower() not in ("0", "1", "true", "false", "yes", "no", "on", "off", ""):
        raise RequestError(f"{name} is neither on nor off.", field=name, cure="Give 1 or 0.")
    return text.lower() in ("1", "true", "yes", "on")


def _pairs(name: str, text: str) -> tuple[tuple[str, str], ...]:
    pairs = [tuple(entry.strip().split(":")) for entry in text.split(",") if entry.strip()]
    if not all(len(pair) == 2 and _NAME.fullmatch(pair[0]) and _HASH.fullmatch(pair[1]) for pair in pairs):
        raise RequestError(
            f"{name} holds something that is no hashed key.", field=name, cure="Make one: python cli.py api-key NAME"
        )
    return tuple((pair[0], pair[1]) for pair in pairs)


def _files(name: str, text: str) -> tuple[tuple[str, Path], ...]:
    pairs = [entry.strip().partition(":") for entry in text.split(",") if entry.strip()]
    if not all(_NAME.fullmatch(called) and file.strip() for called, _, file in pairs):
        raise RequestError(
            f"{name} is no list of names with their files.", field=name, cure="Write NAME:FILE, several with commas."
        )
    return tuple((called, Path(file.strip())) for called, _, file in pairs)


def _texts(name: str, text: str) -> tuple[str, ...]:
    return tuple(entry.strip().rstrip("/") for entry in text.split(",") if entry.strip())


_READERS: dict[str, Callable[[str, str], Any]] = {
    "str": lambda _, text: text,
    "int": _whole,
    "float": _seconds,
    "bool": _switch,
    "tuple[tuple[str, str], ...]": _pairs,
    "tuple[tuple[str, Path], ...]": _files,
    "tuple[str, ...]": _texts,
}
