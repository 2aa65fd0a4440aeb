"""InstantID's adapter file: which tensors it holds, and nothing loaded that is not exactly that.

The file has two groups. `image_proj` is the resampler (51 tensors), `ip_adapter` the keys and values of the face
attention, `{n}.to_k_ip.weight` and `{n}.to_v_ip.weight` (140 tensors for SDXL), where n counts the UNet's attention
layers in diffusers' order: down, up, then middle; n is odd because even layers are self-attention.
`.bin` is a torch pickle of two dicts, `.safetensors` is flat with the prefixes `image_proj.` and `ip_adapter.`.
"""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from errors import WeightsCorrupt, WeightsMissing

State = dict[str, dict[str, torch.Tensor]]
Shapes = dict[str, dict[str, tuple[int, ...]]]

GROUPS = ("image_proj", "ip_adapter")
NAMES = ("ip-adapter.safetensors", "ip-adapter.bin")
DEPTH, HEAD = 4, 64  # what diffusers' loader assumes; another head size has the same shapes and loads silently wrong


def find_adapter(path_or_repo: str | os.PathLike[str]) -> Path:
    """The adapter file of a path, of a folder that holds it, or of a hub repository ("InstantX/InstantID").

    Raises:
        WeightsMissing: nothing is there, or the hub does not answer.
    """
    path = Path(path_or_repo)
    candidates = [path / name for name in NAMES] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    if not path.exists() and not path.suffix and re.fullmatch(r"[\w.-]+/[\w.-]+", str(path_or_repo)):
        try:
            return Path(hf_hub_download(str(path_or_repo), NAMES[-1]))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            raise WeightsMissing(
                f"{NAMES[-1]} of {path_or_repo} could not be fetched.", field=NAMES[-1], cure="Check the network."
            ) from error
    raise WeightsMissing(
        f"No adapter at {path_or_repo}.", field=NAMES[-1], cure=f"Give the path of {NAMES[-1]} or its folder."
    )


def load_adapter_state(path: str | os.PathLike[str]) -> State:
    """Read an adapter file onto the CPU in its own dtype. No code in it is ever run.

    Raises:
        WeightsMissing: there is no such file.
        WeightsCorrupt: it is no adapter file, is cut short, or holds more than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsMissing(f"No adapter at {path}.", field=path.name)
    try:
        if path.suffix == ".safetensors":
            state = _grouped(load_file(path))
        else:
            # Files of torch before 1.6 are no zip archives and cannot be mapped.
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise WeightsCorrupt(
            f"{path.name} cannot be read as an adapter of plain tensors.", field=path.name, cure="Download it again."
        ) from error
    groups = state if isinstance(state, dict) else {}
    for group in GROUPS:
        tensors = groups.get(group)
        if not isinstance(tensors, dict) or not all(isinstance(each, torch.Tensor) for each in tensors.values()):
            raise WeightsCorrupt(f"{path.name} has no group of tensors {group!r}.", field=path.name)
    return {group: groups[group] for group in GROUPS}


def save_adapter(state: State, path: str | os.PathLike[str]) -> None:
    """Write an adapter in InstantID's format, `.safetensors` or `.bin` by the suffix of the path."""
    path = Path(path)
    state = {group: {key: tensor.contiguous() for key, tensor in state[group].items()} for group in GROUPS}
    if path.suffix == ".safetensors":
        save_file({f"{group}.{key}": tensor for group in GROUPS for key, tensor in state[group].items()}, path)
    else:
        torch.save(state, path)


