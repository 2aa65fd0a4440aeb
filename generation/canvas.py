"""A picture to start from: regenerated to a degree, where its mask allows, and put back into where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from generation.crops import Crop, match_colours

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, eq=False)
class Canvas:
    """What a run starts from instead of noise.

    Attributes:
        picture: RGB, of the size to be made.
        strength: share of the run that is gone through, above 0 to 1: how much may change.
        mask: (height, width) in 0..1, where it may change; None for everywhere.
    """

    picture: Image.Image
    strength: float
    mask: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """Where a made picture goes when it is part of a larger one.

    Attributes:
        photo: the larger one, RGB.
        crop: the part that is made anew.
        mask: (height, width) of the photo in 0..1; where it is 0 no pixel changes.
        agree: (height, width) of the crop: where the made picture should have the photo's colours.
    """

    photo: Image.Image
    crop: Crop
    mask: np.ndarray
    agree: np.ndarray

    def put_back(self, made: Image.Image) -> Image.Image:
        """The whole photo with the made picture in its place."""
        return self.crop.paste(self.photo, match_colours(made, self.crop.cut(self.photo), self.agree), self.mask)


def keeping(pipeline: Any, canvas: Canvas, seed: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """What keeps the latents outside of the mask those of the picture, to be called with the latents of each step.

    Each step's latents are replaced, outside of the mask, by the picture's own at the noise level of the next step
    (Lugmayr et al. 2022, RePaint, without its resampling). The last step's are replaced by the clean ones.
    """
    if canvas.mask is None:
        return lambda latents: latents
    clean = encode(pipeline, canvas.picture)
    noise = torch.randn(clean.shape, generator=torch.Generator("cpu").manual_seed(seed)).to(clean)
    area = torch.tensor(canvas.mask, dtype=torch.float32)[None, None]
    mask = F.interpolate(area, clean.shape[-2:], mode="area").to(clean)
    done = 0

    def keep(latents: torch.Tensor) -> torch.Tensor:
        nonlocal done
        done += 1
        timesteps = pipeline.scheduler.timesteps[-pipeline.num_timesteps :]
        kept = clean
        if done < len(timesteps):
            kept = pipeline.scheduler.add_noise(clean, noise, timesteps[done : done + 1].to(clean.device))
        return (mask * latents + (1 - mask) * kept.to(latents)).to(latents.dtype)

    return keep


def encode(pipeline: Any, picture: Image.Image) -> torch.Tensor:
    """Latents (1, channels, h, w) of a picture, in the scale and precision of the UNet."""
    vae = pipeline.vae
    pixels = pipeline.image_processor.preprocess(picture).to(pipeline._execution_device, vae.dtype)
    with torch.no_grad():
        latents = vae.encode(pixels).latent_dist.mode()
    mean, deviation = getattr(vae.config, "latents_mean", None), getattr(vae.config, "latents_std", None)
    if mean is not None and deviation is not None:
        shape = (1, -1, 1, 1)
        latents = (latents - latents.new_tensor(mean).view(shape)) / latents.new_tensor(deviation).view(shape)
    return (latents * vae.config.scaling_factor).to(pipeline.unet.dtype)
