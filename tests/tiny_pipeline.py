"""Our pipelines around the weights of tiny_sdxl.py, and how close two latents are."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch

from ip_adapter.attention import load_face
from ip_adapter.checkpoint import adapter_shapes
from pipeline_instantid import StableDiffusionXLInstantIDImg2ImgPipeline, StableDiffusionXLInstantIDPipeline
from tests import tiny_sdxl
from tests.golden.cases import CASES, Case

CASE = {case.name: case for case in CASES}


def build(variant: str = "plain", nets: int = 1, **changes: Any) -> Any:
    """A fresh pipeline with the adapter loaded."""
    kind = StableDiffusionXLInstantIDImg2ImgPipeline if variant == "img2img" else StableDiffusionXLInstantIDPipeline
    pipe: Any = kind(**tiny_sdxl.components(nets) | changes)
    pipe.set_progress_bar_config(disable=True)
    load_adapter(pipe)
    return pipe


def load_adapter(pipe: Any) -> None:
    load_face(pipe.unet, tiny_sdxl.adapter_state(adapter_shapes(pipe.unet, width=tiny_sdxl.WIDTH)))


@cache
def shared(variant: str = "plain", nets: int = 1) -> Any:
    """One pipeline for many tests: what a call leaves behind, the next one meets."""
    return build("plain" if variant == "full" else variant, nets)


def run(pipe: Any, case: Case | str = "guided", **changes: Any) -> torch.Tensor:
    """Latents (images, 4, height / 8, width / 8) of a case."""
    case = CASE[case] if isinstance(case, str) else case
    pipe.scheduler = case.make_scheduler()
    return pipe(**case.arguments() | {"ip_adapter_scale": case.adapter} | changes).images


def quick(pipe: Any, **changes: Any) -> torch.Tensor:
    """Latents of a two-step run."""
    return run(pipe, **{"num_inference_steps": 2} | changes)


def relative_error(ours: torch.Tensor | np.ndarray, theirs: torch.Tensor | np.ndarray) -> float:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
