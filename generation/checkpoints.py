"""What a single file of weights is, told from its table of tensors: nothing of it is loaded, no code in it is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from errors import RequestError

LARGEST_TABLE = 100 * 2**20
"""Bytes of a table of tensors; safetensors itself allows no more."""

UPLOADED_TABLE = 8 * 2**20
"""Bytes of the table of a LoRA that a visitor uploads: ten times that of the largest ones."""

PICKLED = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""How pickles begin; so may the length of a table of tensors, which is why that is tried first."""

Shapes = Mapping[str, tuple[int, ...]]

_CURE = "Give the .safetensors file or the repository of a checkpoint that was made from SDXL."
_WHAT = {
    "lora": "is a LoRA, not a base model. Give it with --lora",
    "sd1": "belongs to Stable Diffusion 1.5, whose networks InstantID does not fit",
    "sd2": "belongs to Stable Diffusion 2, whose networks InstantID does not fit",
    "sd3": "belongs to Stable Diffusion 3, whose networks InstantID does not fit",
    "flux": "belongs to FLUX, whose networks InstantID does not fit",
    "refiner": "is the SDXL refiner, which only finishes pictures",
    "inpainting": "is an SDXL made for inpainting alone",
    "controlnet": "is a ControlNet, not a base model",
    "adapter": "is a face adapter, not a base model",
    "vae": "is a VAE alone, not a base model",
    "unet": "is a UNet alone, without text encoders",
    "unknown": "is no checkpoint that is known here",
}
_CROSS = "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"
"""Of a checkpoint in the original layout, the first weight whose width says which text the UNet reads."""

TEXT_WIDTH = {2048: "sdxl", 1280: "refiner", 1024: "sd2", 768: "sd1"}


BASES = {"SDXL": 2048, "Stable Diffusion 2": 1024, "Stable Diffusion 1.5": 768}
"""Width of the text that a base reads."""


def shapes_in(path: Path, field: str, *, largest: int = LARGEST_TABLE) -> dict[str, tuple[int, ...]]:
    """Tensor name -> shape of a safetensors file.

    Args:
        largest: bytes of the table above which it is not even read.

    Raises RequestError, naming `field`, for a file that is none, or that ends before its tensors do.
    """
    start = b""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            table = _table(file, start, largest)
            end = file.seek(0, 2)
        if table is None:
            raise _unreadable(path, start, field)
        shapes = {name: tuple(map(int, one["shape"])) for name, one in table.items() if name != "__metadata__"}
        needed = max((one["data_offsets"][1] for name, one in table.items() if name in shapes), default=0)
        if 8 + int.from_bytes(start, "little") + needed > end:
            raise RequestError(f"{path.name} is cut short.", field=field, cure="Download it again.")
        return shapes
    except OSError as error:
        raise RequestError(f"{path.name} cannot be read.", field=field, cure="Check the path.") from error
    except (ValueError, OverflowError, KeyError, TypeError, IndexError) as error:
        raise _unreadable(path, start, field) from error


def _table(file: BinaryIO, start: bytes, largest: int) -> dict[str, Any] | None:
    """The table behind the eight bytes of its length, None where there is none."""
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > largest:
        return None
    try:
        table = json.loads(file.read(length))
    except (ValueError, RecursionError):
        return None
    return table if isinstance(table, dict) else None


def _unreadable(path: Path, start: bytes, field: str) -> RequestError:
    if start.startswith(PICKLED):
        return RequestError(
            f"{path.name} is a pickle, which can run code when it is opened.",
            field=field,
            cure="Ask for it as .safetensors.",
        )
    return RequestError(f"{path.name} is no safetensors file, or is cut short.", field=field, cure="Download it again.")


