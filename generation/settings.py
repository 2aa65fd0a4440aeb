"""How the service runs, from the environment and the command line. Secrets stay out of every printed form."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from errors import RequestError

PREFIX = "INSTANTID_"
BACKENDS = ("torch", "openvino")


def on_zero_gpu() -> bool:
    """Whether this is a Space whose GPU is lent for the length of a call."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "true")


@dataclass(frozen=True)
class Settings:
    """Everything that is decided before the first request.

    Each field can be set by the environment variable INSTANTID_<FIELD>, e.g. INSTANTID_PROFILE.

    Attributes:
        profile: name in `weights.registry.PROFILES`, or "auto".
        host, port: where the page is served; the default host is reachable from this machine only.
        share: open a public gradio link.
        mcp: offer generating as a tool over MCP, beside the page.
        auth: (user, password) pairs; written "user:password,other:password" in the environment.
        models_dir: where downloaded weights lie; None for the store's default.
        offline: never reach for the network; also set by HF_HUB_OFFLINE.
        device: "auto", "cpu", "cuda", "cuda:1", "mps"; on OpenVINO one of its devices.
        dtype: "auto", "float32", "float16", "bfloat16".
        backend: "torch" or "openvino".
        precision: of the exported weights that OpenVINO runs: "auto", "fp32", "fp16", "int8", "hybrid", "int4".
        streams: rows of a batch (guidance's two halves, say) beside each other on OpenVINO's CPU.
        activation_group: on OpenVINO's CPU, with weights of 8 bits or fewer: how many numbers of a product share
            the scale at which they are rounded to 8 bits; more is faster and coarser, 0 rounds none, None leaves it to
            OpenVINO.
        exports: folder of a profile's exports; None for `openvino/PROFILE` among the downloaded weights.
        base: `.safetensors` file or `owner/repository` of an SDXL checkpoint in the place of the profile's base.
        adapter: file of a face adapter in the place of the profile's, as training writes it.
        identity_net: folder of an IdentityNet in the place of the profile's, as training writes it.
        choose_base: whether visitors of the page may load another base, or run it on another backend, for everybody;
            for a machine of one's own.
        vae: "own" for the decoder of that base, `owner/repository` for another; None for the profile's.
        styles: JSON file with further style presets.
    """

    profile: str = "auto"
    host: str = "127.0.0.1"
    port: int = 7860
    share: bool = False
    mcp: bool = False
    auth: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    models_dir: Path | None = None
    offline: bool = False
    device: str = "auto"
    dtype: str = "auto"
    backend: str = "torch"
    precision: str = "auto"
    streams: int = 1
    activation_group: int | None = None
    exports: Path | None = None
    base: str | None = None
    vae: str | None = None
    adapter: Path | None = None
    identity_net: Path | None = None
    choose_base: bool = False
    styles: Path | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
        """Settings of the environment; an override that is not None wins.

        Raises RequestError naming the variable or option that has no meaning.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {"offline": environ.get("HF_HUB_OFFLINE", "")} if "HF_HUB_OFFLINE" in environ else {}
        names = {setting.name for setting in fields(cls)}
        values |= {name: environ[PREFIX + name.upper()] for name in names if PREFIX + name.upper() in environ}
        if unknown := overrides.keys() - names:
            raise TypeError(f"no such settings: {', '.join(sorted(unknown))}")
        values |= {name: value for name, value in overrides.items() if value is not None}
        return cls(**{name: _READERS[name](name, value) for name, value in values.items()})


def _text(name: str, value: Any) -> str:
    text = str(value).strip()
    if not text:
        raise RequestError(
            f"The setting {name} is empty.", field=name, cure=f"Give a value or unset {PREFIX}{name.upper()}."
        )
    return text


def _port(name: str, value: Any) -> int:
    try:
        port = int(value)
    except (TypeError, ValueError):
        port = -1
    if not 0 <= port <= 65535:
        raise RequestError(f"The setting {name} is no port.", field=name, cure="Give a whole number from 0 to 65535.")
    return port


def _streams(name: str, value: Any) -> int:
    try:
        streams = int(value)
    except (TypeError, ValueError):
        streams = 0
    if not 1 <= streams <= 64:
        raise RequestError(f"The setting {name} is no number of streams.", field=name, cure="Give 1 to 64.")
    return streams


def _group(name: str, value: Any) -> int:
    try:
        group = int(value)
    except (TypeError, ValueError):
        group = -1
    if not 0 <= group <= 65536:
        raise RequestError(f"The setting {name} is no size of a group.", field=name, cure="Give 0 to 65536.")
    return group


def _switch(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("", "0", "false", "no", "off"):
        return False
    raise RequestError(f"The setting {name} is neither on nor off.", field=name, cure="Give 1 or 0.")


def _backend(name: str, value: Any) -> str:
    backend = _text(name, value).lower()
    if backend not in BACKENDS:
        raise RequestError(f"There is no backend {backend!r}.", field=name, cure=f"Choose {' or '.join(BACKENDS)}.")
    return backend


def _path(name: str, value: Any) -> Path:
    return Path(_text(name, value)).expanduser()


def _auth(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, str):
        return tuple((user, password) for user, password in value)
    pairs = [entry.strip().partition(":") for entry in value.split(",") if entry.strip()]
    if not pairs or not all(user and password for user, _, password in pairs):
        raise RequestError(f"The setting {name} has no user and password.", field=name, cure="Write user:password.")
    return tuple((user, password) for user, _, password in pairs)


_READERS = {
    "profile": _text,
    "host": _text,
    "port": _port,
    "share": _switch,
    "mcp": _switch,
    "auth": _auth,
    "models_dir": _path,
    "offline": _switch,
    "device": _text,
    "dtype": _text,
    "backend": _backend,
    "precision": _text,
    "streams": _streams,
    "activation_group": _group,
    "exports": _path,
    "base": _text,
    "vae": _text,
    "adapter": _path,
    "identity_net": _path,
    "choose_base": _switch,
    "styles": _path,
}
