"""Whether OpenVINO is here, and which devices it sees."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from typing import Any

from errors import InstantIDError, RequestError

INSTALL = "Run: pip install -r requirements-openvino.txt -c constraints.txt"


@dataclass(frozen=True)
class Found:
    """A device of OpenVINO: `name` as `--device` takes it ("CPU", "GPU.0", "NPU"), and what it is."""

    name: str
    title: str


def is_installed(package: str = "openvino") -> bool:
    return importlib.util.find_spec(package) is not None


def require(package: str = "openvino") -> None:
    """Raises InstantIDError with the command that installs what is missing."""
    if not is_installed(package):
        raise InstantIDError(
            "The OpenVINO backend is not installed here." if package == "openvino" else f"{package} is not installed.",
            field="backend",
            cure=INSTALL,
        )


@cache
def core() -> Any:
    """OpenVINO's entrance, one for the whole process and never given back: the processor's plugin gives the thread that
    loads it a stack for signals and frees it when it is unloaded, from whichever thread; the next signal would end the
    process."""
    import openvino

    return openvino.Core()


def devices() -> tuple[Found, ...]:
    """Every device that OpenVINO finds; none without the package."""
    if not is_installed():
        return ()
    return tuple(Found(name, str(core().get_property(name, "FULL_DEVICE_NAME"))) for name in core().available_devices)


def pick_device(wanted: str = "auto") -> str:
    """A device by OpenVINO's name for it, in any case of letters; "auto" leaves the choice to OpenVINO.

    Raises RequestError when it is not here.
    """
    require()
    here = [device.name for device in devices()]
    name = wanted.upper().replace(" ", "")
    if name == "AUTO":
        return here[0] if len(here) == 1 else "AUTO"
    # "GPU" is the first of several, which OpenVINO lists as GPU.0, GPU.1.
    known = {*here, *(one.partition(".")[0] for one in here)}
    parts = name.removeprefix("AUTO:").split(",")
    several = name.startswith("AUTO:")
    if not set(parts) <= known or len(set(parts)) < len(parts) or (len(parts) > 1 and not several):
        raise RequestError(
            f"OpenVINO finds no device {wanted} here.", field="device", cure=f"Choose one of: auto, {', '.join(here)}."
        )
    return name
