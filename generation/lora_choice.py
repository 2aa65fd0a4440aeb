"""LoRAs that a request names: checked, and as settings can keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from errors import RequestError
from generation import ranges, sources

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


def settled(loras: Any) -> tuple[Lora, ...]:
    clean = []
    for lora in listed(loras):
        if not isinstance(lora, Lora) or not isinstance(lora.path, str) or "\0" in lora.path:
            raise RequestError(
                "loras holds something that is no LoRA.", field="loras", cure="Give a path and a weight."
            )
        sources.find_lora(lora.path)
        clean.append(replace(lora, weight=ranges.number("loras", lora.weight, -MAX_WEIGHT, MAX_WEIGHT)))
    return tuple(clean)


def lora_files(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the LoRA files that a picture was made with and that its settings cannot bring back."""
    names = (row["name"] for row in rows(settings))
    return tuple(name for name in names if "/" not in name and name.endswith(".safetensors"))


def rows(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    kept = settings.get("loras")
    kept = kept if isinstance(kept, list | tuple) else ()
    return [row for row in kept if isinstance(row, dict) and isinstance(row.get("name"), str)]


def public_name(path: str) -> str:
    return path if sources.find_lora(path) is not None else Path(path).name
