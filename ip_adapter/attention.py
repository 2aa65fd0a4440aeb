"""How the UNet looks at a face: tokens that come ready, attention beside the text's, and where in the picture."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from diffusers.models.embeddings import IPAdapterPlusImageProjection, MultiIPAdapterImageProjection
from PIL import Image

from errors import RequestError
from ip_adapter.resampler import resampler_state


class FaceRegion:
    """Where in the picture the face may act: one mask, fitted to every map that asks.

    As in the official full pipeline the residuals of IdentityNet see it bilinearly and the face attention by nearest
    neighbour. There it lives in a module global and fails for sides that are no multiple of 64; here it belongs to one
    call and fits maps of any size.

    Args:
        masks: one for each person: the whole picture at any resolution, 0 where that face may not act. PIL picture;
            array (h, w) or (h, w, 3); tensor (h, w), (1, h, w) or (1, 1, h, w). Whole numbers go from 0 to 255,
            fractions from 0 to 1. Of a picture with channels the first counts.

    Raises RequestError for anything else.
    """

    latent_size: tuple[int, int]  # (height, width) of the latents, told by the pipeline once it knows

    def __init__(self, *masks: Image.Image | np.ndarray | torch.Tensor) -> None:
        self._masks = [_as_tensor(mask) for mask in masks]
        self._fitted: dict[tuple[int, ...], torch.Tensor] = {}

    @property
    def people(self) -> int:
        return len(self._masks)

    def over_map(self, features: torch.Tensor, person: int = 0) -> torch.Tensor:
        """Mask (1, 1, height, width) for features (rows, channels, height, width)."""
        size = (person, *features.shape[-2:])
        if size not in self._fitted:
            self._fitted[size] = F.interpolate(self._masks[person].to(features), size[1:], mode="bilinear")
        return self._fitted[size]

    def over_queries(self, queries: torch.Tensor, person: int = 0) -> torch.Tensor:
        """Mask (1, length, 1) for queries (rows, length, channels): the latents, halved some times, row by row."""
        length = queries.shape[1]
        if (person, length) not in self._fitted:
            height, width = self.latent_size
            while height * width > length:
                height, width = -(-height // 2), -(-width // 2)
            fitted = F.interpolate(self._masks[person].to(queries), (height, width))
            self._fitted[(person, length)] = fitted.reshape(1, length, 1)
        return self._fitted[(person, length)]


def _as_tensor(mask: Image.Image | np.ndarray | torch.Tensor) -> torch.Tensor:
    """(1, 1, h, w) float32 in 0..1. Raises RequestError for what is no mask."""
    cure = "Give a picture, or an array or a tensor of whole numbers 0..255, of fractions 0..1, or of booleans."
    if isinstance(mask, Image.Image):
        mask = np.asarray(mask.convert("RGB"))
    if isinstance(mask, np.ndarray) and mask.dtype.kind in "buif":
        mask = torch.from_numpy(np.array(mask[..., 0] if mask.ndim == 3 else mask))
    if not isinstance(mask, torch.Tensor) or mask.ndim < 2:
        raise RequestError("The mask of the face is no mask.", field="control_mask", cure=cure)
    whole = mask.dtype is not torch.bool and not mask.dtype.is_floating_point
    values = mask.float() / 255 if whole else mask.float()
    if mask.numel() == 0 or not bool(((values >= 0) & (values <= 1)).all()):
        raise RequestError("The mask of the face has values outside of its range.", field="control_mask", cure=cure)
    return values.reshape(1, 1, *values.shape[-2:])


class FaceProjection(MultiIPAdapterImageProjection):
    """Diffusers' holder of the resampler, run once per generation instead of once per step.

    The pipeline calls the resampler itself; the UNet, which asks at each step, is handed back the tokens it brings.
    """

    @property
    def resampler(self) -> IPAdapterPlusImageProjection:
        """Raw embeddings (rows, embeddings, 512) to face tokens (rows, tokens, cross_attention_dim)."""
        return cast(IPAdapterPlusImageProjection, self.image_projection_layers[0])

    def forward(self, image_embeds: list[torch.Tensor]) -> list[torch.Tensor]:
        return image_embeds


class AddedFaceAttention(IPAdapterAttnProcessor2_0):
    """Cross-attention to the text plus `scale` times cross-attention to the face tokens (arXiv 2308.06721, eq. 5).

    Scale 0 skips the face. The scale is read at every call, so a callback may change it between steps.
    "Added" in the name makes `unet.fuse_qkv_projections()` refuse; otherwise it would drop the face without a word.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: tuple[torch.Tensor, list[torch.Tensor]],
        attention_mask: torch.Tensor | None = None,
        ip_adapter_masks: FaceRegion | None = None,
    ) -> torch.Tensor:
        """
        Args:
            attn: the diffusers Attention whose processor this is.
            hidden_states: (rows, queries, channels).
            encoder_hidden_states: text (rows, 77, dim) and one item of face tokens (rows, tokens, dim) a person.
            ip_adapter_masks: the region each face may act in; None for everywhere.
        """
        text, faces = encoder_hidden_states
        if attention_mask is not None:
            per_head = attn.prepare_attention_mask(attention_mask, text.shape[1], len(text))
            attention_mask = per_head.unflatten(0, (len(text), attn.heads))

        def look(keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
            heads = (each.unflatten(2, (attn.heads, -1)).transpose(1, 2) for each in (queries, keys, values))
            return F.scaled_dot_product_attention(*heads, attn_mask=mask).transpose(1, 2).flatten(2)

        queries = attn.to_q(hidden_states)
        seen = look(attn.to_k(text), attn.to_v(text), attention_mask)
        for person, tokens in enumerate(faces if self.scale[0] != 0 else ()):
            face = tokens[-len(hidden_states) :]  # once guidance has ended, the conditional rows, the last, remain
            likeness = look(self.to_k_ip[0](face), self.to_v_ip[0](face))
            if ip_adapter_masks is not None:
                likeness = likeness * ip_adapter_masks.over_queries(likeness, person)
            seen = seen + self.scale[0] * likeness
        return attn.to_out[1](attn.to_out[0](seen))


def load_face(unet: UNet2DConditionModel, state: dict[str, dict[str, torch.Tensor]]) -> None:
    """Put a checked adapter into a UNet by diffusers' own loader; `pipe.unload_ip_adapter()` takes it out again.

    The loader assumes a resampler of depth 4 with heads of 64. Its low_cpu_mem_usage=True drops unknown keys silently.
    """
    unet._load_ip_adapter_weights([state], low_cpu_mem_usage=False)
    cast(Any, unet).encoder_hid_proj.__class__ = FaceProjection
    for processor in unet.attn_processors.values():
        if isinstance(processor, IPAdapterAttnProcessor2_0):
            processor.__class__ = AddedFaceAttention


def face_state(unet: UNet2DConditionModel) -> dict[str, dict[str, torch.Tensor]]:
    """The adapter that `load_face` put into a UNet, as a file holds it; the way back from training to a checkpoint."""
    projection = cast(FaceProjection, unet.encoder_hid_proj)
    layers = [name for name in unet.attn_processors if not name.startswith("encoder_hid_proj.")]
    attention = {}
    for index, name in enumerate(layers):
        processor: Any = unet.attn_processors[name]
        if isinstance(processor, AddedFaceAttention):
            attention |= {
                f"{index}.{part}.weight": getattr(processor, part)[0].weight.detach() for part in ("to_k_ip", "to_v_ip")
            }
    return {"image_proj": resampler_state(projection.resampler.state_dict()), "ip_adapter": attention}
