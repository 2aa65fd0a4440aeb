"""The predicted picture, whatever the solver: with a network that knows the answer it is the answer."""

import pytest
import torch

from generation.preview import predicted
from generation.schedulers import SCHEDULERS, build_scheduler

CONFIG = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "timestep_spacing": "trailing"}


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_clean_latents_are_found_at_the_first_step(name, prediction):
    scheduler = build_scheduler(name, {**CONFIG, "prediction_type": prediction})
    scheduler.set_timesteps(10)
    clean = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    step = scheduler.timesteps[3]
    alpha = scheduler.alphas_cumprod[int(step)]
    scaled = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    answer = noise if prediction == "epsilon" else alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
    assert torch.allclose(predicted(scheduler, answer, step, scaled), clean, atol=1e-3)
