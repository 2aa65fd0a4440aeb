"""Pictures of an unfinished run that cost little: what the network now thinks the picture will be."""

import functools
import time
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image

from generation.decode import to_pictures

LONGEST = 256
"""Longest side of a preview in px: decoding 1024 px costs about sixteen times as much."""

SHARE = 0.1
"""Part of the time of a run that previews may take."""


class Previews:
    """Watches one scheduler, which must serve one run only, and decodes the predicted picture when there is time.

    The latents themselves are noise until late in a run; the predicted clean latents show a picture from the start.
    """

    def __init__(self, pipeline: Any, scheduler: Any) -> None:
        self._pipeline = pipeline
        self._scheduler = scheduler
        # With models taking turns on the device, each preview would send the UNet away and fetch it back.
        self._too_dear = hasattr(pipeline.vae, "_hf_hook")
        self._seen: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None
        self._started = time.perf_counter()
        self._spent = 0.0
        self._last = 0.0
        self._watch()

    def _watch(self) -> None:
        step = self._scheduler.step

        @functools.wraps(step)
        def watched(model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            scaled = self._scheduler.scale_model_input(sample, timestep)
            self._seen = (model_output, torch.as_tensor(timestep), scaled)
            return step(model_output, timestep, sample, *args, **kwargs)

        self._scheduler.step = watched

    def picture(self) -> Image.Image | None:
        """RGB, longest side about 256 px at most; None when the time for previews is used up or nothing is there."""
        elapsed = time.perf_counter() - self._started
        if self._seen is None or self._too_dear or self._spent + self._last > SHARE * elapsed:
            return None
        began = time.perf_counter()
        latents = predicted(self._scheduler, *self._seen)
        reduction = -(-max(latents.shape[-2:]) * self._pipeline.vae_scale_factor // LONGEST)
        if reduction > 1:
            height, width = (max(1, side // reduction) for side in latents.shape[-2:])
            latents = F.interpolate(latents.float(), (height, width), mode="area").to(latents.dtype)
        pictures = to_pictures(self._pipeline, latents)
        self._last = time.perf_counter() - began
        self._spent += self._last
        return pictures[0] if pictures else None


def predicted(scheduler: Any, model_output: torch.Tensor, timestep: torch.Tensor, scaled: torch.Tensor) -> torch.Tensor:
    """Clean latents that a network output stands for: (batch, channels, h, w).

    Args:
        scaled: what the network was given, of unit variance at every noise level.

    With a = cumulative product of alphas: x0 = (x - sqrt(1 - a) e) / sqrt(a) for predicted noise e (Ho et al. 2020,
    equation 15), x0 = sqrt(a) x - sqrt(1 - a) v for predicted velocity v (Salimans and Ho 2022, appendix D).
    """
    alphas = scheduler.alphas_cumprod
    alpha = alphas[timestep.to(alphas.device).round().long().clamp(0, len(alphas) - 1)].to(scaled.device, scaled.dtype)
    noise = (1 - alpha).sqrt()
    if scheduler.config.prediction_type == "v_prediction":
        return alpha.sqrt() * scaled - noise * model_output
    if scheduler.config.prediction_type == "sample":
        return model_output
    return (scaled - noise * model_output) / alpha.sqrt()
