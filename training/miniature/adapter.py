"""Where a face enters: resampler, face attention and IdentityNet learn, beside the base at first, then on it frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor
from diffusers.models.embeddings import IPAdapterPlusImageProjection
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from ip_adapter.resampler import resampler_state
from training.miniature.base import BLOCKS, CROSS, by_muon, new_unet, time_ids
from training.miniature.landmarks import CONDITIONING, give
from training.miniature.loop import generator
from training.miniature.noise import noised, timesteps

EMBEDDING = 512
QUERIES = 16
RESAMPLER_WIDTH = 128

# Shares of the samples that learn to do without: the face is zeroed before the resampler.
TEXT_AND_FACE_DROPPED = 0.08
TEXT_DROPPED = 0.03
FACE_DROPPED = 0.03
NET_OFF = 0.04
ADAPTER_OFF = 0.02
REGION_ON = 0.5
TEXT_ALONE = 0.15
SHIPPED_GAIN = 2.0
"""What the written parts of a face are stronger than the trained ones: likeness still grows beyond the strength that
was trained at, and the app's usual 0.8 lies below it. A power of two, so that half precision keeps every bit."""
PREPARED = tuple(
    f"{name}.npy"
    for name in (
        "latents", "words", "pooled", "texts", "nothing", "landmarks", "regions", "people", "embeddings", "references",
    )
)  # fmt: skip
FACE_WEIGHT = 1.0  # of the error within the face's region, added to 1


def new_resampler(cross: int = CROSS) -> IPAdapterPlusImageProjection:
    """InstantID's resampler at miniature width; depth 4 and head width 64 are what loaders take for granted."""
    resampler = IPAdapterPlusImageProjection(
        embed_dims=EMBEDDING, output_dims=cross, hidden_dims=RESAMPLER_WIDTH, depth=4, dim_head=64,
        heads=RESAMPLER_WIDTH // 64, num_queries=QUERIES,
    )  # fmt: skip
    for module in resampler.modules():
        if isinstance(module, Attention):
            module.set_processor(AttnProcessor())
    return resampler


def new_identity_net(unet: UNet2DConditionModel) -> ControlNetModel:
    """A ControlNet that starts as the base's encoder; it must be made before face attention is installed."""
    return ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=CONDITIONING)


