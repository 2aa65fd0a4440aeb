"""What this machine has, and how each profile would run on it.

The memory figures are computed from the networks' shapes for 1024 x 1024 px with guidance; the CPU times are
extrapolated from two cores. None is measured on the machine at hand.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from errors import InstantIDError, RequestError
from weights.doctor import Device, Machine, Row
from weights.registry import PROFILES, Profile
from weights.store import Store

if TYPE_CHECKING:
    from generation.memory import Plan

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

CPU_HALF_GIB = 11.7
"""System memory for SDXL with IdentityNet at bfloat16."""

_OFFLOADED = {
    "none": "everything on the device",
    "model": "one network at a time on the device",
    "sequential": "one layer at a time on the device: works, but very slow",
}


def survey(store: Store, faces_on: str = "cpu") -> Machine:
    """Asks torch for the devices and opens the face models once, to see what they really run on.

    Args:
        faces_on: "cpu" or "cuda", where the face models are tried.
    """
    import psutil

    from generation.memory import GIB

    if faces_on not in PROVIDERS:
        raise RequestError(f"There is no device {faces_on!r} for faces.", field="faces-on", cure="Choose cpu or cuda.")
    system = psutil.virtual_memory()
    processor = Device("cpu", _processor(), system.total / GIB, system.available / GIB)
    devices = (*_accelerators(), processor)
    providers, findings = _face_providers(store, PROVIDERS[faces_on])
    return Machine(
        devices=devices,
        runs={name: in_words(profile, devices[0]) for name, profile in PROFILES.items()},
        providers=providers,
        wanted_provider=PROVIDERS[faces_on],
        findings=(*findings, *_openvino_rows()),
    )


def _openvino_rows() -> tuple[Row, ...]:
    """OpenVINO's devices, or how to install it."""
    from openvino_backend import installed

    if not installed.is_installed():
        return (Row("OpenVINO", "openvino", "missing", "not installed, which is fine without it", installed.INSTALL),)
    found = tuple(Row("OpenVINO", device.name, "ok", device.title) for device in installed.devices())
    return found or (Row("OpenVINO", "openvino", "wrong", "finds no device", "Update the driver."),)


def in_words(profile: Profile, device: Device) -> str:
    """How a profile would run on a device."""
    from generation.memory import plan

    if not profile.half_precision:
        return f"runs on {device.kind}"
    how = plan(profile, device.kind.split(":")[0], device.free_gib)
    precision = str(how.dtype).removeprefix("torch.")
    if device.kind == "cpu":
        if device.free_gib < CPU_HALF_GIB:
            return f"too little memory: about {CPU_HALF_GIB:.0f} GiB must be free"
        return f"would run on the CPU at {precision}, with many minutes a picture"
    return f"would run on {device.kind} at {precision}, {_placement(how)}"


def _placement(how: Plan) -> str:
    return _OFFLOADED[how.offload] + (", decoder in tiles" if how.tiling else "")


def _accelerators() -> tuple[Device, ...]:
    import torch

    from generation.memory import GIB, free_gib

    found = [
        Device(
            f"cuda:{index}",
            torch.cuda.get_device_name(index),
            torch.cuda.get_device_properties(index).total_memory / GIB,
            free_gib(f"cuda:{index}"),
        )
        for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    ]
    if torch.backends.mps.is_available():
        found.append(Device("mps", "Apple GPU", torch.mps.recommended_max_memory() / GIB, free_gib("mps")))
    return tuple(found)


def _processor() -> str:
    """The processor's name and how many of its threads this process may use."""
    name = platform.processor() or platform.machine()
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {threads} threads"


def _face_providers(store: Store, wanted: str) -> tuple[dict[str, list[str]], tuple[Row, ...]]:
    """Execution providers of a session opened on the first face pack that is here; what went wrong otherwise."""
    from face.analyzer import FaceAnalyzer

    packs = {profile.face_pack.weight.name: profile.face_pack for profile in PROFILES.values()}
    for pack in packs.values():
        if not store.status(pack.weight).present:
            continue
        try:
            analyzer = FaceAnalyzer(store.path(pack), providers=tuple(dict.fromkeys((wanted, PROVIDERS["cpu"]))))
        except InstantIDError as error:
            return {}, (Row("Face models", pack.weight.name, "wrong", error.message, error.cure or ""),)
        return analyzer.active_providers(), ()
    return {}, ()
