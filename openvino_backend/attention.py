"""Face attention as a graph: strength, people and masks come in as tensors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel

from ip_adapter.attention import AddedFaceAttention


def level_of(layer: str, levels: int) -> int:
    """How often the latents were halved where an attention layer works.

    Args:
        layer: its name in diffusers, such as `up_blocks.1.attentions.0...`.
        levels: of the UNet.
    """
    place = re.match(r"(down|up)_blocks\.(\d+)\.", layer)
    if place is None:
        return levels - 1
    block = int(place[2])
    return block if place[1] == "down" else levels - 1 - block


def face_layers(unet: UNet2DConditionModel) -> list[tuple[str, int]]:
    """Name and level of every layer with face attention, in diffusers' order: that of the graph's strengths."""
    levels = len(unet.config["block_out_channels"])
    return [
        (name, level_of(name, levels))
        for name, processor in unet.attn_processors.items()
        if isinstance(processor, AddedFaceAttention)
    ]


def mask_levels(layers: Sequence[tuple[str, int]]) -> list[int]:
    """The levels that need a mask, ascending."""
    return sorted({level for _, level in layers})


class TensorFaceAttention(torch.nn.Module):
    """What AddedFaceAttention computes, with nothing decided while tracing.

    In the place of face tokens stands a tuple: tokens (people, rows, tokens, dim), strengths (layers,), and for each
    of `mask_levels` a mask (people, 1, queries or 1, 1).

    Args:
        number: place in `face_layers`, mask: place in `mask_levels`.
    """

    def __init__(self, original: AddedFaceAttention, number: int, mask: int) -> None:
        super().__init__()
        self.to_k_ip, self.to_v_ip = original.to_k_ip[0], original.to_v_ip[0]
        self.number, self.mask = number, mask

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, ...]]],
        attention_mask: None = None,
    ) -> torch.Tensor:
        text, (faces, strengths, masks) = encoder_hidden_states
        rows, people = hidden_states.shape[0], faces.shape[0]

        def heads(values: torch.Tensor) -> torch.Tensor:
            return values.unflatten(2, (attn.heads, -1)).transpose(1, 2)

        queries = heads(attn.to_q(hidden_states))
        seen = F.scaled_dot_product_attention(queries, heads(attn.to_k(text)), heads(attn.to_v(text)))
        tokens = faces.flatten(0, 1)
        each = queries.repeat(people, 1, 1, 1)
        likeness = F.scaled_dot_product_attention(each, heads(self.to_k_ip(tokens)), heads(self.to_v_ip(tokens)))
        likeness = likeness.transpose(1, 2).flatten(2).unflatten(0, (people, rows))
        likeness = (likeness * masks[self.mask]).sum(0) * strengths[self.number]
        return attn.to_out[1](attn.to_out[0](seen.transpose(1, 2).flatten(2) + likeness))


def make_traceable(unet: UNet2DConditionModel) -> None:
    """Puts TensorFaceAttention in the place of AddedFaceAttention, for good."""
    layers = face_layers(unet)
    masks = mask_levels(layers)
    numbers = {name: number for number, (name, _) in enumerate(layers)}
    levels = dict(layers)
    processors: dict[str, Any] = {}
    for name, processor in unet.attn_processors.items():
        if isinstance(processor, AddedFaceAttention):
            processor = TensorFaceAttention(processor, numbers[name], masks.index(levels[name]))
        processors[name] = processor
    unet.set_attn_processor(processors)
    cast(Any, unet).encoder_hid_proj = _HandedThrough()


class _HandedThrough(torch.nn.Module):
    """In the place of the resampler, which is a graph of its own."""

    def forward(self, image_embeds: Any) -> Any:
        return image_embeds
