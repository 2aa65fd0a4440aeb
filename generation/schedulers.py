"""Schedulers by the names people know, each built anew from the weights' own configuration.

A scheduler holds state of a run (timesteps, history of model outputs) and `from_config` copies whatever an earlier
choice had set. Building each from the pristine configuration keeps one request from leaking into the next.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffusers import SchedulerMixin


@dataclass(frozen=True)
class Scheduler:
    """A diffusers class and what is set on top of the configuration of the weights.

    eta: share of fresh noise in each step, for those that take one (TCD: Zheng et al. 2024, arXiv 2402.19159).
    """

    class_name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    eta: float = 0.0


SCHEDULERS: dict[str, Scheduler] = {
    "Euler": Scheduler("EulerDiscreteScheduler"),
    "Euler a": Scheduler("EulerAncestralDiscreteScheduler"),
    "DDIM": Scheduler("DDIMScheduler"),
    "DPM++ 2M": Scheduler("DPMSolverMultistepScheduler"),
    "DPM++ 2M Karras": Scheduler("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "DPM++ 2M SDE": Scheduler("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "UniPC": Scheduler("UniPCMultistepScheduler"),
    "Heun": Scheduler("HeunDiscreteScheduler"),
    "LCM": Scheduler("LCMScheduler"),
    "Euler trailing": Scheduler("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "DDIM trailing": Scheduler("DDIMScheduler", {"timestep_spacing": "trailing"}),
    "TCD": Scheduler("TCDScheduler", eta=0.3),
}

_NEUTRAL = {"use_karras_sigmas": False, "clip_sample": False, "thresholding": False, "algorithm_type": "dpmsolver++"}
"""Set for every name, so that a name means the same on all weights; latents are never clipped to [-1, 1]."""


def build_scheduler(name: str, pristine: Mapping[str, Any]) -> SchedulerMixin:
    """A fresh scheduler.

    Args:
        name: a key of `SCHEDULERS`.
        pristine: configuration of the scheduler that the weights were saved with; its noise schedule and
            prediction type hold for every solver.
    """
    import diffusers

    chosen = SCHEDULERS[name]
    scheduler_class = getattr(diffusers, chosen.class_name)
    wanted = {**pristine, **_NEUTRAL, **chosen.options}
    accepted = inspect.signature(scheduler_class.__init__).parameters
    return scheduler_class.from_config({key: value for key, value in wanted.items() if key in accepted})