def kind_of(shapes: Shapes) -> str:
    """ "sdxl", or what else the tensors are: a key of `_WHAT`."""
    names = tuple(name.removeprefix("model.diffusion_model.") for name in shapes)

    def some(*signs: str) -> bool:
        return any(sign in name for sign in signs for name in names)

    if some("lora_up", "lora_down", "lora_A", "lora_B", "lora.up", "lora.down", "hada_w1", "lokr_w1"):
        return "lora"
    if some("double_blocks.", "single_transformer_blocks."):
        return "flux"
    if some("joint_blocks."):
        return "sd3"
    if some("controlnet_cond_embedding", "control_model.", "input_hint_block", "controlnet_down_blocks"):
        return "controlnet"
    if some("to_k_ip", "image_proj."):
        return "adapter"
    return _unet_kind({name: shapes[full] for name, full in zip(names, shapes, strict=True)}, some)


def _unet_kind(shapes: Shapes, some: Callable[..., bool]) -> str:
    if _CROSS not in shapes and not some("input_blocks."):
        if some("down_blocks.0.resnets", "conv_in.weight") and some("attn2."):
            return "unet"
        return "vae" if some("decoder.up", "encoder.down") else "unknown"
    crossed = [shape for name, shape in shapes.items() if name.endswith("attn2.to_k.weight")]
    kind = TEXT_WIDTH.get(crossed[0][-1] if crossed else 0, "unknown")
    first = shapes.get("input_blocks.0.0.weight", (0, 4))
    if kind == "sdxl" and first[1:2] == (9,):
        return "inpainting"
    if kind == "sdxl" and not some("conditioner.embedders."):
        return "unet"
    return kind


_NETWORKS = {
    "UNet": ("model.diffusion_model.", 1680),
    "first text encoder": ("conditioner.embedders.0.transformer.", 196),
    "second text encoder": ("conditioner.embedders.1.model.", 389),
    "VAE": ("first_stage_model.", 248),
}
"""What the tensors of SDXL's networks begin with in the original layout, and how many there are."""

_IDLE = ("position_ids", "logit_scale")
"""Ends of the names of tensors that no picture depends on."""


def check_sdxl(path: Path, *, own_vae: bool = True) -> None:
    """Raises RequestError that says what a file is when it is no SDXL checkpoint, or what a checkpoint lacks.

    own_vae: whether its VAE is wanted, which some leave out.
    """
    if path.suffix.lower() != ".safetensors":
        shapes_in(path, "base")  # a pickle is named as such
        raise RequestError(f"{path.name} is no .safetensors file.", field="base", cure=_CURE)
    shapes = shapes_in(path, "base")
    kind = kind_of(shapes)
    if kind != "sdxl":
        raise RequestError(f"{path.name} {_WHAT[kind]}.", field="base", cure=_CURE)
    for network, (prefix, wanted) in _NETWORKS.items():
        there = sum(name.startswith(prefix) and not name.endswith(_IDLE) for name in shapes)
        if there < wanted and (own_vae or network != "VAE"):
            raise RequestError(
                f"{path.name} lacks {wanted - there:,} of the {wanted:,} tensors of SDXL's {network}.",
                field="base",
                cure="Leave --vae out, so that another one is taken." if network == "VAE" and there == 0 else _CURE,
            )


def noise_schedule(path: Path) -> dict[str, Any]:
    """What a checkpoint says of its noise, as settings of a scheduler: nothing, or that it was trained to predict
    velocity, which tensors named v_pred and ztsnr stand for."""
    shapes = shapes_in(path, "base")
    told: dict[str, Any] = {"prediction_type": "v_prediction"} if "v_pred" in shapes else {}
    return {**told, "rescale_betas_zero_snr": True} if told and "ztsnr" in shapes else told


def lora_base(shapes: Shapes) -> str | None:
    """The base model that a LoRA was trained for, in words, None where its tensors do not say."""
    if any(sign in name for sign in ("double_blocks", "single_transformer_blocks") for name in shapes):
        return "FLUX"
    if any("joint_blocks" in name for name in shapes):
        return "Stable Diffusion 3"
    # The half that reads the text is as wide as the text that the base reads.
    widths = {
        shape[-1]
        for name, shape in shapes.items()
        if "attn2" in name and ("to_k" in name or "to_v" in name) and ("down.weight" in name or "lora_A" in name)
    }
    return next((base for base, width in BASES.items() if widths == {width}), None)
