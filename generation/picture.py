"""One picture: a fresh scheduler, one pass of the pipeline, one decode."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from PIL import Image

from errors import Cancelled
from generation.decode import decode
from generation.memory import free_memory, is_memory_error
from generation.prepare import Prepared
from generation.preview import Previews
from generation.schedulers import SCHEDULERS, build_scheduler
from generation.windows import ROWS, without_guidance

Tell = Callable[[int, int, Image.Image | None], None]
"""Told after each step: steps done, steps in all, a preview when there is one."""


def make_picture(
    pipeline: Any,
    scheduler_config: Mapping[str, Any],
    prepared: Prepared,
    seed: int,
    tell: Tell,
    stopped: Callable[[], bool],
) -> Image.Image:
    """Raises Cancelled within one step after `stopped` turns true, BrokenPicture, and torch's memory errors.

    Args:
        pipeline: its scheduler is replaced; the caller puts the old one back.
        scheduler_config: of the scheduler that came with the weights.
    """
    wish = prepared.request
    if stopped():
        raise cancelled()
    solver = wish.scheduler or ""
    pipeline.scheduler = build_scheduler(solver, scheduler_config)
    previews = Previews(pipeline, pipeline.scheduler)

    def on_step_end(pipe: Any, index: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        if stopped():
            pipe._interrupt = True
            return {}
        tell(index + 1, pipe.num_timesteps, previews.picture())
        return without_guidance(pipe, values) if index + 1 >= guided_steps(pipe.num_timesteps) else {}

    def guided_steps(steps: int) -> int:
        return steps if wish.guidance_end is None else math.ceil(wish.guidance_end * steps)

    width, height = prepared.landmarks.size
    latents = pipeline(
        prompt=prepared.prompt,
        negative_prompt=prepared.negative_prompt,
        image_embeds=prepared.identity.embedding,
        image=prepared.landmarks,
        control_mask=prepared.region,
        width=width,
        height=height,
        num_inference_steps=wish.steps,
        guidance_scale=wish.guidance,
        controlnet_conditioning_scale=wish.identity_net_scale,
        ip_adapter_scale=wish.adapter_scale,
        control_guidance_start=wish.identity_start,
        control_guidance_end=wish.identity_end,
        generator=torch.Generator("cpu").manual_seed(seed),
        eta=SCHEDULERS[solver].eta,
        callback_on_step_end=on_step_end,
        callback_on_step_end_tensor_inputs=list(ROWS),
        output_type="latent",
    ).images
    if stopped():
        raise cancelled()
    return _decode_in_memory(pipeline, latents)


def cancelled() -> Cancelled:
    return Cancelled("The run was stopped.")


def _decode_in_memory(pipeline: Any, latents: torch.Tensor) -> Image.Image:
    try:
        return decode(pipeline, latents)[0]
    except (RuntimeError, MemoryError) as error:
        if not is_memory_error(error):
            raise
    free_memory()
    tiled = pipeline.vae.use_tiling
    pipeline.vae.enable_tiling()
    try:
        return decode(pipeline, latents)[0]
    finally:
        pipeline.vae.use_tiling = tiled
