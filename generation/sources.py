"""Files that a request names: on this machine, in the registry, or in a repository of the hub; fetched at first use."""

from __future__ import annotations

import re
from pathlib import Path

from errors import RequestError, WeightsMissing
from weights.published import UNVERIFIED, WEIGHTS, File, Part, Weight
from weights.registry import SHIPPED_LORAS
from weights.store import Store

LORA_FILE = "pytorch_lora_weights.safetensors"
"""What diffusers calls the LoRA of a repository; taken where a repository is named without a file."""

_REPO = re.compile(r"([\w.-]{1,96}/[\w.-]{1,96})(?:/([\w./ -]{1,200}\.safetensors))?")


class Sources:
    """Where weights come from that are not part of a profile.

    Args:
        store: its `offline` forbids downloads.
    """

    def __init__(self, store: Store | None = None) -> None:
        self._store = store or Store()

    def weight(self, weight: Weight, field: str) -> Path:
        """Folder of a registered weight, downloaded when it is not here yet.

        Raises WeightsMissing when it is not here and cannot be brought, WeightsCorrupt when it is damaged.
        """
        try:
            return self._store.fetch(weight)
        except WeightsMissing as error:
            raise WeightsMissing(error.message, field=field, cure=error.cure) from error

    def lora(self, name: str) -> Path:
        """The .safetensors file that a name stands for, see `find_lora`; downloaded when it is not here yet."""
        part = find_lora(name)
        if part is None:
            return Path(name)
        try:
            return self._store.fetch(part.weight) / part.path
        except WeightsMissing as error:
            raise WeightsMissing(
                f"The LoRA {name[:120]} is not on this machine and could not be fetched.",
                field="loras",
                cure="Check the name and the network, or give the path of a .safetensors file.",
            ) from error


def find_lora(name: str) -> Part | None:
    """What a name means: None for a file on this machine, else the part of a weight that it is.

    A name is the path of a `.safetensors` file, a LoRA of the registry or of the app, `owner/repository`, or
    `owner/repository/file.safetensors` of the hub; a file that is there comes before a repository.

    Raises RequestError when it is none of these.
    """
    if name.lower().endswith(".safetensors") and _is_file(name):
        return None
    if name in SHIPPED_LORAS:
        return SHIPPED_LORAS[name]
    if name in WEIGHTS and len(WEIGHTS[name].files) == 1:
        return Part(WEIGHTS[name], WEIGHTS[name].files[0].path)
    if _is_file(name):
        raise RequestError(
            f"The LoRA file {Path(name).name[:80]} is no .safetensors file.",
            field="loras",
            cure="Give it as .safetensors: other formats can run code when they are opened.",
        )
    match = _REPO.fullmatch(name)
    if match is not None and ".." not in name and not match[1].startswith("."):
        return _in_repository(match[1], match[2] or LORA_FILE)
    raise RequestError(
        f"The LoRA file {Path(name).name[:80]} is not on this machine.",
        field="loras",
        cure="Give the path of a .safetensors file (other formats can run code when they are opened), or a repository.",
    )


def _in_repository(repo: str, file: str) -> Part:
    weight = Weight(
        name=f"hub/{repo}",
        repo=repo,
        revision=None,
        files=(File(file),),
        licence=UNVERIFIED,
        licence_note="Chosen by the user.",
        purpose="a LoRA",
    )
    return Part(weight, file)


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # a name too long, or with characters that no file system holds
        return False
