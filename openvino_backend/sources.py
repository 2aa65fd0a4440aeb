"""Where the networks of an export come from: each is loaded alone, with the LoRAs that are to be part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open

from errors import RequestError, WeightsCorrupt, WeightsMissing
from ip_adapter.attention import load_face
from ip_adapter.checkpoint import check_adapter_state, load_adapter_state

TEXT = ("text_encoder", "text_encoder_2")
HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class FusedLora:
    """A LoRA that becomes part of an export: its name as requests give it, weight, and where the file lies."""

    name: str
    weight: float
    file: Path


@dataclass(frozen=True)
class Sources:
    """Folders and files of the weights to be exported.

    Attributes:
        base: base model in diffusers' layout.
        identity_net: folder of the ControlNet. adapter: file. face_pack: folder of the ONNX models.
        vae: folder of a replacement decoder. variant: of the base's files.
        checkpoint: file with the base's networks in the original layout; `base` then has configurations.
        controls: kind -> folder of a further ControlNet.
        loras: fused into UNet and text encoders.
    """

    base: Path
    identity_net: Path
    adapter: Path
    face_pack: Path
    vae: Path | None = None
    variant: str | None = None
    checkpoint: Path | None = None
    controls: Mapping[str, Path] | None = None
    loras: tuple[FusedLora, ...] = ()

    @staticmethod
    def of_control(folder: Path) -> tuple[Path, ...]:
        """The files of a further ControlNet."""
        return _of_folder(folder)

    def files(self, network: str) -> tuple[Path, ...]:
        """Every file that a network's export depends on."""
        fused = tuple(lora.file for lora in self.loras)
        if network.startswith("face_"):
            return tuple(sorted(self.face_pack.rglob("*.onnx")))
        if network == "identity_net":
            return _of_folder(self.identity_net)
        if network.startswith("control_"):
            return _of_folder((self.controls or {})[network.removeprefix("control_")])
        if network.startswith("vae_") and self.vae is not None:
            return _of_folder(self.vae)
        if network == "resampler":
            return (self.adapter,)
        part = "vae" if network.startswith("vae_") else network
        files = _of_folder(self.base / part, self.variant) if self.checkpoint is None else (self.checkpoint,)
        files += (self.adapter,) if network == "unet" else ()
        return files if network.startswith("vae_") else (*files, *fused)


def load_unet(sources: Sources) -> Any:
    """UNet with the LoRAs fused and the face adapter loaded."""
    from diffusers import UNet2DConditionModel

    unet = _of_base(sources, UNet2DConditionModel, "unet")
    for number, lora in enumerate(sources.loras):
        _fuse_unet(unet, lora, f"lora_{number}")
    state = load_adapter_state(sources.adapter)
    check_adapter_state(state, unet)
    load_face(unet, state)
    return unet.to(unet.dtype).eval()


def load_resampler(sources: Sources) -> Any:
    """The face's resampler, through the loader that the pipeline uses."""
    from diffusers import UNet2DConditionModel

    config: Any = UNet2DConditionModel.load_config(sources.base, subfolder="unet", local_files_only=True)
    with torch.device("meta"):
        unet: Any = UNet2DConditionModel.from_config(config)
    state = load_adapter_state(sources.adapter)
    check_adapter_state(state, unet)
    resampler = unet._convert_ip_adapter_image_proj_to_diffusers(state["image_proj"], low_cpu_mem_usage=False)
    return resampler.eval()


def load_controlnet(folder: Path) -> Any:
    from diffusers import ControlNetModel

    return _loaded(ControlNetModel, folder)


def load_vae(sources: Sources) -> Any:
    """The autoencoder, a tiny one where the folder holds one."""
    from diffusers import AutoencoderKL, AutoencoderTiny

    if sources.vae is None:
        return _of_base(sources, AutoencoderKL, "vae")
    config = cast(dict[str, Any], AutoencoderKL.load_config(sources.vae, local_files_only=True))
    kind = AutoencoderTiny if config.get("_class_name") == "AutoencoderTiny" else AutoencoderKL
    return _loaded(kind, sources.vae)


def load_text_encoder(sources: Sources, name: str) -> Any:
    """A text encoder with the LoRAs fused. name: one of TEXT."""
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    if sources.checkpoint is not None:
        encoder = _text_encoder_of_file(sources, name)
    else:
        kind = CLIPTextModel if name == TEXT[0] else CLIPTextModelWithProjection
        folder = sources.base / name
        encoder = kind.from_pretrained(folder, dtype="auto", variant=sources.variant, local_files_only=True)
    for number, lora in enumerate(sources.loras):
        _fuse_text(encoder, lora, name, f"lora_{number}")
    return encoder.eval()


