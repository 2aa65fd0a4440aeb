"""The loss of the paper: the frozen base is asked to predict the noise, and what a face adds has to help it."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from torch import nn
from torch.nn import functional

from training.examples import draws_of
from training.networks import Networks


class NoiseLoss(nn.Module):
    """Squared error of the predicted noise, or of v where the base predicts that (arXiv 2401.07519, eq. 4)."""

    def __init__(self, networks: Networks, min_snr: float = 0.0) -> None:
        """min_snr: gamma of min-SNR weighting (arXiv 2303.09556), 0 for none."""
        super().__init__()
        self.networks, self.min_snr = networks, min_snr
        self.schedule = DDPMScheduler.from_config(networks.pipeline.scheduler.config)

    def forward(self, batch: dict[str, Any]) -> torch.Tensor:
        """Loss of each row, (rows,), of a batch of `training.examples`."""
        networks, schedule = self.networks, self.schedule
        latents = networks.encode_pictures(batch["pixels"])
        words, pooled = networks.encode_texts(batch["caption"])
        steps = schedule.config["num_train_timesteps"]
        timesteps = (draws_of(batch)[:, 0] * steps).long().to(latents.device)
        noisy = schedule.add_noise(latents, batch["noise"], timesteps)
        made = networks(noisy, timesteps, words, pooled, batch["face"], batch["landmarks"], batch["sizes"])
        if schedule.config["prediction_type"] == "v_prediction":
            wanted = schedule.get_velocity(latents, batch["noise"], timesteps)
        else:
            wanted = batch["noise"]
        loss = functional.mse_loss(made.float(), wanted.float(), reduction="none").mean(dim=(1, 2, 3))
        return loss * self._weights(timesteps) if self.min_snr else loss

    def _weights(self, timesteps: torch.Tensor) -> torch.Tensor:
        snr = compute_snr(self.schedule, timesteps)
        shown = snr.clamp(max=self.min_snr)
        return shown / (snr + 1 if self.schedule.config["prediction_type"] == "v_prediction" else snr)