class FaceAttention(nn.Module):
    """Cross-attention to text plus, per sample, a scale times attention to face tokens (training only).

    It starts as the base's own attention: keys as for text, values zero.
    Plain products instead of scaled_dot_product_attention, whose backward pass is slow on the CPU.
    """

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        inner, cross = attention.to_k.weight.shape  # type: ignore[union-attr]
        self.to_k_ip = nn.Linear(cross, inner, bias=False)
        self.to_v_ip = nn.Linear(cross, inner, bias=False)
        with torch.no_grad():
            self.to_k_ip.weight.copy_(attention.to_k.weight)  # type: ignore[union-attr]
            self.to_v_ip.weight.zero_()

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: tuple[torch.Tensor, torch.Tensor, Mapping[int, torch.Tensor]],
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """encoder_hidden_states: text (batch, n, cross), face tokens (batch, m, cross), and by the number of queries
        the scale of each, (batch, queries, 1)."""
        words, face, scales = encoder_hidden_states
        query = attn.head_to_batch_dim(attn.to_q(hidden_states))

        def read(key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
            key, value = attn.head_to_batch_dim(key), attn.head_to_batch_dim(value)
            return attn.batch_to_head_dim(torch.bmm(attn.get_attention_scores(query, key), value))

        out = read(attn.to_k(words), attn.to_v(words))  # type: ignore[operator]
        out = out + scales[query.shape[1]].to(out.dtype) * read(self.to_k_ip(face), self.to_v_ip(face))
        return attn.to_out[1](attn.to_out[0](out))  # type: ignore[index]


def install_face_attention(unet: UNet2DConditionModel) -> None:
    """Give every cross-attention a FaceAttention and every self-attention plain products."""
    processors: dict[str, nn.Module | AttnProcessor] = {}
    for name in unet.attn_processors:
        attention = unet.get_submodule(name.removesuffix(".processor"))
        processors[name] = FaceAttention(attention) if ".attn2." in name else AttnProcessor()  # type: ignore[arg-type]
    unet.set_attn_processor(processors)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class FaceScales:
    """How strongly the two ways of a face act at each place, as the pipeline's face region and scales have it.

    net: by height of the map, (batch, 1, height, width). adapter: by number of queries, (batch, queries, 1).
    """

    net: dict[int, torch.Tensor]
    adapter: dict[int, torch.Tensor]

    @classmethod
    def of(cls, net: torch.Tensor, adapter: torch.Tensor, region: torch.Tensor, side: int, levels: int) -> FaceScales:
        """net, adapter: (batch,). region: (batch, 1, height, width) in 0..1. side: of the latents."""
        sides = [-(-side // 2**level) for level in range(levels)]
        over_maps = {each: functional.interpolate(region, (each, each), mode="bilinear") for each in sides}
        over_queries = {each: functional.interpolate(region, (each, each)).flatten(1)[..., None] for each in sides}
        return cls(
            {each: mask * net[:, None, None, None] for each, mask in over_maps.items()},
            {each * each: mask * adapter[:, None, None] for each, mask in over_queries.items()},
        )


def predict(
    network: nn.Module, noisy: torch.Tensor, steps: torch.Tensor, words: torch.Tensor, pooled: torch.Tensor,
    face: torch.Tensor, landmarks: torch.Tensor, scales: FaceScales,
) -> torch.Tensor:  # fmt: skip
    """v of noised latents as the pipeline computes it: IdentityNet reads the face tokens alone, the UNet both.

    words: (batch, TOKENS, cross). pooled: (batch, width). face: (batch, 512). landmarks: (batch, 3, h, w) in 0..1.
    """
    added = {"text_embeds": pooled, "time_ids": time_ids(len(noisy))}
    tokens = network["resampler"](face[:, None])  # type: ignore[operator, index]
    landmarks = landmarks.contiguous(memory_format=torch.channels_last)  # halves the time of its many pixels
    down, middle = network["identity_net"](  # type: ignore[operator, index]
        noisy, steps, tokens, landmarks, added_cond_kwargs=added, return_dict=False
    )
    return network["unet"](  # type: ignore[operator, index]
        noisy, steps, (words, tokens, scales.adapter),
        added_cond_kwargs=added,
        down_block_additional_residuals=[part * scales.net[part.shape[-1]] for part in down],
        mid_block_additional_residual=middle * scales.net[middle.shape[-1]],
    ).sample  # fmt: skip


def split_weights(weights: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Weights of a joint stage, apart: the base's UNet, and what a face needs."""
    face = {k: v for k, v in weights.items() if not k.startswith("unet.") or "_ip." in k}
    return {k: v for k, v in weights.items() if k not in face}, face


def strengthened(weights: Mapping[str, torch.Tensor], gain: float) -> dict[str, torch.Tensor]:
    """Weights of an AdapterStage at which a strength of 1 acts like `gain`: what leaves each part is linear in them."""
    last = ("identity_net.controlnet_down_blocks.", "identity_net.controlnet_mid_block.")
    return {
        name: value * gain if name.endswith(".to_v_ip.weight") or name.startswith(last) else value
        for name, value in weights.items()
    }


def adapter_state(weights: dict[str, torch.Tensor], unet: UNet2DConditionModel) -> dict[str, torch.Tensor]:
    """InstantID's file layout: ``image_proj.*`` and ``ip_adapter.N.to_k_ip.weight``, N the processor's index.

    Args:
        weights: of an AdapterStage, by parameter name.
        unet: any network of the base's structure.
    """
    prefix = "resampler."
    resampler = resampler_state({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
    state = {f"image_proj.{name}": value for name, value in resampler.items()}
    for index, name in enumerate(unet.attn_processors):
        for part in ("to_k_ip", "to_v_ip"):
            if f"unet.{name}.{part}.weight" in weights:
                state[f"ip_adapter.{index}.{part}.weight"] = weights[f"unet.{name}.{part}.weight"]
    return state


@dataclass(frozen=True)
class AdapterStage:
    """Latents from noise, a caption, a face embedding and a landmark picture.

    prepared: folder with ``latents.npy``, ``words.npy`` (texts, TOKENS, cross) and ``pooled.npy`` (texts, width)
    float16, ``texts.npy`` (n, variants) int32 rows of them, ``nothing.npy`` (m,) rows of unconditional texts,
    ``landmarks.npy`` (n, side, side, 3) and ``regions.npy`` (n, side, side) uint8, ``people.npy`` (n,) int32,
    ``embeddings.npy`` (r, 512) float32, and ``references.npy`` (people, k) int32: rows of embeddings of each person,
    -1 where there are fewer.
    base: safetensors of the base's weights by parameter name (``unet.NAME``).
    start: safetensors of an earlier stage's other weights; without it the parts start from the base.
    landmarks: safetensors of a LandmarkStage, whose embedding IdentityNet is given.
    joint: the base's UNet learns too, and a share of the samples has text alone so that it stays a base; otherwise it
    is frozen.
    """

    prepared: Path
    base: Path
    start: Path | None = None
    landmarks: Path | None = None
    joint: bool = False
    seed: int = 0
    blocks: tuple[int, ...] = BLOCKS
    name: str = "adapter"

    READS: ClassVar[dict[str, tuple[str, ...]]] = {"prepared": PREPARED}

    def build(self) -> nn.Module:
        torch.manual_seed(self.seed + 2)
        channels = np.load(self.prepared / "latents.npy", mmap_mode="r").shape[1]
        unet = new_unet(self.blocks, channels)
        stored = load_file(self.base)
        unet.load_state_dict({k.removeprefix("unet."): v for k, v in stored.items() if k.startswith("unet.")})
        unet.requires_grad_(self.joint)
        net = new_identity_net(unet).requires_grad_(True)
        net.set_attn_processor(AttnProcessor())
        install_face_attention(unet)
        network = nn.ModuleDict({"unet": unet, "identity_net": net, "resampler": new_resampler()}).train()
        if self.start is not None:
            loaded = network.load_state_dict(load_file(self.start), strict=False)
            if loaded.unexpected_keys:
                raise ValueError(f"{self.start.name} holds other weights: {loaded.unexpected_keys[:4]}")
        if self.landmarks is not None:
            give(net, load_file(self.landmarks), self.seed)
        return network

    by_muon = staticmethod(by_muon)

    def loss(self, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        random = generator(self.seed, step, rank)
        latents, words, pooled, landmarks, face, inside, region = self._draw(random, batch)
        noise = torch.randn(latents.shape, generator=random)
        steps = timesteps(batch, random)
        noisy, wanted = noised(latents, noise, steps)
        chance = torch.rand(batch, generator=random)
        alone = torch.rand(batch, generator=random) < (TEXT_ALONE if self.joint else 0.0)
        scales = FaceScales.of(
            ((chance >= NET_OFF) & ~alone).float(),
            ((chance < 1 - ADAPTER_OFF) & ~alone).float(),
            region,
            latents.shape[-1],
            len(self.blocks),
        )
        with torch.autocast("cpu", torch.bfloat16):
            made = predict(network, noisy, steps, words, pooled, face, landmarks, scales)
        weight = 1 + FACE_WEIGHT * functional.interpolate(inside, latents.shape[-2:], mode="bilinear")
        return ((made.float() - wanted) ** 2 * weight / weight.mean()).mean()

    def _draw(self, random: torch.Generator, batch: int) -> tuple[torch.Tensor, ...]:
        def stored(name: str) -> np.ndarray:
            return np.load(self.prepared / f"{name}.npy", mmap_mode="r")

        latents, texts, nothing = stored("latents"), stored("texts"), stored("nothing")
        rows = torch.randint(len(latents), (batch,), generator=random).numpy()
        text = texts[rows, torch.randint(texts.shape[1], (batch,), generator=random).numpy()].copy()
        chance = torch.rand(batch, generator=random).numpy()
        empty = chance < TEXT_AND_FACE_DROPPED + TEXT_DROPPED
        text[empty] = nothing[torch.randint(len(nothing), (int(empty.sum()),), generator=random).numpy()]
        faceless = (chance < TEXT_AND_FACE_DROPPED) | (chance > 1 - FACE_DROPPED)
        candidates = stored("references")[stored("people")[rows]]
        spots = (torch.rand(batch, generator=random).numpy() * (candidates >= 0).sum(1)).astype(np.int64)
        face = stored("embeddings")[candidates[np.arange(batch), spots]].astype(np.float32)
        face[faceless] = 0
        landmarks = stored("landmarks")[rows].astype(np.float32).transpose(0, 3, 1, 2) / 255
        inside = stored("regions")[rows, None].astype(np.float32) / 255
        region = inside.copy()
        region[torch.rand(batch, generator=random).numpy() >= REGION_ON] = 1
        arrays = (latents[rows], stored("words")[text], stored("pooled")[text], landmarks, face, inside, region)
        return tuple(torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)) for array in arrays)
