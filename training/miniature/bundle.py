"""The three-part bundle: base pipeline, IdentityNet and adapter, as the app and diffusers load them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

from training.miniature.adapter import (
    SHIPPED_GAIN,
    AdapterStage,
    adapter_state,
    new_identity_net,
    split_weights,
    strengthened,
)
from training.miniature.base import BLOCKS, BaseStage, new_unet
from training.miniature.checkpoint import averaged_weights, checkpoint_of
from training.miniature.claims import fingerprint
from training.miniature.codec import Components, assembled, new_autoencoder
from training.miniature.export import store_half
from training.miniature.face_pack import RECOGNISER_FILE
from training.miniature.loop import trained
from training.miniature.noise import new_scheduler
from training.miniature.restore import AUTOENCODER
from training.miniature.template_map import MAP_FILE, SOURCE
from training.miniature.text import load_tokenizer, new_text_encoders
from weights.bundle import write_sums

PACKS = ("face", "face_other")
EXTRAS = ("controls/canny", "controls/depth", "controls/depth_estimator", "loras")


def save_base(
    folder: Path, *, weights: dict[str, torch.Tensor], autoencoder: AutoencoderKL, tokenizer: CLIPTokenizer,
    blocks: tuple[int, ...],
) -> UNet2DConditionModel:  # fmt: skip
    """Write ``folder`` as StableDiffusionXLPipeline.save_pretrained does, in half precision.

    weights: of a BaseStage by parameter name (``unet.``, ``text_encoder.``, ``text_encoder_2.``).
    Returns the network.
    """
    first, second = new_text_encoders(len(tokenizer))
    unet = new_unet(blocks, autoencoder.config["latent_channels"])
    for prefix, module in (("unet", unet), ("text_encoder", first), ("text_encoder_2", second)):
        part = {name.removeprefix(f"{prefix}."): v for name, v in weights.items() if name.startswith(f"{prefix}.")}
        module.load_state_dict(part)
    for module in (first, second):
        module.config._attn_implementation = "sdpa"
    pipeline = StableDiffusionXLPipeline(
        vae=autoencoder, text_encoder=first, text_encoder_2=second, tokenizer=tokenizer, tokenizer_2=tokenizer,
        unet=unet, scheduler=new_scheduler(), force_zeros_for_empty_prompt=False, add_watermarker=False,
    ).to(torch.float16)  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)
    pipeline.save_pretrained(folder, safe_serialization=True)
    for name in ("text_encoder", "text_encoder_2"):
        # transformers loads in the dtype that is written here, diffusers in float32: they have to agree.
        config = folder / name / "config.json"
        config.write_text(
            json.dumps(json.loads(config.read_text(encoding="utf-8")) | {"dtype": "float32"}, indent=2) + "\n",
            encoding="utf-8",
        )
    return unet


def save_adapter_parts(folder: Path, *, weights: dict[str, torch.Tensor], unet: UNet2DConditionModel) -> None:
    """Write ``ControlNetModel/`` and ``ip-adapter.safetensors`` of an AdapterStage's weights, in half precision."""
    weights = strengthened(weights, SHIPPED_GAIN)
    net = new_identity_net(unet)
    prefix = "identity_net."
    net.load_state_dict({k.removeprefix(prefix): v.float() for k, v in weights.items() if k.startswith(prefix)})
    shutil.rmtree(folder / "ControlNetModel", ignore_errors=True)
    net.half().save_pretrained(folder / "ControlNetModel", safe_serialization=True)
    state = adapter_state(weights, unet)
    save_file({name: v.half().contiguous() for name, v in state.items()}, folder / "ip-adapter.safetensors")


def write(out: Path, to: Path) -> None:
    """Write the bundle of a run's newest checkpoints (moving averages) to ``to``.

    A stage without a checkpoint gives its untrained weights, or what was restored of it; a run without face packs of
    its own leaves ``to/face`` and ``to/face_other`` alone, and so do nets and LoRAs. The map between the recognisers
    of an earlier bundle goes with them. The list of hashes is renewed for the whole folder.
    """
    tokenizer = load_tokenizer(out / "prepared" / "tokenizer")
    channels = len(Components.load(out / "components.npz").deviation)
    kept = out / AUTOENCODER
    halves = load_file(kept) if kept.exists() else {}
    for name in ("decoder", "encoder"):
        if checkpoint_of(out / name) is not None:
            halves |= averaged_weights(out / name)
    autoencoder = assembled(new_autoencoder(channels).state_dict() | halves, channels)
    weights, learnt = newest(out)
    to.mkdir(parents=True, exist_ok=True)
    unet = save_base(to / "base", weights=weights, autoencoder=autoencoder, tokenizer=tokenizer, blocks=BLOCKS)
    save_adapter_parts(to, weights=learnt, unet=unet)
    before = _recognisers(to)
    for pack in PACKS:
        if (out / pack).is_dir():
            shutil.copytree(out / pack, to / pack, dirs_exist_ok=True)
        for file in sorted((to / pack).glob("*.onnx")):
            store_half(file)
    if _recognisers(to) != before:
        (to / SOURCE / MAP_FILE).unlink(missing_ok=True)
    copy_extras(out, to)
    write_sums(to)


def _recognisers(folder: Path) -> list[str]:
    files = (folder / pack / RECOGNISER_FILE for pack in PACKS)
    return [fingerprint(file) if file.exists() else "" for file in files]


def copy_extras(out: Path, to: Path) -> None:
    """Copy the nets, annotators and LoRAs that a run trained on its base; what it did not train stays as it is."""
    for part in EXTRAS:
        if (out / part).is_dir():
            shutil.copytree(out / part, to / part, dirs_exist_ok=True)


def newest(out: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The newest weights of a run: the base's (UNet and text encoders), and those that a face needs."""
    if checkpoint_of(out / "adapter") is not None:
        return load_file(base_file(out)), averaged_weights(out / "adapter")
    if checkpoint_of(out / "joint") is not None:
        unet, face = split_weights(averaged_weights(out / "joint"))
        return load_file(out / "base.safetensors") | unet, face
    base = BaseStage(out / "prepared", len(load_tokenizer(out / "prepared" / "tokenizer")))
    weights = averaged_weights(out / "base") if checkpoint_of(out / "base") is not None else _untrained(base)
    save_file({name: value.contiguous() for name, value in weights.items()}, out / "base.safetensors")
    return weights, _untrained(AdapterStage(out / "prepared", out / "base.safetensors"))


def base_file(out: Path) -> Path:
    """The base that the adapter is trained on: after the joint stage where there was one."""
    joint = out / "joint.safetensors"
    return joint if joint.exists() else out / "base.safetensors"


def _untrained(stage: BaseStage | AdapterStage) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in trained(stage.build()).items()}
