"""The diffusion's noise: schedule, where in it training looks, and the v target."""

from __future__ import annotations

import functools

import torch
from diffusers import DDIMScheduler

STEPS = 1000


def new_scheduler() -> DDIMScheduler:
    """The scheduler that the bundle ships: scaled-linear, v-prediction, starting at the last step."""
    return DDIMScheduler(
        num_train_timesteps=STEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        timestep_spacing="trailing",
    )


@functools.cache
def _tables() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    kept = new_scheduler().alphas_cumprod
    density = (5 / (kept / (1 - kept) + 1)).clamp(max=1.0)
    return kept.sqrt(), (1 - kept).sqrt(), (density / density.sum()).cumsum(0)


def timesteps(batch: int, generator: torch.Generator) -> torch.Tensor:
    """(batch,) int64, stratified, with density min(1, 5 / (signal-to-noise + 1))."""
    spots = (torch.arange(batch) + torch.rand(batch, generator=generator)) / batch
    return torch.searchsorted(_tables()[2], spots).clamp(max=STEPS - 1)


def noised(clean: torch.Tensor, noise: torch.Tensor, steps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The noised latents and the v that a network must predict, both of clean's shape (batch, channels, h, w)."""
    signal, amount, _ = _tables()
    a, b = signal[steps][:, None, None, None], amount[steps][:, None, None, None]
    return a * clean + b * noise, a * noise - b * clean
