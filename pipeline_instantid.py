"""Where a face enters SDXL: diffusers' ControlNet pipelines with an IdentityNet and a face adapter.

The names, arguments and results are those of the official InstantID pipelines (plain, full and img2img in one): the
same weights and seed give the same latents. No denoising loop is copied; the face enters at one seam,
`prepare_ip_adapter_image_embeds`, which diffusers calls once per generation.

Where the official code crashes, this works: several prompts, guess_mode with guidance, several images with img2img.
Where it is wrong, this is right: the face region belongs to one call (there: a module global that outlives it);
img2img reads ip_adapter_scale (there: ignored); negative_original_size reaches the unconditional rows of every image
(there, and in diffusers 0.42.1: of every other row); the resampler moves with the pipeline; `cuda()` keeps the dtype.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from diffusers import (
    ControlNetModel,
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetPipeline,
)
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel
from diffusers.models.embeddings import IPAdapterPlusImageProjection
from diffusers.utils.torch_utils import get_module_execution_device
from PIL import Image

from errors import InstantIDError, RequestError, WeightsMissing
from face.keypoints import draw_keypoints
from ip_adapter.attention import FaceProjection, FaceRegion, load_face
from ip_adapter.checkpoint import check_adapter_state, find_adapter, load_adapter_state
from ip_adapter.identity_net import IdentityNet

POSITIONS = (
    "num_inference_steps",
    "guidance_scale",
    "negative_prompt",
    "negative_prompt_2",
    "num_images_per_prompt",
    "eta",
    "generator",
    "latents",
)


def draw_kps(image_pil: Image.Image, kps: Any) -> Image.Image:
    """The landmark picture (RGB, size of `image_pil`) of keypoints (5, 2) x, y in pixels: the official drawing."""
    return draw_keypoints(np.asarray(kps, np.float32), image_pil.size)


class InstantIDMixin(cast(Any, object)):
    """What text-to-image and img2img share. Its base is the diffusers pipeline that it is mixed into."""

    positions: tuple[str, ...]  # names of the positional arguments in the official order

    # IdentityNet is left out as diffusers leaves out any ControlNet: in the sequence it would travel at every step.
    # The resampler belongs to the UNet and runs, once per generation, on the device where it then lies.
    model_cpu_offload_seq = "text_encoder->text_encoder_2->image_encoder->unet->vae"

    def register_modules(self, **modules: Any) -> None:
        """Every component enters here; a ControlNet, or the first of several, is adopted as IdentityNet."""
        controlnet = modules.get("controlnet")
        if isinstance(controlnet, MultiControlNetModel):
            first, *others = cast(list[ControlNetModel], controlnet.nets)
            modules["controlnet"] = MultiControlNetModel([IdentityNet.adopt(first), *others])
        elif isinstance(controlnet, ControlNetModel):
            modules["controlnet"] = IdentityNet.adopt(controlnet)
        super().register_modules(**modules)

    @property
    def identity_net(self) -> IdentityNet:
        nets = getattr(self.controlnet, "nets", None)
        return nets[0] if nets is not None else self.controlnet

    @property
    def image_proj_model(self) -> IPAdapterPlusImageProjection:
        """The resampler, under the name the official pipeline gives it.

        Raises:
            WeightsMissing: no adapter is loaded.
        """
        if not isinstance(self.unet.encoder_hid_proj, FaceProjection):
            raise WeightsMissing(
                "No face adapter is loaded.", field="ip-adapter", cure="Call load_ip_adapter_instantid first."
            )
        return self.unet.encoder_hid_proj.resampler

    def load_ip_adapter_instantid(
        self,
        model_ckpt: str | os.PathLike[str],
        image_emb_dim: int | None = None,
        num_tokens: int | None = None,
        scale: float = 0.5,
    ) -> None:
        """Load InstantID's adapter into the UNet; `unload_ip_adapter()` removes it without a trace.

        Args:
            model_ckpt: the file (`.bin` or `.safetensors`), its folder, or a hub repository.
            image_emb_dim, num_tokens: checked against the file when given.
            scale: strength of the face attention until the next `set_ip_adapter_scale`.

        Raises:
            WeightsMissing, WeightsCorrupt: before anything of the pipeline has changed.
        """
        state = load_adapter_state(find_adapter(model_ckpt))
        check_adapter_state(state, self.unet, embedding_dim=image_emb_dim, tokens=num_tokens)
        load_face(self.unet, state)
        self.set_ip_adapter_scale(scale)

    def cuda(self, dtype: torch.dtype | None = None) -> InstantIDMixin:
        """Move to the GPU; the dtype stays unless given (the official `cuda()` turns everything into fp16)."""
        return self.to("cuda", dtype) if dtype else self.to("cuda")

    def fuse_qkv_projections(self, unet: bool = True, vae: bool = True) -> None:
        """As in diffusers, which would replace the face attention without a word; refused while a face is loaded."""
        if unet and isinstance(self.unet.encoder_hid_proj, FaceProjection):
            raise InstantIDError(
                "Fused projections would drop the face.", cure="Fuse the VAE alone, or unload_ip_adapter() first."
            )
        super().fuse_qkv_projections(unet, vae)

    def prepare_ip_adapter_image_embeds(
        self,
        ip_adapter_image: None,
        ip_adapter_image_embeds: Sequence[torch.Tensor],
        device: torch.device,
        num_images_per_prompt: int,
        do_classifier_free_guidance: bool,
    ) -> list[torch.Tensor]:
        """Project the face once, show it to IdentityNet, and return its tokens for the UNet.

        Under guidance the unconditional rows are the resampler's answer to zeros, not zeros.

        Args:
            ip_adapter_image_embeds: one item, (prompts or 1, embeddings, 512).
            num_images_per_prompt: rows of the whole batch, as diffusers calls it.

        Returns:
            One item, (rows, tokens, cross_attention_dim), unconditional rows first.
        """
        (embeddings,) = ip_adapter_image_embeds
        if num_images_per_prompt % len(embeddings):
            raise RequestError(
                f"{len(embeddings)} faces for {num_images_per_prompt} pictures.",
                field="image_embeds",
                cure="Give one face, or one for each prompt.",
            )
        if do_classifier_free_guidance:
            embeddings = torch.cat([torch.zeros_like(embeddings[:1]), embeddings])
        resampler = self.image_proj_model
        tokens = resampler(embeddings.to(get_module_execution_device(resampler), resampler.latents.dtype))
        tokens = tokens.to(device, self.unet.dtype)
        unconditional, conditional = tokens.tensor_split([int(do_classifier_free_guidance)])
        tokens = torch.cat(
            [
                unconditional.repeat_interleave(num_images_per_prompt, 0),
                conditional.repeat_interleave(num_images_per_prompt // len(conditional), 0),
            ]
        )
        self.identity_net.show(tokens, self._region)
        return [tokens]

    def prepare_latents(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """As in diffusers; here the size of the picture is known at last, which the face region waits for."""
        latents = super().prepare_latents(*args, **kwargs)
        if self._region is not None:
            self._region.latent_size = tuple(latents.shape[-2:])
        return latents

    @property
    def _region(self) -> FaceRegion | None:
        return (self.cross_attention_kwargs or {}).get("ip_adapter_masks")

    def __call__(
        self,
        *positional: Any,
        image_embeds: Any = None,
        control_mask: Any = None,
        ip_adapter_scale: float | dict[str, Any] | None = None,
        controlnet_conditioning_scale: float | list[float] = 1.0,
        **settings: Any,
    ) -> Any:
        """Generate. Whatever is not told here is as in the diffusers pipeline of the same name.

        Args:
            positional: prompt, prompt_2, image, ... in the official order, which is not diffusers'.
            image: landmark picture, RGB, one for each ControlNet; it sets the size unless height and width (pixels)
                do. In img2img: the picture to start from, and control_image is the landmark picture.
            image_embeds: raw face embedding, array or tensor. (512,) is the face of every picture. (n, 512) is one face
                too: n input tokens of one resampler call, as in the official code (to blend photos of a person, give
                the mean of their embeddings). (prompts, n, 512) is one face for each prompt.
            control_mask: where the face may act, see FaceRegion; None for everywhere.
            ip_adapter_scale: strength of the face attention, from now on; None leaves it.
            controlnet_conditioning_scale: strength of IdentityNet, or of each net.

        Returns:
            StableDiffusionXLPipelineOutput, or a tuple if return_dict=False.

        Raises:
            WeightsMissing: no adapter is loaded.
            RequestError: no face, or not as many faces as prompts.
        """
        if len(positional) > len(self.positions):
            raise TypeError(f"At most {len(self.positions)} positional arguments: {', '.join(self.positions)}.")
        settings |= zip(self.positions, positional, strict=False)
        dim = self.image_proj_model.proj_in.in_features
        embeddings = torch.as_tensor([] if image_embeds is None else image_embeds)
        if embeddings.numel() == 0 or embeddings.numel() % dim or not embeddings.isfinite().all():
            raise RequestError(
                "No usable face was given.", field="image_embeds", cure=f"Pass an embedding of {dim} finite numbers."
            )
        embeddings = embeddings.reshape(len(embeddings) if embeddings.ndim > 2 else 1, -1, dim)
        if ip_adapter_scale is not None:
            self.set_ip_adapter_scale(ip_adapter_scale)
        if isinstance(controlnet_conditioning_scale, list) and not isinstance(self.controlnet, MultiControlNetModel):
            (controlnet_conditioning_scale,) = controlnet_conditioning_scale
        if control_mask is not None:
            attention = settings.get("cross_attention_kwargs") or {}
            settings["cross_attention_kwargs"] = {**attention, "ip_adapter_masks": FaceRegion(control_mask)}
        try:
            return super().__call__(
                ip_adapter_image_embeds=[embeddings],
                controlnet_conditioning_scale=controlnet_conditioning_scale,
                **settings,
            )
        finally:
            self.identity_net.clear()
            self._cross_attention_kwargs = None


class StableDiffusionXLInstantIDPipeline(InstantIDMixin, StableDiffusionXLControlNetPipeline):
    """A prompt, a face and a landmark picture become pictures of that person.

    With a list of ControlNets the first is the IdentityNet and reads the face; the others read the text.
    """

    positions = ("prompt", "prompt_2", "image", "height", "width", *POSITIONS)

    def _get_add_time_ids(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return super()._get_add_time_ids(*args, **kwargs).as_subclass(_TimeIds)


class StableDiffusionXLInstantIDImg2ImgPipeline(InstantIDMixin, StableDiffusionXLControlNetImg2ImgPipeline):
    """The same, starting from a picture instead of from noise."""

    positions = ("prompt", "prompt_2", "image", "control_image", "strength", "height", "width", *POSITIONS)


class _TimeIds(torch.Tensor):
    """Time ids of the unconditional and the conditional half, (2, 6), repeated in the order of the batch's rows."""

    def repeat(self, times: int, _: int) -> torch.Tensor:
        return self.as_subclass(torch.Tensor).repeat_interleave(times, dim=0)
