"""The networks of a run: a frozen base with its pipeline around it, and the parts that learn.

They are the product's own: IdentityNet, and the face attention and resampler that diffusers' loader puts into the
UNet, called as the pipeline calls them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from diffusers.models.embeddings import IPAdapterPlusImageProjection
from diffusers.utils import logging as diffusers_logging
from torch import nn
from transformers.utils import logging as transformers_logging

from errors import RequestError, WeightsCorrupt
from ip_adapter.attention import AddedFaceAttention, FaceProjection, load_face
from ip_adapter.checkpoint import (
    DEPTH,
    HEAD,
    State,
    check_adapter_state,
    find_adapter,
    load_adapter_state,
)
from ip_adapter.identity_net import IdentityNet
from ip_adapter.resampler import resampler_state
from pipeline_instantid import StableDiffusionXLInstantIDPipeline
from training.config import FRESH, OF_PROFILE, Config, Start
from weights.store import Store

EMBEDDING = 512


class Networks(nn.Module):
    """A pipeline whose UNet carries a face adapter, as one module that predicts noise.

    The base is frozen; resampler, face attention and IdentityNet hold float32 and take gradients.
    """

    def __init__(self, pipeline: StableDiffusionXLInstantIDPipeline, state: State) -> None:
        """state: the adapter that the pipeline's UNet carries, from which float32 copies are made."""
        super().__init__()
        self.pipeline = pipeline
        self.unet: UNet2DConditionModel = pipeline.unet
        self.identity_net: IdentityNet = pipeline.identity_net
        pipeline.vae.requires_grad_(False)
        for encoder in (pipeline.text_encoder, pipeline.text_encoder_2):
            encoder.requires_grad_(False)
        self.unet.requires_grad_(False)
        self.identity_net.float().requires_grad_(True).train()
        projection = cast(FaceProjection, self.unet.encoder_hid_proj)
        exact = {name: value.float() for name, value in state["image_proj"].items()}
        resampler = self.unet._convert_ip_adapter_image_proj_to_diffusers(exact)
        projection.image_projection_layers[0] = resampler.to(self.unet.device).requires_grad_(True)
        for name, processor in self._face_attention().items():
            for part in ("to_k_ip", "to_v_ip"):
                weight = getattr(processor, part)[0].weight
                weight.data = state["ip_adapter"][f"{name}.{part}.weight"].to(weight.device, torch.float32)
                weight.requires_grad_(True)

    def _face_attention(self) -> dict[int, AddedFaceAttention]:
        names = [name for name in self.unet.attn_processors if not name.startswith("encoder_hid_proj.")]
        found = enumerate(self.unet.attn_processors[name] for name in names)
        return {index: each for index, each in found if isinstance(each, AddedFaceAttention)}

    @property
    def resampler(self) -> IPAdapterPlusImageProjection:
        return cast(FaceProjection, self.unet.encoder_hid_proj).resampler

    def face_parameters(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """IdentityNet's parameters, and those of resampler and face attention."""
        attention = [p for each in self._face_attention().values() for p in each.parameters()]
        return list(self.identity_net.parameters()), [*self.resampler.parameters(), *attention]

    def use_checkpointing(self) -> None:
        """Compute activations again in the backward pass instead of keeping them."""
        self.unet.enable_gradient_checkpointing()
        self.identity_net.enable_gradient_checkpointing()
        self.unet.train()

    def forward(
        self,
        noisy: torch.Tensor,
        timesteps: torch.Tensor,
        words: torch.Tensor,
        pooled: torch.Tensor,
        faces: torch.Tensor,
        landmarks: torch.Tensor,
        sizes: torch.Tensor,
    ) -> torch.Tensor:
        """What the UNet predicts of noised latents, (rows, channels, height, width), as in the pipeline at scale 1.

        Args:
            noisy: (rows, channels, height, width). timesteps: (rows,).
            words: (rows, tokens, cross_attention_dim). pooled: (rows, width).
            faces: (rows, 512) raw embeddings, zeros for no face.
            landmarks: (rows, 3, h, w) in 0..1.
            sizes: (rows, 6) original height and width, cut-off top and left, height and width, in pixels.
        """
        added: dict[str, Any] = {"text_embeds": pooled, "time_ids": sizes.to(pooled.dtype)}
        tokens = self.resampler(faces[:, None])
        self.identity_net.show(tokens)
        # Row-major colours halve the time of the many pixels on a CPU.
        landmarks = landmarks.contiguous(memory_format=torch.channels_last)
        down, middle = self.identity_net(noisy, timesteps, None, landmarks, added_cond_kwargs=added, return_dict=False)
        self.identity_net.clear()
        return self.unet(
            noisy,
            timesteps,
            words,
            added_cond_kwargs=added | {"image_embeds": [tokens]},
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]

    @torch.no_grad()
    def encode_pictures(self, pixels: torch.Tensor) -> torch.Tensor:
        """Latents (rows, channels, h, w) float32 of pictures (rows, 3, H, W) in -1..1: the mean of the posterior."""
        vae = self.pipeline.vae
        with torch.autocast(pixels.device.type, enabled=False):
            mean = vae.encode(pixels.to(vae.dtype)).latent_dist.mode()
        return mean.float() * vae.config.scaling_factor

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Words (rows, 77, cross_attention_dim) and pooled (rows, width) of prompts."""
        words, _, pooled, _ = self.pipeline.encode_prompt(
            list(texts), device=self.unet.device, do_classifier_free_guidance=False
        )
        return words, pooled

    @property
    def latents_of(self) -> tuple[int, int]:
        """(channels, pixels of a picture's side for one of the latents')."""
        return self.unet.config["in_channels"], self.pipeline.vae_scale_factor


def _hush() -> None:
    """Errors only: diffusers warns of long prompts by printing them, and captions may name people."""
    for library in (transformers_logging, diffusers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


def load_networks(config: Config, store: Store, dtype: torch.dtype) -> Networks:
    """Load a run's networks onto the CPU.

    Args:
        dtype: of everything that is frozen but the autoencoder, which stays float32 unless the profile brings one that
            is made for half precision.

    Raises:
        WeightsMissing, WeightsCorrupt: names the weights.
    """
    _hush()
    profile = config.weights
    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
    parts: dict[str, Any] = {}
    try:
        if profile.vae is not None:
            parts["vae"] = AutoencoderKL.from_pretrained(store.path(profile.vae), dtype=dtype, **options)
        base = store.path(profile.base)
        unet = UNet2DConditionModel.from_pretrained(
            base, subfolder="unet", variant=profile.base.weight.variant, dtype=dtype, **options
        )
        net = _identity_net(config, store, unet, options)
        state = _adapter(config, store, unet)
        pipeline = StableDiffusionXLInstantIDPipeline.from_pretrained(
            base,
            unet=unet,
            controlnet=net,
            variant=profile.base.weight.variant,
            dtype=dtype,
            add_watermarker=False,
            **parts,
            **options,
        )
    except (OSError, KeyError) as error:
        raise WeightsCorrupt(
            f"The weights of {profile.name} cannot be read.", field=profile.name, cure="Run: python cli.py doctor"
        ) from error
    halvings = pipeline.vae_scale_factor.bit_length() - 1
    if config.start.identity_net == FRESH and len(config.start.conditioning_channels) != halvings + 1:
        raise RequestError(
            f"start.conditioning_channels must have {halvings + 1} numbers for {profile.name}.",
            field="start.conditioning_channels",
            cure="One more than there are halvings from picture to latents.",
        )
    if profile.vae is None:
        pipeline.vae.float()
    load_face(pipeline.unet, state)
    pipeline.set_progress_bar_config(disable=True)
    return Networks(pipeline, state)


def _identity_net(config: Config, store: Store, unet: UNet2DConditionModel, options: dict[str, Any]) -> IdentityNet:
    begin = config.start.identity_net
    if begin != FRESH:
        where = store.path(config.weights.identity_net) if begin == OF_PROFILE else Path(begin)
        return IdentityNet.from_pretrained(where, dtype=torch.float32, **options)
    torch.manual_seed(config.seed)
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=config.start.conditioning_channels)
    return IdentityNet.adopt(net.float())


def _adapter(config: Config, store: Store, unet: UNet2DConditionModel) -> State:
    begin = config.start.adapter
    if begin == FRESH:
        return fresh_adapter(unet, config.start, config.seed)
    where = store.path(config.weights.adapter) if begin == OF_PROFILE else Path(begin)
    state = load_adapter_state(find_adapter(where))
    check_adapter_state(state, unet, embedding_dim=EMBEDDING)
    return state


def fresh_adapter(unet: UNet2DConditionModel, start: Start, seed: int) -> State:
    """An untrained adapter that leaves the base as it is: keys as for the text, values zero."""
    torch.manual_seed(seed)
    resampler = IPAdapterPlusImageProjection(
        embed_dims=EMBEDDING,
        output_dims=unet.config["cross_attention_dim"],
        hidden_dims=start.resampler_width,
        depth=DEPTH,
        dim_head=HEAD,
        heads=start.resampler_width // HEAD,
        num_queries=start.tokens,
    )
    attention: dict[str, torch.Tensor] = {}
    for index, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            keys = cast(Any, unet.get_submodule(name.removesuffix(".processor"))).to_k.weight.detach().float()
            attention |= {f"{index}.to_k_ip.weight": keys.clone(), f"{index}.to_v_ip.weight": torch.zeros_like(keys)}
    return {"image_proj": resampler_state(resampler.state_dict()), "ip_adapter": attention}
