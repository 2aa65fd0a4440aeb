"""One picture: a fresh scheduler, one pass of the pipeline, one decode."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel
from PIL import Image

from errors import Cancelled, RequestError
from generation.canvas import keeping
from generation.controls import ReadyControl
from generation.decode import decode
from generation.memory import free_memory, is_memory_error
from generation.prepare import Prepared
from generation.preview import Previews
from generation.request import GenerationRequest
from generation.rescale import rescaled
from generation.schedulers import SCHEDULERS, build_scheduler
from generation.windows import Guidance, adapter_scale, guided
from pipeline_instantid import StableDiffusionXLInstantIDImg2ImgPipeline

EMBEDDING = 512

Tell = Callable[[int, int, Image.Image | None], None]
"""Told after each step: steps done, steps in all, a preview when there is one."""


def make_picture(
    pipeline: Any,
    scheduler_config: Mapping[str, Any],
    prepared: Prepared,
    nets: Sequence[Any],
    seed: int,
    tell: Tell,
    stopped: Callable[[], bool],
) -> Image.Image:
    """Raises Cancelled within one step after `stopped` turns true, BrokenPicture, and torch's memory errors.

    Args:
        pipeline: its scheduler is replaced; the caller puts the old one back.
        nets: a ControlNet for each of the prepared controls.
        scheduler_config: of the scheduler that came with the weights.
    """
    wish = prepared.request
    if stopped():
        raise cancelled()
    solver = wish.scheduler or ""
    pipeline = _suited(pipeline, prepared, nets)
    pipeline.scheduler = build_scheduler(solver, scheduler_config)
    previews = Previews(pipeline, pipeline.scheduler)
    guidance = Guidance(_known(wish.guidance_start), _known(wish.guidance_end))
    keep = None if prepared.scene.canvas is None else keeping(pipeline, prepared.scene.canvas, seed)

    def on_step_end(pipe: Any, index: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        if stopped():
            pipe._interrupt = True
            return {}
        tell(index + 1, pipe.num_timesteps, previews.picture())
        pipe.set_ip_adapter_scale(adapter_scale(wish, index + 1, pipe.num_timesteps))
        guidance.before(index + 1, pipe.num_timesteps)
        return {} if keep is None else {"latents": keep(values["latents"])}

    with rescaled(pipeline, _known(wish.guidance_rescale)), guided(pipeline, guidance):
        latents = pipeline(
            **_steered(prepared),
            negative_image_embeds=_noise(wish, seed),
            guidance_scale=wish.guidance,
            ip_adapter_scale=adapter_scale(wish, 0, _known(wish.steps)),
            generator=torch.Generator("cpu").manual_seed(seed),
            eta=SCHEDULERS[solver].eta,
            callback_on_step_end=on_step_end,
            callback_on_step_end_tensor_inputs=["latents"],
            output_type="latent",
        ).images
    if stopped():
        raise cancelled()
    return prepared.finished(_decode_in_memory(pipeline, latents))


def _noise(wish: GenerationRequest, seed: int) -> np.ndarray | None:
    """The face that guidance leads away from, (512,): uniform noise from 0 to `face_noise` in each number, or None.

    The form is that of the ComfyUI node, where 0.35 is usual.
    """
    if not wish.face_noise:
        return None
    return np.random.default_rng(seed).random(EMBEDDING, np.float32) * np.float32(wish.face_noise)


def _steered(prepared: Prepared) -> dict[str, Any]:
    """Who, where and what, by the names that the pipeline of this request has for them."""
    width, height = prepared.landmarks.size
    wish, controls = prepared.request, prepared.controls
    steered = {
        "prompt": prepared.prompt,
        "negative_prompt": prepared.negative_prompt,
        "image_embeds": tuple(identity.embedding for identity in prepared.identities),
        "control_mask": prepared.region if len(prepared.identities) == 1 else tuple(_known(prepared.region)),
        "width": width,
        "height": height,
        "num_inference_steps": wish.steps,
        "controlnet_conditioning_scale": _and_each(wish.identity_net_scale, controls, "strength"),
        "control_guidance_start": _and_each(wish.identity_start, controls, "start"),
        "control_guidance_end": _and_each(wish.identity_end, controls, "end"),
    }
    landmarks, canvas = _and_each(prepared.landmarks, controls, "picture"), prepared.scene.canvas
    if canvas is None:
        return {**steered, "image": landmarks}
    # A share of the run that has no step in it would leave nothing to do.
    steps = max(_known(wish.steps), math.ceil(1 / canvas.strength))
    return {
        **steered,
        "image": canvas.picture,
        "control_image": landmarks,
        "strength": canvas.strength,
        "num_inference_steps": steps,
    }


def _and_each(of_identity_net: Any, controls: Sequence[ReadyControl], name: str) -> Any:
    """A value for IdentityNet alone, or a list with the values of the controls behind it."""
    return [of_identity_net, *(getattr(one, name) for one in controls)] if controls else of_identity_net


def _suited(pipeline: Any, prepared: Prepared, nets: Sequence[Any]) -> Any:
    """The same networks as a pipeline for this request; the one given stays as it is."""
    kind = type(pipeline) if prepared.scene.canvas is None else StableDiffusionXLInstantIDImg2ImgPipeline
    if kind is type(pipeline) and not nets:
        return pipeline
    parts = dict(pipeline.components)
    if nets:
        parts["controlnet"] = MultiControlNetModel([parts["controlnet"], *nets])
    other = kind(**parts, add_watermarker=False)
    other.register_to_config(force_zeros_for_empty_prompt=pipeline.config.force_zeros_for_empty_prompt)
    other.set_progress_bar_config(disable=True)
    return other


def _known(value: Any) -> Any:
    if value is None:
        raise RequestError("The request is not settled yet.", field="steps", cure="Resolve the request first.")
    return value


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
