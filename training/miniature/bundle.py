"""The three-part bundle: base pipeline, IdentityNet and adapter, as the app and diffusers load them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ControlNetModel, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTokenizer

from training.miniature.adapter import EMBEDDING, CROSS, adapter_state, install_face_attention, new_identity_net, new_resampler
from training.miniature.base import new_unet
from training.miniature.codec import assembled
from training.miniature.noise import new_scheduler
from training.miniature.text import new_text_encoders


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
    return unet


def save_adapter_parts(folder: Path, *, weights: dict[str, torch.Tensor], unet: UNet2DConditionModel) -> None:
    """Write ``ControlNetModel/`` and ``ip-adapter.safetensors`` of an AdapterStage's weights, in half precision."""
    net = new_identity_net(unet)
    prefix = "identity_net."
    net.load_state_dict({name.removeprefix(prefix): v.float() for name, v in weights.items() if name.startswith(prefix)})
    shutil.rmtree(folder / "ControlNetModel", ignore_errors=True)
    net.half().save_pretrained(folder / "ControlNetModel", safe_serialization=True)
    state = adapter_state(weights, unet)
    save_file({name: v.half().contiguous() for name, v in state.items()}, folder / "ip-adapter.safetensors")
