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

import inspect
import math
import os
from collections.abc import Sequence
from numbers import Real
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

    _negative_face: torch.Tensor | None = None  # of the call under way

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
        """Project each face once, show them to IdentityNet, and return their tokens for the UNet.

        Under guidance the unconditional rows are the resampler's answer to zeros (or to the negative face), not zeros.

        Args:
            ip_adapter_image_embeds: one item a person, (prompts or 1, embeddings, 512).
            num_images_per_prompt: rows of the whole batch, as diffusers calls it.

        Returns:
            One item a person, (rows, tokens, cross_attention_dim), unconditional rows first.
        """
        everybody = [
            self._tokens(face, device, num_images_per_prompt, do_classifier_free_guidance)
            for face in ip_adapter_image_embeds
        ]
        self.identity_net.show(everybody, self._region)
        return everybody

    def _tokens(self, embeddings: torch.Tensor, device: torch.device, rows: int, guided: bool) -> torch.Tensor:
        if rows % len(embeddings):
            raise RequestError(
                f"{len(embeddings)} faces for {rows} pictures.",
                field="image_embeds",
                cure="Give one face, one for each prompt, or one for each picture.",
            )
        if guided:
            nobody = torch.zeros_like(embeddings[:1])
            if self._negative_face is not None:
                nobody = nobody + self._negative_face.to(nobody)
            embeddings = torch.cat([nobody, embeddings])
        resampler = self.image_proj_model
        tokens = resampler(embeddings.to(get_module_execution_device(resampler), resampler.latents.dtype))
        tokens = tokens.to(device, self.unet.dtype)
        unconditional, conditional = tokens.tensor_split([int(guided)])
        return torch.cat(
            [
                unconditional.repeat_interleave(rows, 0),
                conditional.repeat_interleave(rows // len(conditional), 0),
            ]
        )

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
        negative_image_embeds: Any = None,
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
                the mean of their embeddings). (faces, n, 512) is one face for each prompt, or for each
                picture. A tuple of embeddings is several people in one picture.
            negative_image_embeds: (512,) the face that guidance leads away from; None for zeros, as in the official
                code. Some noise here calms burnt colours.
            control_mask: where the face may act, see FaceRegion; None for everywhere. Of several people a tuple, one
                for each.
            ip_adapter_scale: strength of the face attention, from now on; None leaves it.
            controlnet_conditioning_scale: strength of IdentityNet, or of each net.

        Returns:
            StableDiffusionXLPipelineOutput, or a tuple if return_dict=False.

        Raises:
            WeightsMissing: no adapter is loaded.
            RequestError: no face, more faces than can be shared out evenly, not as many masks as people, or not as many
                strengths as nets.
            TypeError: an argument that is not known, or given twice.
        """
        if len(positional) > len(self.positions):
            raise TypeError(f"At most {len(self.positions)} positional arguments: {', '.join(self.positions)}.")
        in_order = dict(zip(self.positions, positional, strict=False))
        known = {*inspect.signature(super().__call__).parameters, "callback", "callback_steps"} - {"kwargs"}
        for name in settings:
            if name in in_order or name not in known:
                trouble = "multiple values for" if name in in_order else "an unexpected keyword"
                raise TypeError(f"{type(self).__name__}() got {trouble} argument {name!r}")
        settings |= in_order
        people = image_embeds if isinstance(image_embeds, tuple) else (image_embeds,)
        masks = control_mask if isinstance(control_mask, tuple) else (control_mask,)
        if len(masks) != len(people) or (len(people) > 1 and any(mask is None for mask in masks)):
            raise RequestError(
                f"{len(people)} people need as many masks.", field="control_mask", cure="Give one mask for each."
            )
        embeddings = [self._embeddings(person) for person in people]
        nobody = None if negative_image_embeds is None else self._embeddings(negative_image_embeds)
        controlnet_conditioning_scale = self._strengths(controlnet_conditioning_scale)
        if control_mask is not None:
            attention = settings.get("cross_attention_kwargs") or {}
            settings["cross_attention_kwargs"] = {**attention, "ip_adapter_masks": FaceRegion(*masks)}
        try:
            self._negative_face = nobody
            if ip_adapter_scale is not None:
                self.set_ip_adapter_scale(ip_adapter_scale)
            return super().__call__(
                ip_adapter_image_embeds=embeddings,
                controlnet_conditioning_scale=controlnet_conditioning_scale,
                **settings,
            )
        finally:
            self.identity_net.clear()
            self._negative_face = None
            self._cross_attention_kwargs = None

    def _strengths(self, scale: Any) -> float | list[float]:
        """One strength for one net; one or a list of as many for several. Raises RequestError for anything else."""
        nets = getattr(self.controlnet, "nets", None)
        each = list(scale) if isinstance(scale, list | tuple) else [scale]
        wanted = 1 if nets is None else len(nets)
        fits = len(each) == wanted or (not isinstance(scale, list | tuple))
        if not fits or not all(isinstance(one, Real) and math.isfinite(one) for one in each):
            raise RequestError(
                f"controlnet_conditioning_scale does not fit {wanted} net{'s' if wanted > 1 else ''}.",
                field="controlnet_conditioning_scale",
                cure="Give one number, or a list with one for each net.",
            )
        numbers = [float(one) for one in each]
        return numbers if nets is not None and isinstance(scale, list | tuple) else numbers[0]

    @classmethod
    def from_pipe(cls, pipeline: Any, **kwargs: Any) -> Any:
        """As in diffusers, which would leave the IdentityNet behind; the precision stays unless one is given."""
        if not {"dtype", "torch_dtype"} & kwargs.keys():
            kwargs["torch_dtype"] = pipeline.dtype
        return super().from_pipe(pipeline, **{"controlnet": pipeline.controlnet, **kwargs})

    def _embeddings(self, face: Any) -> torch.Tensor:
        """Checked raw embeddings of one person, (prompts or 1, embeddings, 512)."""
        dim = self.image_proj_model.proj_in.in_features
        try:
            embeddings = torch.as_tensor([] if face is None else face)
        except (TypeError, ValueError, RuntimeError):
            embeddings = torch.empty(0)
        if embeddings.numel() == 0 or embeddings.numel() % dim or not embeddings.isfinite().all():
            raise RequestError(
                "No usable face was given.", field="image_embeds", cure=f"Pass an embedding of {dim} finite numbers."
            )
        return embeddings.reshape(len(embeddings) if embeddings.ndim > 2 else 1, -1, dim)


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
