"""A run's folder out of a shipped bundle, so that training goes on from weights whose checkpoints are gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, StableDiffusionXLPipeline
from safetensors.torch import save_file

from ip_adapter.checkpoint import load_adapter_state
from training.miniature.adapter import SHIPPED_GAIN, strengthened
from training.miniature.codec import PATCH, Components, patches_of

AUTOENCODER = "autoencoder.safetensors"
FITTED = 512
RIDGE = 1e-4


@torch.inference_mode()
def components_of(autoencoder: AutoencoderKL, pictures: np.ndarray) -> Components:
    """The linear code that an autoencoder's encoder has learnt, by least squares.

    pictures: (n, side, side, 3) uint8 RGB; together they need more patches than a patch has numbers.
    """
    pixels = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    told = torch.cat([autoencoder.encode(part).latent_dist.mean for part in pixels.split(64)])
    latents = told.permute(0, 2, 3, 1).flatten(0, 2).double().numpy()
    patches = patches_of(pictures, PATCH).reshape(len(latents), -1).astype(np.float64)
    mean = patches.mean(0)
    centred = patches - mean
    gram = centred.T @ centred
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    directions = np.linalg.solve(gram, centred.T @ (latents - latents.mean(0))).T
    deviation = np.linalg.norm(directions, axis=1)
    basis = directions / deviation[:, None]
    mean -= basis.T @ (latents.mean(0) / deviation)
    return Components(mean.astype(np.float32), basis.astype(np.float32), deviation.astype(np.float32))


def restore(bundle: Path, pictures: np.ndarray, out: Path) -> None:
    """Write what stages after the base start from: tokenizer, components, the base's weights, and those of a face.

    Args:
        bundle: folder with ``base/``, ``ControlNetModel/`` and ``ip-adapter.safetensors``.
        pictures: (n, side, side, 3) uint8 RGB, drawn as the training's were.
        out: gets ``autoencoder.safetensors``, ``components.npz``, ``prepared/tokenizer``, ``base.safetensors`` and
            ``restored.safetensors``.
    """
    pipeline = StableDiffusionXLPipeline.from_pretrained(bundle / "base").to(torch.float32)
    (out / "prepared").mkdir(parents=True, exist_ok=True)
    shutil.copytree(bundle / "base" / "tokenizer", out / "prepared" / "tokenizer", dirs_exist_ok=True)
    components_of(pipeline.vae, pictures[:FITTED]).save(out / "components.npz")
    save_file(dict(pipeline.vae.state_dict()), out / AUTOENCODER)
    weights = {
        f"{name}.{key}": value.contiguous()
        for name in ("unet", "text_encoder", "text_encoder_2")
        for key, value in getattr(pipeline, name).state_dict().items()
    }
    save_file(weights, out / "base.safetensors")

    adapter = load_adapter_state(bundle / "ip-adapter.safetensors")
    exact = {name: value.float() for name, value in adapter["image_proj"].items()}
    resampler = pipeline.unet._convert_ip_adapter_image_proj_to_diffusers(exact)
    net = ControlNetModel.from_pretrained(bundle / "ControlNetModel").float()
    face = {f"resampler.{name}": value for name, value in resampler.state_dict().items()}
    face |= {f"identity_net.{name}": value for name, value in net.state_dict().items()}
    processors = list(pipeline.unet.attn_processors)
    for key, value in adapter["ip_adapter"].items():
        index, part = key.split(".", 1)
        face[f"unet.{processors[int(index)]}.{part}"] = value.float()
    face = strengthened(face, 1 / SHIPPED_GAIN)
    save_file({name: value.contiguous() for name, value in face.items()}, out / "restored.safetensors")
