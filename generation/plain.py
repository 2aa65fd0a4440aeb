"""Plain SDXL: the base model of a profile without InstantID. Pictures of the prompt, and of nobody in particular."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from errors import WeightsCorrupt
from generation import modes, ranges
from generation.decode import decode
from generation.loading import placed
from generation.memory import free_gib, free_memory, is_memory_error, out_of_memory, pick_device, plan
from generation.picture import cancelled
from generation.request import GeneratedImage, GenerationRequest, GenerationResult, Progress
from generation.schedulers import SCHEDULERS, build_scheduler
from generation.settings import Settings
from style_presets import STYLES, Style, apply_style
from weights.store import Store

if TYPE_CHECKING:
    from weights.registry import Profile

NOTE = "The pictures show nobody in particular: they were made without the photos."


SLOWER = "steps and guidance are those of the mode quality."


class PlainEngine:
    """The same events as `generation.engine.Engine.generate`, from text alone.

    pipeline: diffusers' StableDiffusionXLPipeline. styles: the presets on offer.
    """

    def __init__(self, pipeline: Any, profile: Profile, styles: Mapping[str, Style] = STYLES) -> None:
        self.profile = profile
        self._styles = styles
        self._pipeline = pipeline
        self._scheduler_config = dict(pipeline.scheduler.config)
        self._lock = threading.Lock()
        pipeline.set_progress_bar_config(disable=True)

    def generate(
        self, request: GenerationRequest, cancel: threading.Event | None = None
    ) -> Generator[Progress | GenerationResult, None, None]:
        """Progress after each picture, the result last; photos, pose and everything else about faces is left aside.

        Raises RequestError, Cancelled within a step, OutOfMemory.
        """
        wish = self._settled(request)
        prompt, negative = apply_style(wish.style, wish.prompt, wish.negative_prompt, self._styles)
        began = time.perf_counter()
        images: list[GeneratedImage] = []
        with self._lock:
            for number in range(wish.count):
                yield Progress("denoising", number, wish.count, tuple(made.image for made in images))
                seed = ((wish.seed or 0) + number) % (ranges.MAX_SEED + 1)
                images.append(GeneratedImage(self._picture(wish, prompt, negative, seed, cancel), seed))
        yield GenerationResult(
            images=tuple(images),
            settings={
                **wish.to_settings(),
                "styled_prompt": prompt,
                "styled_negative_prompt": negative,
                "profile": self.profile.name,
                "method": "sdxl_fallback",
            },
            profile=self.profile.name,
            seconds=time.perf_counter() - began,
            references=(),
            landmarks=Image.new("RGB", images[0].image.size),
            notes=(*wish.notes, NOTE),
        )

    def _settled(self, request: GenerationRequest) -> GenerationRequest:
        """Resolved, in the quality mode where the mode asked for needs a LoRA; the request's notes say so."""
        wanted, notes = request, ()
        if request.mode is not None and modes.lora_of(request.mode, self.profile) is not None:
            wanted = replace(request, mode="quality", steps=None, guidance=None)
            notes = (f"Without InstantID the speed mode {request.mode} is not there: {SLOWER}",)
        plain = replace(wanted, loras=(), controls=(), into=None, start_picture=None, mask=None)
        settled = plain.resolved(self.profile, self._styles)
        return replace(settled, notes=(*notes, *settled.notes))

    def _picture(
        self, wish: GenerationRequest, prompt: str, negative: str, seed: int, cancel: threading.Event | None
    ) -> Image.Image:
        def stopped() -> bool:
            return cancel is not None and cancel.is_set()

        def on_step_end(pipeline: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
            pipeline._interrupt = stopped()
            return {}

        solver = wish.scheduler or ""
        self._pipeline.scheduler = build_scheduler(solver, self._scheduler_config)
        try:
            latents = self._pipeline(
                prompt=prompt,
                negative_prompt=negative,
                width=wish.width,
                height=wish.height,
                num_inference_steps=wish.steps,
                guidance_scale=wish.guidance,
                eta=SCHEDULERS[solver].eta,
                generator=torch.Generator("cpu").manual_seed(seed),
                callback_on_step_end=on_step_end,
                output_type="latent",
            ).images
            if stopped():
                raise cancelled()
            return decode(self._pipeline, latents)[0]
        except (RuntimeError, MemoryError) as error:
            if not is_memory_error(error):
                raise
            free_memory()
            raise out_of_memory() from error


def load_plain(profile: Profile, settings: Settings | None = None, styles: Mapping[str, Style] = STYLES) -> PlainEngine:
    """Loads the base of a profile alone. Downloads nothing.

    Raises WeightsMissing, WeightsCorrupt.
    """
    settings = settings or Settings.from_environment()
    store = Store(settings.models_dir, settings.offline or None)
    base = store.path(profile.base, alone=True)
    vae = None if profile.vae is None else store.path(profile.vae, alone=True)
    device = pick_device(settings.device)
    how = plan(profile, device, free_gib(device), dtype=settings.dtype)
    from diffusers import AutoencoderKL, StableDiffusionXLPipeline

    common: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
    try:
        parts = {} if vae is None else {"vae": AutoencoderKL.from_pretrained(vae, dtype=how.vae_dtype, **common)}
        pipeline = StableDiffusionXLPipeline.from_pretrained(
            base, dtype=how.dtype, variant=profile.base.weight.variant, add_watermarker=False, **parts, **common
        )
    except (OSError, KeyError) as error:
        raise WeightsCorrupt(
            f"The base of {profile.name} cannot be read.", field=profile.name, cure="Run: python cli.py doctor"
        ) from error
    pipeline.vae.to(dtype=how.vae_dtype)
    return PlainEngine(placed(pipeline, how), profile, styles)
