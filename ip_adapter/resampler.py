"""The resampler in InstantID's file: diffusers names and splits its tensors otherwise."""

from __future__ import annotations

from collections.abc import Mapping

import torch

_NAMES_IN_FILE = (
    (".ln0.", ".0.norm1."), (".ln1.", ".0.norm2."), (".attn.to_k.", ".0.to_kv."), (".attn.to_q.", ".0.to_q."),
    (".attn.to_out.0.", ".0.to_out."), (".ff.0.", ".1.0."), (".ff.1.net.0.proj.", ".1.1."), (".ff.1.net.2.", ".1.3."),
)  # fmt: skip


def resampler_state(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of a diffusers IPAdapterPlusImageProjection, by parameter name, as the file's group `image_proj`."""
    state: dict[str, torch.Tensor] = {}
    for name, value in weights.items():
        if name.endswith("attn.to_v.weight"):
            continue  # goes into the file as the second half of to_kv
        if name.endswith("attn.to_k.weight"):
            value = torch.cat([value, weights[name.replace("to_k", "to_v")]])
        for ours, theirs in _NAMES_IN_FILE:
            name = name.replace(ours, theirs)
        state[name] = value
    return state
