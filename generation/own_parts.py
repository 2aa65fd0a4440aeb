"""A face adapter and an IdentityNet of the user's own in the place of a profile's: the files that training writes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from errors import RequestError, WeightsCorrupt
from generation.checkpoints import shapes_in
from weights.registry import Profile

CONFIG, TENSORS = "config.json", "diffusion_pytorch_model.safetensors"
AS_THE_BASE = ("in_channels", "block_out_channels", "layers_per_block", "cross_attention_dim")
"""Settings of an IdentityNet that have to be those of the base's UNet, which adds what the net gives to its own."""

_NAMES = {"adapter": "adapter", "identity_net": "IdentityNet"}
_CURE = "Give the folder of an IdentityNet that was trained for this base."


def with_own_parts(profile: Profile, adapter: Path | None, identity_net: Path | None) -> Profile:
    """The profile with another adapter, another IdentityNet, or both; None keeps the profile's.

    Args:
        adapter: file in InstantID's format, `.safetensors` or `.bin`.
        identity_net: folder in the layout of `ControlNetModel/`.

    Raises RequestError where there is no such file. What is in it is looked at when it is loaded.
    """
    if adapter is not None and not adapter.is_file():
        raise RequestError(
            f"There is no adapter file {adapter.name}.", field="adapter", cure="Give the path of an ip-adapter file."
        )
    for name in (CONFIG, TENSORS):
        if identity_net is not None and not (identity_net / name).is_file():
            raise RequestError(f"The folder {identity_net.name} has no {name}.", field="identity_net", cure=_CURE)
    given = {"adapter": adapter, "identity_net": identity_net}
    own = {name: path.absolute() for name, path in given.items() if path is not None}
    if not own:
        return profile
    told = " and ".join(_NAMES[name] for name in own)
    return replace(
        profile,
        title=f"{profile.title} (your {told})",
        own_adapter=own.get("adapter", profile.own_adapter),
        own_identity_net=own.get("identity_net", profile.own_identity_net),
    )


def own_digest(path: Path) -> str:
    """12 hexadecimal digits of an adapter file's content, or of an IdentityNet's folder: two steps of one training
    run differ in nothing but that."""
    digest = hashlib.sha256()
    for file in (path / CONFIG, path / TENSORS) if path.is_dir() else (path,):
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:12]


def check_identity_net(folder: Path, base: Path, vae: Path | None) -> None:
    """Refuse an IdentityNet that does not fit the base, setting for setting and tensor for tensor, before it is loaded.

    Args:
        base: folder of the base in diffusers' layout. vae: folder of the decoder in the place of the base's own.

    Raises:
        WeightsCorrupt: names the settings, or how many tensors are missing, unexpected or of a wrong shape.
        RequestError: the file holds no tensors.
    """
    import torch
    from diffusers import ControlNetModel

    from ip_adapter.checkpoint import misfits

    config, unet = _table(folder / CONFIG), _table(base / "unet" / CONFIG)
    decoder = _table((base / "vae" if vae is None else vae) / CONFIG)
    wrong = [
        f"{name} {config.get(name)} for {unet.get(name)}" for name in AS_THE_BASE if config.get(name) != unet[name]
    ]
    eye = config.get("conditioning_embedding_out_channels", ())
    if not isinstance(eye, list) or len(eye) != len(decoder["block_out_channels"]):
        wrong.append(f"conditioning_embedding_out_channels {eye}: the decoder halves otherwise")
    if wrong:
        raise _misfit("; ".join(wrong))
    try:
        with torch.device("meta"):
            net: Any = ControlNetModel.from_config(config)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise _misfit(f"its {CONFIG} builds no ControlNet") from error
    wanted = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    if told := misfits(shapes_in(folder / TENSORS, "identity_net"), wanted):
        raise _misfit(told)


def _table(file: Path) -> dict[str, Any]:
    try:
        table = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsCorrupt(f"{file.name} cannot be read.", field="identity_net", cure=_CURE) from error
    if not isinstance(table, dict):
        raise WeightsCorrupt(f"{file.name} is no table.", field="identity_net", cure=_CURE)
    return table


def _misfit(told: str) -> WeightsCorrupt:
    return WeightsCorrupt(f"The IdentityNet does not fit this base: {told}.", field="identity_net", cure=_CURE)
