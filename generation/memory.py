"""What fits: where the networks lie and at which precision, and what to do when it did not fit."""

from __future__ import annotations

import errno
import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from errors import OutOfMemory, RequestError
from generation.settings import on_zero_gpu

if TYPE_CHECKING:
    from weights.registry import Profile

GIB = 2**30
RESIDENT_GIB = 13.0
"""Peak of a 1024 px SDXL run with everything on the card at 16 bit: 9.6 of weights, activations, context, decoder."""

RESIDENT_TILED_GIB = 11.0
"""The same with the decoder working in tiles."""

MODEL_OFFLOAD_GIB = 9.0
"""The two networks of the denoising loop alone on the card (7.9 of weights), the rest fetched when it is its turn."""

CPU_FULL_GIB = 26.0
"""System memory for SDXL with IdentityNet at 32 bit: 19.2 of weights, activations, decoder, Python."""

SIGNS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "unable to allocate",  # numpy in a reader of photos, whose error torch raises again as another one
    "killed by signal: killed",  # such a reader, by a system without memory
)
"""What a RuntimeError says, in small letters, when memory was missing."""


@dataclass(frozen=True)
class Plan:
    """How a profile is loaded.

    Attributes:
        dtype: of the networks.
        vae_dtype: of the decoder, which overflows at float16 unless its weights were made for it.
        offload: "none": all on the device; "model": one network after another; "sequential": one layer after another.
        tiling: the decoder works in tiles, which may differ a little in tone.
    """

    device: str
    dtype: torch.dtype
    vae_dtype: torch.dtype
    offload: Literal["none", "model", "sequential"] = "none"
    tiling: bool = False


def pick_device(wanted: str = "auto") -> str:
    """ "cuda", "mps" or "cpu"; a device by name only when it is there."""
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return next(name for name, there in present.items() if there)
    kind = wanted.split(":")[0]
    if not present.get(kind):
        there = ", ".join(name for name, is_there in present.items() if is_there)
        raise RequestError(f"There is no device {wanted} here.", field="device", cure=f"Choose one of: auto, {there}.")
    return wanted


def free_gib(device: str) -> float:
    """Memory that a new program could have, in GiB."""
    if on_zero_gpu():  # no card can be asked before a call has borrowed one
        return torch.cuda.get_device_properties(device).total_memory / GIB
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(torch.device(device))[0] / GIB
    if device == "mps":
        return (torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()) / GIB
    import psutil

    return psutil.virtual_memory().available / GIB


def plan(profile: Profile, device: str, free: float, *, dtype: str = "auto") -> Plan:
    """Choose precision and placement.

    Args:
        free: GiB on the device.
        dtype: "auto", "float32", "float16" or "bfloat16".
    """
    chosen = _dtype(profile, device, free, dtype)
    fixed_vae = profile.vae is not None or chosen != torch.float16
    vae_dtype = chosen if fixed_vae else torch.float32
    if device == "cpu" or not profile.half_precision:
        return Plan(device, chosen, vae_dtype)
    need = 2 if chosen == torch.float32 else 1
    if free >= RESIDENT_GIB * need:
        return Plan(device, chosen, vae_dtype)
    if free >= RESIDENT_TILED_GIB * need:
        return Plan(device, chosen, vae_dtype, tiling=True)
    if device == "mps":
        return Plan(device, chosen, vae_dtype, tiling=True)
    if free >= MODEL_OFFLOAD_GIB * need:
        return Plan(device, chosen, vae_dtype, offload="model", tiling=True)
    return Plan(device, chosen, vae_dtype, offload="sequential", tiling=True)


def _dtype(profile: Profile, device: str, free: float, wanted: str) -> torch.dtype:
    names = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    if wanted in names:
        return names[wanted]
    if wanted != "auto":
        raise RequestError(
            f"There is no precision {wanted!r}.", field="dtype", cure=f"Choose one of: auto, {', '.join(names)}."
        )
    if not profile.half_precision:
        return torch.float32
    if device == "cpu":
        return torch.float32 if free >= CPU_FULL_GIB else torch.bfloat16
    return torch.bfloat16 if device == "mps" else torch.float16


def is_memory_error(error: BaseException) -> bool:
    """Whether a device or the system ran out of memory; torch says so in several ways."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in SIGNS)


def out_of_memory() -> OutOfMemory:
    return OutOfMemory(
        "The device ran out of memory.",
        cure="Make the picture smaller, close other programs on the device, or start with --device cpu.",
    )


def free_memory() -> None:
    """Give back what nothing refers to any more, to Python and to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
