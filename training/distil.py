"""Few steps: latent consistency distillation into a LoRA, with the face in it from the start.

Luo et al., LCM-LoRA (arXiv 2311.05556) and Song et al., Consistency Models (arXiv 2303.01469). The teacher is the
guided pipeline of the run: two rows a step, of which the unconditional one has the empty text and the zero face. The
student, the same UNet with the LoRA on it, answers with one row and no guidance.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler, LCMScheduler, StableDiffusionXLPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import nn

from training.config import Config, Distillation
from training.examples import draws_of
from training.networks import Networks

NAME = "lcm"
LAYERS = (
    "to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2",
    "conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj",
)  # fmt: skip
LORA_FILE = "pytorch_lora_weights.safetensors"
SIGMA_DATA = 0.5  # as LCMScheduler has it
FEW_STEPS = 4


class ConsistencyLoss(nn.Module):
    """How far the student's answer is from its answer one step of the solver nearer to the picture."""

    def __init__(self, networks: Networks, settings: Distillation) -> None:
        super().__init__()
        self.networks, self.settings = networks, settings
        self.schedule = DDPMScheduler.from_config(networks.pipeline.scheduler.config)
        self.scaling = LCMScheduler().config["timestep_scaling"]

    def forward(self, batch: dict[str, Any]) -> torch.Tensor:
        """Pseudo-Huber loss of each row, (rows,), of a batch of `training.examples`."""
        settings, steps = self.settings, self.schedule.config["num_train_timesteps"]
        latents = self.networks.encode_pictures(batch["pixels"])
        stride = steps // settings.solver_steps
        draws = draws_of(batch)
        picked = (draws[:, 0] * settings.solver_steps).long().to(latents.device)
        late = (picked + 1) * stride - 1
        early = (late - stride).clamp(min=0)
        low, high = settings.guidance
        guidance = (low + (high - low) * draws[:, 1]).float().view(-1, 1, 1, 1).to(latents.device)

        noisy = self.schedule.add_noise(latents, batch["noise"], late)
        asked = (*self.networks.encode_texts(batch["caption"]), batch["face"])
        unasked = (*self.networks.encode_texts([""] * len(noisy)), torch.zeros_like(batch["face"]))
        seen = batch["landmarks"], batch["sizes"]
        made = self._consistent(noisy, late, asked, seen)
        with torch.no_grad():
            self.networks.unet.disable_adapters()
            with_all = self._clean_and_noise(noisy, late, asked, seen)
            without = self._clean_and_noise(noisy, late, unasked, seen)
            self.networks.unet.enable_adapters()
            clean, noise = (bare + guidance * (full - bare) for full, bare in zip(with_all, without, strict=True))
            signal, amount = self._amounts(early)
            wanted = self._consistent(signal * clean + amount * noise, early, asked, seen)
        gap = (made - wanted).square() + settings.huber**2
        return (gap.sqrt() - settings.huber).mean(dim=(1, 2, 3))

    def _consistent(self, noisy: torch.Tensor, timesteps: torch.Tensor, asked: Any, seen: Any) -> torch.Tensor:
        scaled = (timesteps * self.scaling).float().view(-1, 1, 1, 1)
        skip = SIGMA_DATA**2 / (scaled.square() + SIGMA_DATA**2)
        out = scaled / (scaled.square() + SIGMA_DATA**2).sqrt()
        return skip * noisy + out * self._clean_and_noise(noisy, timesteps, asked, seen)[0]

    def _clean_and_noise(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, asked: Any, seen: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The latents and the noise in noisy ones, as the networks see them."""
        words, pooled, faces = asked
        made = self.networks(noisy, timesteps, words, pooled, faces, *seen).float()
        signal, amount = self._amounts(timesteps)
        if self.schedule.config["prediction_type"] == "v_prediction":
            return signal * noisy - amount * made, amount * noisy + signal * made
        return (noisy - amount * made) / signal, made

    def _amounts(self, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        kept = self.schedule.alphas_cumprod.to(timesteps.device)[timesteps].float().view(-1, 1, 1, 1)
        return kept.sqrt(), (1 - kept).sqrt()


class DistilTask:
    """A LoRA on the base's UNet learns; adapter and IdentityNet stay as they are."""

    def __init__(self, networks: Networks, config: Config) -> None:
        self.networks, self.config = networks, config
        for part in networks.face_parameters():
            for parameter in part:
                parameter.requires_grad_(False)
        lora = LoraConfig(
            r=config.distillation.rank,
            lora_alpha=config.distillation.rank,
            target_modules=list(LAYERS),
            exclude_modules=r"encoder_hid_proj\..*",  # the resampler has layers of the same names
        )
        torch.manual_seed(config.seed)
        networks.unet.add_adapter(lora, adapter_name=NAME)
        for parameter in self._parameters():
            parameter.data = parameter.data.float()
        self.loss = ConsistencyLoss(networks, config.distillation)

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.networks.unet.parameters() if parameter.requires_grad]

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": self._parameters(), "lr": self.config.optimizer.adapter_rate}]

    def export(self, folder: Path) -> None:
        """`pytorch_lora_weights.safetensors` in half precision, which diffusers' `load_lora_weights` reads."""
        state = get_peft_model_state_dict(self.networks.unet, adapter_name=NAME)
        half = {name: value.half() for name, value in state.items()}
        StableDiffusionXLPipeline.save_lora_weights(folder, unet_lora_layers=half, safe_serialization=True)

    def sampling(self) -> Mapping[str, Any]:
        wanted = self.config.validation
        return {
            "num_inference_steps": wanted.steps or FEW_STEPS,
            "guidance_scale": max(wanted.guidance, 0.0),
            "ip_adapter_scale": 1.0,
            "controlnet_conditioning_scale": 1.0,
            "scheduler": LCMScheduler.from_config(self.networks.pipeline.scheduler.config),
        }
