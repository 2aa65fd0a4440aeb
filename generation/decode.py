"""Latents to pictures, never a black one passed off as a success."""

from typing import Any

import torch
from PIL import Image

from errors import BrokenPicture


def to_pictures(pipeline: Any, latents: torch.Tensor) -> list[Image.Image] | None:
    """Decode as the VAE stands: latents (n, channels, h, w) to n RGB pictures, None when a value is not finite."""
    vae = pipeline.vae
    with torch.no_grad():
        decoded = vae.decode(_to_vae_scale(vae.config, latents.to(vae.dtype)), return_dict=False)[0]
    if not torch.isfinite(decoded).all():
        return None
    return pipeline.image_processor.postprocess(decoded.float(), output_type="pil")


def decode(pipeline: Any, latents: torch.Tensor) -> list[Image.Image]:
    """Decode; when half precision overflows (SDXL's own VAE does at float16), once more at float32.

    Raises BrokenPicture when there is no picture in the latents.
    """
    if not torch.isfinite(latents).all():
        raise BrokenPicture(
            "The networks lost the picture: their numbers left the range of their precision.",
            cure="Lower guidance and the two strengths, leave LoRAs out, or set INSTANTID_DTYPE=float32.",
        )
    pictures = to_pictures(pipeline, latents)
    if pictures is None and pipeline.vae.dtype != torch.float32:
        usual = pipeline.vae.dtype
        pipeline.vae.to(dtype=torch.float32)
        try:
            pictures = to_pictures(pipeline, latents)
        finally:
            pipeline.vae.to(dtype=usual)
    if pictures is None:
        raise BrokenPicture(
            "The decoder gave no picture, at full precision neither.",
            cure="Check the weights with: python cli.py doctor",
        )
    return pictures


def _to_vae_scale(config: Any, latents: torch.Tensor) -> torch.Tensor:
    mean, deviation = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if mean is None or deviation is None:
        return latents / config.scaling_factor
    shape = (1, -1, 1, 1)
    return latents * latents.new_tensor(deviation).view(shape) / config.scaling_factor + latents.new_tensor(mean).view(
        shape
    )
