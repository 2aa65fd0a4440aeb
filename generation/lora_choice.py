"""LoRAs that a request names: checked, and as settings can keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import RequestError
from generation import ranges, sources
from weights.registry import SHIPPED_LORAS, WEIGHTS

if TYPE_CHECKING:
    from weights.registry import Profile

MAX_WEIGHT = 2.0


@dataclass(frozen=True)
class Lora:
    """A LoRA and how strongly it acts (0 is off, 1 as trained).

    path: a .safetensors file on this machine, a name of the registry, or `owner/repository[/file.safetensors]`.
    """

    path: str
    weight: float = 1.0


def listed(loras: Any) -> tuple[Any, ...]:
    if not isinstance(loras, tuple | list):
        raise RequestError("loras is no list.", field="loras", cure="Give LoRAs with weights.")
    return tuple(loras)


def settled(loras: Any, profile: Profile) -> tuple[Lora, ...]:
    """LoRAs checked by name; of those known here the base too, before any is fetched. Raises RequestError."""
    clean = []
    for lora in listed(loras):
        if not isinstance(lora, Lora) or not isinstance(lora.path, str) or "\0" in lora.path:
            raise RequestError(
                "loras holds something that is no LoRA.", field="loras", cure="Give a path and a weight."
            )
        if sources.find_lora(lora.path) is not None:
            _check_base(lora.path, profile)
        clean.append(replace(lora, weight=ranges.number("loras", lora.weight, -MAX_WEIGHT, MAX_WEIGHT)))
    return tuple(clean)


def _check_base(name: str, profile: Profile) -> None:
    """Raises RequestError for a LoRA of the app or of the registry, all of which are SDXL's, that has another base."""
    if profile.checkpoint is not None:
        return
    base = profile.base.weight
    if name in SHIPPED_LORAS:
        made_for = None if SHIPPED_LORAS[name].weight == base else f"the {SHIPPED_LORAS[name].weight.name}"
    else:
        made_for = "SDXL" if name in WEIGHTS and base.folder is not None else None
    if made_for is not None:
        raise RequestError(
            f"The LoRA {name} was trained for {made_for}, not for these weights.",
            field="loras",
            cure="Choose a LoRA of these weights, or another profile.",
        )


def lora_files(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the LoRA files that a picture was made with and that its settings cannot bring back."""
    names = (row["name"] for row in rows(settings))
    return tuple(name for name in names if "/" not in name and name.lower().endswith(".safetensors"))


def rows(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    kept = settings.get("loras")
    kept = kept if isinstance(kept, list | tuple) else ()
    return [row for row in kept if isinstance(row, dict) and isinstance(row.get("name"), str)]


def public_name(path: str) -> str:
    return path if sources.find_lora(path) is not None else Path(path).name
