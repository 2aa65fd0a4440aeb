"""What the official pipelines were asked for `latents.npz`, which scripts/make_golden.py writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import diffusers
import torch

from tests import tiny_sdxl

KARRAS = {"use_karras_sigmas": True}


@dataclass(frozen=True)
class Case:
    """One call.

    Args:
        variant: which official pipeline answers: plain, full or img2img.
        nets: number of ControlNets, the first of them the IdentityNet.
        embeddings: number of embeddings given at once.
        size: (width, height) of the landmark picture.
        masked: whether control_mask is given.
        adapter: strength of the face attention.
        call: the other arguments.
    """

    name: str
    variant: str = "plain"
    nets: int = 1
    scheduler: str = "DDIMScheduler"
    options: dict[str, Any] = field(default_factory=dict)
    embeddings: int = 1
    size: tuple[int, int] = (64, 64)
    masked: bool = False
    adapter: float = 0.8
    call: dict[str, Any] = field(default_factory=dict)

    def make_scheduler(self) -> Any:
        schedule = tiny_sdxl.SCHEDULE
        if self.scheduler == "DDIMScheduler":
            schedule = {"clip_sample": False, "set_alpha_to_one": False, **schedule}
        return getattr(diffusers, self.scheduler)(**schedule, **self.options)

    def arguments(self) -> dict[str, Any]:
        pictures = [tiny_sdxl.picture(name, self.size) for name in ("landmarks", "depth", "edges")[: self.nets]]
        landmarks = pictures if self.nets > 1 else pictures[0]
        arguments: dict[str, Any] = {
            **tiny_sdxl.prompt(),
            "image_embeds": tiny_sdxl.face("ada", self.embeddings),
            "image": landmarks,
            "num_inference_steps": 4,
            "guidance_scale": 5.0,
            "controlnet_conditioning_scale": 0.8,
            "generator": torch.Generator().manual_seed(7),
            "output_type": "latent",
        }
        if self.variant == "img2img":
            arguments |= {"image": tiny_sdxl.picture("start", self.size), "control_image": landmarks}
        if self.masked:
            arguments["control_mask"] = tiny_sdxl.mask(self.size)
        return arguments | self.call


CASES = [
    Case("guided"),
    Case("unguided", call={"guidance_scale": 1.0}),
    Case("weak", adapter=0.2, call={"controlnet_conditioning_scale": 0.3}),
    Case("strong", adapter=1.5, call={"controlnet_conditioning_scale": 1.5}),
    Case("no face attention", adapter=0.0),
    Case("no identity net", call={"controlnet_conditioning_scale": 0.0}),
    Case("neither", adapter=0.0, call={"controlnet_conditioning_scale": 0.0, "guidance_scale": 1.0}),
    Case("three images", call={"num_images_per_prompt": 3}),
    Case("window", call={"num_inference_steps": 6, "control_guidance_start": 0.2, "control_guidance_end": 0.7}),
    Case("two embeddings", embeddings=2),
    Case("wide", size=(136, 72)),
    Case("resized", call={"height": 80, "width": 48}),
    Case("other sizes", call={"negative_original_size": (512, 512), "negative_target_size": (640, 640)}),
    Case("guess without guidance", call={"guess_mode": True, "guidance_scale": 1.0}),
    Case("euler", scheduler="EulerDiscreteScheduler"),
    Case("euler ancestral", scheduler="EulerAncestralDiscreteScheduler"),
    Case("dpm++ 2m", scheduler="DPMSolverMultistepScheduler"),
    Case("dpm++ 2m karras", scheduler="DPMSolverMultistepScheduler", options=KARRAS),
    Case("heun", scheduler="HeunDiscreteScheduler", call={"control_guidance_end": 0.6}),
    Case("lcm", scheduler="LCMScheduler", call={"guidance_scale": 0.0}),
    Case("two nets", "full", nets=2),
    Case(
        "three nets, windows",
        "full",
        nets=3,
        call={
            "controlnet_conditioning_scale": [0.8, 0.5, 0.0],
            "control_guidance_start": [0.0, 0.5, 0.0],
            "control_guidance_end": [0.5, 1.0, 1.0],
        },
    ),
    Case("mask", "full", masked=True),
    Case("mask, wide", "full", masked=True, size=(128, 64)),
    Case("mask, two nets", "full", masked=True, nets=2, call={"guidance_scale": 1.0}),
    Case("img2img", "img2img"),
    Case("img2img unguided", "img2img", call={"strength": 0.5, "guidance_scale": 1.0}),
    Case("img2img euler", "img2img", scheduler="EulerDiscreteScheduler", call={"strength": 0.9}),
]
