"""Modules that look like diffusers' originals, hold no weights, and compute with a compiled network.

Each has the layers of the original with nothing in them, so that everything that a pipeline asks of it (config, dtype,
layers, processors) is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, ControlNetModel, UNet2DConditionModel
from diffusers.models.embeddings import IPAdapterPlusImageProjection
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput

from ip_adapter.attention import AddedFaceAttention, FaceProjection, FaceRegion
from ip_adapter.identity_net import IdentityNet
from openvino_backend.attention import face_layers, mask_levels
from openvino_backend.compiled import Network


class Weightless(cast(Any, object)):
    """What every module here shares: it lies on the CPU at 32 bits for all that diffusers can see, and stays there."""

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    def to(self, *args: Any, **kwargs: Any) -> Any:
        return self

    @classmethod
    def behind(cls, config: Mapping[str, Any], **networks: Network) -> Any:
        """A module of a configuration that computes with these networks."""
        with torch.device("meta"):
            module = cast(Any, cls).from_config(dict(config))
        for name, network in networks.items():
            object.__setattr__(module, name, network)
        return emptied(module).eval()


def emptied(module: Any) -> Any:
    """The same module with nothing in its parameters, on the CPU, where containers of it look for its device."""
    for part in module.modules():
        for name, _ in list(part.named_parameters(recurse=False)):
            part.register_parameter(name, torch.nn.Parameter(torch.empty(0), requires_grad=False))
    return module


class CompiledUNet(Weightless, UNet2DConditionModel):
    """UNet with face attention. Strengths are read from the processors at every call, masks from the region."""

    network: Network

    def wear_face(self, resampler: torch.nn.Module) -> None:
        """Installs the processors that hold strengths, and the resampler where the pipeline looks for it."""
        processors: dict[str, Any] = {}
        dim = self.config["cross_attention_dim"]
        for name, processor in self.attn_processors.items():
            if name.endswith("attn2.processor"):
                with torch.device("meta"):
                    processor = AddedFaceAttention(1, dim, num_tokens=(1,), scale=1.0)
            processors[name] = processor
        self.set_attn_processor(processors)
        self.encoder_hid_proj = FaceProjection([cast(IPAdapterPlusImageProjection, resampler)])
        self.register_to_config(encoder_hid_dim_type="ip_image_proj")
        emptied(self)
        self._layers = face_layers(self)
        self._levels = mask_levels(self._layers)

    def forward(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor | float,
        encoder_hidden_states: torch.Tensor,
        cross_attention_kwargs: dict[str, Any] | None = None,
        added_cond_kwargs: dict[str, Any] | None = None,
        down_block_additional_residuals: Any = None,
        mid_block_additional_residual: torch.Tensor | None = None,
        return_dict: bool = True,
        **others: Any,
    ) -> Any:
        """As UNet2DConditionModel, of whose further arguments none is known here."""
        if told := [name for name, value in others.items() if value is not None]:
            raise TypeError(f"the compiled UNet knows no {', '.join(told)}")
        added = added_cond_kwargs or {}
        rows = len(sample)
        faces = torch.stack([face[-rows:] for face in added["image_embeds"]])
        processors = cast(Any, self.attn_processors)
        residuals = list(down_block_additional_residuals or ())
        noise = self.network(
            sample=sample,
            timestep=_time(timestep),
            text=encoder_hidden_states,
            text_embeds=added["text_embeds"],
            time_ids=added["time_ids"].as_subclass(torch.Tensor).to(sample.dtype),
            faces=faces,
            strengths=torch.tensor([float(processors[name].scale[0]) for name, _ in self._layers]),
            **self._masks((cross_attention_kwargs or {}).get("ip_adapter_masks"), sample),
            **{f"residual_{number}": residual for number, residual in enumerate(residuals)},
            residual_mid=cast(torch.Tensor, mid_block_additional_residual),
        )[0]
        return UNet2DConditionOutput(sample=noise) if return_dict else (noise,)

    def _masks(self, region: FaceRegion | None, sample: torch.Tensor) -> dict[str, torch.Tensor]:
        if region is None:
            return {f"mask_{level}": torch.ones(1, 1, 1, 1) for level in self._levels}
        masks = {}
        for level in self._levels:
            height, width = sample.shape[-2:]
            for _ in range(level):
                height, width = -(-height // 2), -(-width // 2)
            queries = sample.new_empty(1, height * width, 0)
            masks[f"mask_{level}"] = torch.stack([region.over_queries(queries, one) for one in range(region.people)])
        return masks


class CompiledControlNet(Weightless, ControlNetModel):
    """A ControlNet; strength and guess mode are put to the residuals of the network."""

    network: Network

    def forward(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor | float,
        encoder_hidden_states: torch.Tensor,
        controlnet_cond: torch.Tensor,
        conditioning_scale: float = 1.0,
        added_cond_kwargs: dict[str, torch.Tensor] | None = None,
        guess_mode: bool = False,
        return_dict: bool = True,
        **others: Any,
    ) -> Any:
        """As ControlNetModel, of whose further arguments none is known here."""
        if told := [name for name, value in others.items() if value is not None]:
            raise TypeError(f"the compiled ControlNet knows no {', '.join(told)}")
        added = added_cond_kwargs or {}
        *down, mid = self.network(
            sample=sample,
            timestep=_time(timestep),
            tokens=encoder_hidden_states,
            condition=controlnet_cond,
            text_embeds=added["text_embeds"],
            time_ids=added["time_ids"].as_subclass(torch.Tensor).to(sample.dtype),
        )
        scales = torch.full((len(down) + 1,), float(conditioning_scale))
        if guess_mode and not self.config["global_pool_conditions"]:
            scales = torch.logspace(-1, 0, len(down) + 1) * conditioning_scale
        down = [residual * scale for residual, scale in zip(down, scales[:-1], strict=True)]
        mid = mid * scales[-1]
        if return_dict:
            return SimpleNamespace(down_block_res_samples=down, mid_block_res_sample=mid)
        return down, mid


class CompiledIdentityNet(IdentityNet, CompiledControlNet):
    """IdentityNet, whose face, region and people are the original's own business."""