def _of_base(sources: Sources, kind: Any, part: str) -> Any:
    if sources.checkpoint is None:
        return _loaded(kind, sources.base / part, sources.variant)
    dtype = _dtype((sources.checkpoint,))
    return kind.from_single_file(
        str(sources.checkpoint), config=str(sources.base), subfolder=part, dtype=dtype, local_files_only=True
    )


def _text_encoder_of_file(sources: Sources, name: str) -> Any:
    from diffusers import AutoencoderKL, StableDiffusionXLPipeline, UNet2DConditionModel

    configs: list[Any] = [UNet2DConditionModel.load_config(sources.base, subfolder=part) for part in ("unet", "vae")]
    with torch.device("meta"):  # placeholders, so that only text encoders are read
        unet, vae = UNet2DConditionModel.from_config(configs[0]), AutoencoderKL.from_config(configs[1])
    pipeline = StableDiffusionXLPipeline.from_single_file(
        str(sources.checkpoint),
        config=str(sources.base),
        unet=unet,
        vae=vae,
        dtype=_dtype((sources.checkpoint,)),
        local_files_only=True,
        add_watermarker=False,
    )
    return getattr(pipeline, name)


def _loaded(kind: Any, folder: Path, variant: str | None = None) -> Any:
    files = _of_folder(folder, variant)
    weights = tuple(file for file in files if file.suffix == ".safetensors")
    if not weights:
        raise WeightsMissing(f"There are no weights in {folder.name}.", field=folder.name, cure="Fetch them again.")
    try:
        loaded = kind.from_pretrained(
            folder, dtype=_dtype(weights), variant=variant, local_files_only=True, use_safetensors=True
        )
    except (OSError, KeyError, ValueError) as error:
        raise WeightsCorrupt(
            f"The weights in {folder.name} cannot be read.", field=folder.name, cure="Run: python cli.py doctor"
        ) from error
    return loaded.eval()


def _of_folder(folder: Path, variant: str | None = None) -> tuple[Path, ...]:
    """Weights (of a variant) and configuration, sorted."""
    weights = sorted(folder.glob("*.safetensors"))
    if variant is not None:
        weights = [file for file in weights if f".{variant}." in file.name or f".{variant}-" in file.name]
    return (*weights, *sorted(folder.glob("config.json")))


def _dtype(files: tuple[Path | None, ...]) -> torch.dtype:
    """Precision of the first tensor in a file; what is stored at half precision is not blown up on its way."""
    file = files[0]
    assert file is not None
    try:
        with safe_open(file, "pt") as tensors:
            name = next(iter(tensors.keys()))
            found = tensors.get_tensor(name).dtype
    except (SafetensorError, OSError, StopIteration) as error:
        raise WeightsCorrupt(f"{file.name} cannot be read.", field=file.name, cure="Fetch it again.") from error
    return found if found in HALF else torch.float32


def _lora_state(lora: FusedLora, unet: Any) -> Any:
    from diffusers import StableDiffusionXLPipeline

    return StableDiffusionXLPipeline.lora_state_dict(
        str(lora.file), unet_config=None if unet is None else unet.config, local_files_only=True
    )


def _fuse_unet(unet: Any, lora: FusedLora, name: str) -> None:
    from diffusers import StableDiffusionXLPipeline

    try:
        state, alphas = _lora_state(lora, unet)
        StableDiffusionXLPipeline.load_lora_into_unet(state, alphas, unet, adapter_name=name)
        unet.set_adapters([name], [lora.weight])
        unet.fuse_lora(adapter_names=[name])
        unet.unload_lora()
    except (ValueError, RuntimeError, KeyError) as error:
        raise _misfit(lora) from error


def _fuse_text(encoder: Any, lora: FusedLora, prefix: str, name: str) -> None:
    from diffusers import StableDiffusionXLPipeline
    from peft.tuners.lora import LoraLayer
    from peft.tuners.tuners_utils import BaseTunerLayer

    state, alphas = _lora_state(lora, None)
    if not any(key.startswith(f"{prefix}.") for key in state):
        return
    try:
        StableDiffusionXLPipeline.load_lora_into_text_encoder(
            state, alphas, encoder, prefix=prefix, lora_scale=lora.weight, adapter_name=name
        )
    except (ValueError, RuntimeError, KeyError) as error:
        raise _misfit(lora) from error
    for path, module in list(encoder.named_modules()):
        if isinstance(module, LoraLayer) and isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, child = path.rpartition(".")
            setattr(encoder.get_submodule(parent), child, module.get_base_layer())


def _misfit(lora: FusedLora) -> RequestError:
    return RequestError(
        f"The LoRA file {lora.file.name} does not fit these weights.",
        field="loras",
        cure="Choose a LoRA that was trained for this base model.",
    )
