"""The networks with nothing but tensors going in and out, and an example of each input to trace them with.

Sides of the examples are odd and their rows differ, so that the traced graph holds for every size and batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, ControlNetModel, UNet2DConditionModel
from diffusers.models.embeddings import IPAdapterPlusImageProjection

from openvino_backend.attention import face_layers, make_traceable, mask_levels

ROWS, HEIGHT, WIDTH, TEXT = 2, 9, 11, 7
SIDE = 64
TIME_IDS = 6
"""Numbers in SDXL's size conditioning: original size, crop, target size (arXiv 2307.01952, section 2.2)."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A network ready to be traced.

    Attributes:
        inputs: name -> example.
        outputs: names.
    """

    network: torch.nn.Module
    inputs: dict[str, torch.Tensor]
    outputs: tuple[str, ...]


class _Function(torch.nn.Module):
    """A network called through a function of flat tensors."""

    def __init__(self, network: torch.nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        self.network = network
        self._call = call

    def forward(self, *tensors: torch.Tensor) -> Any:
        return self._call(self.network, *tensors)


def unet_graph(unet: UNet2DConditionModel) -> Graph:
    """Noise prediction with face attention: the strength of each layer and the masks of the people are inputs."""
    layers = face_layers(unet)
    masks = {f"mask_{level}": torch.ones(2, 1, 1, 1) for level in mask_levels(layers)}
    make_traceable(unet)
    config = unet.config
    dim, tokens = config["cross_attention_dim"], 3
    residuals = _skips(unet, ROWS, HEIGHT, WIDTH)
    inputs = {
        "sample": torch.randn(ROWS, config["in_channels"], HEIGHT, WIDTH),
        "timestep": torch.tensor([5.0]),
        "text": torch.randn(ROWS, TEXT, dim),
        "text_embeds": torch.randn(ROWS, _pooled(unet)),
        "time_ids": torch.randn(ROWS, TIME_IDS),
        "faces": torch.randn(2, ROWS, tokens, dim),
        "strengths": torch.ones(len(layers)),
        **masks,
        **{f"residual_{number}": residual for number, residual in enumerate(residuals[:-1])},
        "residual_mid": residuals[-1],
    }

    def call(network: Any, sample: Any, timestep: Any, text: Any, pooled: Any, ids: Any, *rest: Any) -> torch.Tensor:
        faces, strengths, *others = rest
        added = {"text_embeds": pooled, "time_ids": ids, "image_embeds": (faces, strengths, others[: len(masks)])}
        return network(
            sample,
            timestep,
            text,
            added_cond_kwargs=added,
            down_block_additional_residuals=tuple(others[len(masks) : -1]),
            mid_block_additional_residual=others[-1],
            return_dict=False,
        )[0]

    return Graph(_Function(unet, call), inputs, ("noise",))


def controlnet_graph(net: ControlNetModel) -> Graph:
    """Residuals at strength 1; strength, region and people are put to them afterwards."""
    config = net.config
    side = 2 ** (len(config["conditioning_embedding_out_channels"]) - 1)
    inputs = {
        "sample": torch.randn(ROWS, config["in_channels"], HEIGHT, WIDTH),
        "timestep": torch.tensor([5.0]),
        "tokens": torch.randn(ROWS, TEXT, config["cross_attention_dim"]),
        "condition": torch.randn(ROWS, config["conditioning_channels"], side * HEIGHT, side * WIDTH),
        "text_embeds": torch.randn(ROWS, _pooled(net)),
        "time_ids": torch.randn(ROWS, TIME_IDS),
    }
    count = len(net.controlnet_down_blocks)

    def call(network: Any, sample: Any, timestep: Any, tokens: Any, condition: Any, pooled: Any, ids: Any) -> Any:
        added = {"text_embeds": pooled, "time_ids": ids}
        down, mid = ControlNetModel.forward(
            network, sample, timestep, tokens, condition, added_cond_kwargs=added, return_dict=False
        )
        return (*down, mid)

    outputs = (*(f"residual_{number}" for number in range(count)), "residual_mid")
    return Graph(_Function(net, call), inputs, outputs)


def text_graph(encoder: Any) -> Graph:
    """The encoder's answer and all its hidden states, the embeddings first."""
    config = encoder.config
    length = config.max_position_embeddings
    ids = torch.arange(ROWS * length).reshape(ROWS, length) % (config.vocab_size - 2)
    ids[:, -1] = config.eos_token_id if config.eos_token_id != 2 else config.vocab_size - 1

    def call(network: Any, words: torch.Tensor) -> Any:
        answer = network(words, output_hidden_states=True, return_dict=True)
        first = answer.text_embeds if hasattr(answer, "text_embeds") else answer.last_hidden_state
        return (first, *answer.hidden_states)

    states = tuple(f"state_{number}" for number in range(config.num_hidden_layers + 1))
    return Graph(_Function(encoder, call), {"ids": ids}, ("answer", *states))


def resampler_graph(resampler: IPAdapterPlusImageProjection) -> Graph:
    """Raw embeddings to face tokens."""
    embeddings = torch.randn(ROWS, 3, resampler.proj_in.in_features)
    return Graph(_Function(resampler, lambda network, faces: network(faces)), {"embeddings": embeddings}, ("tokens",))


def encoder_graph(vae: AutoencoderKL | AutoencoderTiny) -> Graph:
    """Pixels in -1..1 to the latents' moments (to the latents themselves, of a tiny one)."""

    def call(network: Any, pixels: torch.Tensor) -> torch.Tensor:
        moments = network.encoder(pixels)
        quantise = getattr(network, "quant_conv", None)
        return moments if quantise is None else quantise(moments)

    return Graph(_Function(vae, call), {"pixels": torch.randn(ROWS, 3, SIDE, 2 * SIDE)}, ("moments",))


def decoder_graph(vae: AutoencoderKL | AutoencoderTiny) -> Graph:
    """Latents in the decoder's scale to pixels."""

    def call(network: Any, latents: torch.Tensor) -> torch.Tensor:
        prepare = getattr(network, "post_quant_conv", None)
        return network.decoder(latents if prepare is None else prepare(latents))

    channels = vae.config["latent_channels"]
    return Graph(_Function(vae, call), {"latents": torch.randn(ROWS, channels, HEIGHT, WIDTH)}, ("pixels",))


def _pooled(network: Any) -> int:
    """Width of the pooled text that a network expects."""
    return network.add_embedding.linear_1.in_features - TIME_IDS * network.config["addition_time_embed_dim"]


def _skips(unet: UNet2DConditionModel, rows: int, height: int, width: int) -> list[torch.Tensor]:
    """Zeros in the shapes of the skip connections and, last, of the middle."""
    channels = unet.config["block_out_channels"]
    shapes = [(channels[0], height, width)]
    for level, width_of_level in enumerate(channels):
        shapes += [(width_of_level, height, width)] * len(cast(Any, unet.down_blocks[level]).resnets)
        if level < len(channels) - 1:
            height, width = -(-height // 2), -(-width // 2)
            shapes.append((width_of_level, height, width))
    shapes.append((channels[-1], height, width))
    return [torch.zeros(rows, *shape) for shape in shapes]