class CompiledResampler(Weightless, IPAdapterPlusImageProjection):
    """Raw embeddings to face tokens."""

    network: Network

    @classmethod
    def behind(cls, config: Mapping[str, Any], **networks: Network) -> Any:
        with torch.device("meta"):
            module = cls(**{**config, "depth": 0})
        object.__setattr__(module, "network", networks["network"])
        return emptied(module).eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(embeddings=x)[0]


class _Stage(torch.nn.Module):
    """The encoder or the decoder of an autoencoder, with the convolution before or after it."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        object.__setattr__(self, "network", network)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        network = cast(Network, self.network)
        return network(**{network.inputs[0]: values.float()})[0]


class CompiledVAE(Weightless, AutoencoderKL):
    """Autoencoder; tiling and slicing are the original's."""

    @classmethod
    def behind(cls, config: Mapping[str, Any], **networks: Network) -> Any:
        module = super().behind(config)
        module.encoder, module.decoder = _Stage(networks["encoder"]), _Stage(networks["decoder"])
        for name in ("quant_conv", "post_quant_conv"):
            if getattr(module, name) is not None:
                setattr(module, name, torch.nn.Identity())
        return module


class CompiledTinyVAE(Weightless, AutoencoderTiny):
    """The tiny autoencoder, which has no convolutions besides its two stages."""

    @classmethod
    def behind(cls, config: Mapping[str, Any], **networks: Network) -> Any:
        module = super().behind(config)
        module.encoder, module.decoder = _Stage(networks["encoder"]), _Stage(networks["decoder"])
        return module


class CompiledText(Weightless, torch.nn.Module):
    """A CLIP text encoder."""

    def __init__(self, config: Mapping[str, Any], network: Network) -> None:
        super().__init__()
        self.config = SimpleNamespace(**config)
        object.__setattr__(self, "network", network)

    def forward(self, ids: torch.Tensor, output_hidden_states: bool = True, **_: Any) -> Any:
        """The answer, pooled of the second encoder, at [0], and hidden_states."""
        answer, *states = cast(Network, self.network)(ids=ids)
        return _Answer(answer, tuple(states))


class _Answer(tuple):
    """(answer, hidden states), of which the latter have a name too."""

    hidden_states: tuple[torch.Tensor, ...]

    def __new__(cls, answer: torch.Tensor, states: tuple[torch.Tensor, ...]) -> _Answer:
        made = super().__new__(cls, (answer, states))
        made.hidden_states = states
        return made


def _time(timestep: torch.Tensor | float) -> torch.Tensor:
    """(1,) float32."""
    return torch.as_tensor(timestep).reshape(-1)[:1].float()