def adapter_shapes(
    unet: UNet2DConditionModel, *, embedding_dim: int = 512, width: int = 1280, tokens: int = 16
) -> Shapes:
    """Every key of an adapter for this UNet with its shape; the defaults are those of the published one.

    Args:
        unet: only its structure is read, so it may be on the meta device.
        embedding_dim: length of a face embedding.
        width: hidden size of the resampler, a multiple of 64.
        tokens: number of face tokens.
    """
    dim = unet.config["cross_attention_dim"]
    image_proj: dict[str, tuple[int, ...]] = {
        "latents": (1, tokens, width),
        "proj_in.weight": (width, embedding_dim),
        "proj_in.bias": (width,),
        "proj_out.weight": (dim, width),
        "proj_out.bias": (dim,),
        "norm_out.weight": (dim,),
        "norm_out.bias": (dim,),
    }
    for layer in (f"layers.{index}" for index in range(DEPTH)):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            image_proj |= {f"{layer}.{norm}.weight": (width,), f"{layer}.{norm}.bias": (width,)}
        image_proj[f"{layer}.0.to_q.weight"] = image_proj[f"{layer}.0.to_out.weight"] = (width, width)
        image_proj[f"{layer}.0.to_kv.weight"] = (2 * width, width)
        image_proj[f"{layer}.1.1.weight"] = (4 * width, width)
        image_proj[f"{layer}.1.3.weight"] = (width, 4 * width)

    layers = [name for name in unet.attn_processors if not name.startswith("encoder_hid_proj.")]
    ip_adapter: dict[str, tuple[int, ...]] = {}
    for index, name in enumerate(layers):
        if name.endswith("attn2.processor"):
            hidden = cast(Attention, unet.get_submodule(name.removesuffix(".processor"))).inner_dim
            ip_adapter |= {f"{index}.to_{each}_ip.weight": (hidden, dim) for each in "kv"}
    return {"image_proj": image_proj, "ip_adapter": ip_adapter}


def check_adapter_state(
    state: State, unet: UNet2DConditionModel, *, embedding_dim: int | None = None, tokens: int | None = None
) -> None:
    """Refuse an adapter that does not fit this UNet key for key and shape for shape.

    Args:
        embedding_dim, tokens: what the caller counts on; None takes what the file has.

    Raises:
        WeightsCorrupt: says how many keys are missing, unexpected or of a wrong shape, and names the first of each.
    """
    found = {f"{group}.{key}": tuple(tensor.shape) for group in GROUPS for key, tensor in state[group].items()}
    proj_in, latents = found.get("image_proj.proj_in.weight", ()), found.get("image_proj.latents", ())
    width, file_embedding_dim = proj_in if len(proj_in) == 2 else (1280, 512)
    file_tokens = latents[1] if len(latents) == 3 else 16
    shapes = adapter_shapes(
        unet, embedding_dim=embedding_dim or file_embedding_dim, width=width, tokens=tokens or file_tokens
    )
    wanted = {f"{group}.{key}": shape for group in GROUPS for key, shape in shapes[group].items()}
    told = misfits(found, wanted)
    if width % HEAD:
        told = "; ".join(filter(None, (told, f"image_proj.proj_in.weight: width {width} is no multiple of {HEAD}")))
    if told:
        raise WeightsCorrupt(
            f"The adapter does not fit this UNet: {told}.",
            field="ip-adapter",
            cure="Use an adapter made for this base model, or download it again.",
        )


def misfits(found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]) -> str:
    """How many tensors are missing, unexpected or of a wrong shape, with the first of each; empty when all fit."""
    complaints = {
        "missing": [key for key in wanted if key not in found],
        "unexpected": [key for key in found if key not in wanted],
        "of a wrong shape": [
            f"{key} {found[key]} for {shape}" for key, shape in wanted.items() if found.get(key, shape) != shape
        ],
    }
    return "; ".join(f"{len(keys)} {what} ({_some(keys)})" for what, keys in complaints.items() if keys)


def _grouped(flat: dict[str, torch.Tensor]) -> State:
    state: State = {group: {} for group in GROUPS}
    for key, tensor in flat.items():
        group, _, name = key.partition(".")
        state.setdefault(group, {})[name] = tensor
    return state


def _some(keys: list[str], limit: int = 3) -> str:
    return ", ".join(keys[:limit]) + (", ..." if len(keys) > limit else "")
