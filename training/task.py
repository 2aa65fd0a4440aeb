"""What a run learns: IdentityNet and adapter, or a LoRA of few steps."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from diffusers import ControlNetModel
from torch import nn

from ip_adapter.attention import face_state
from ip_adapter.checkpoint import save_adapter
from training.config import Config
from training.loss import NoiseLoss
from training.networks import Networks

ADAPTER_FILE, NET_FOLDER = "ip-adapter.safetensors", "ControlNetModel"


class Task(Protocol):
    """loss: a module that gives the loss of each row of a batch; its parameters that take gradients are what learns."""

    networks: Networks
    loss: nn.Module

    def groups(self) -> list[dict[str, Any]]:
        """Parameter groups of the optimizer, with their rates."""
        ...

    def export(self, folder: Path) -> None:
        """Write what was learnt, as the product reads it."""
        ...

    def sampling(self) -> Mapping[str, Any]:
        """Arguments of the pipeline for validation pictures."""
        ...


class FaceTask:
    """IdentityNet, resampler and face attention learn on a frozen base (arXiv 2401.07519, section 3.3)."""

    def __init__(self, networks: Networks, config: Config) -> None:
        self.networks, self.config = networks, config
        self.loss = NoiseLoss(networks, config.loss.min_snr)

    def groups(self) -> list[dict[str, Any]]:
        rates = self.config.optimizer.rate, self.config.optimizer.adapter_rate
        return [{"params": part, "lr": rate} for part, rate in zip(self.networks.face_parameters(), rates, strict=True)]

    def export(self, folder: Path) -> None:
        """`ip-adapter.safetensors` and `ControlNetModel/` in half precision, InstantID's own formats."""
        state = face_state(self.networks.unet)
        half = {group: {name: value.half() for name, value in part.items()} for group, part in state.items()}
        save_adapter(half, folder / ADAPTER_FILE)
        net = self.networks.identity_net
        with torch.device("meta"):
            copy = cast(ControlNetModel, ControlNetModel.from_config(net.config))
        copy.load_state_dict({name: value.half().cpu() for name, value in net.state_dict().items()}, assign=True)
        fresh = folder / f"{NET_FOLDER}.partial"
        shutil.rmtree(fresh, ignore_errors=True)
        copy.save_pretrained(fresh)
        shutil.rmtree(folder / NET_FOLDER, ignore_errors=True)
        fresh.rename(folder / NET_FOLDER)

    def sampling(self) -> Mapping[str, Any]:
        profile, wanted = self.config.weights, self.config.validation
        return {
            "num_inference_steps": wanted.steps or profile.steps,
            "guidance_scale": profile.guidance if wanted.guidance < 0 else wanted.guidance,
            "ip_adapter_scale": 1.0,
            "controlnet_conditioning_scale": 1.0,
        }


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a loss that learn, by name."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def give(module: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Put weights, by name, into the parameters that learn."""
    with torch.no_grad():
        for name, parameter in trained(module).items():
            parameter.copy_(weights[name])
