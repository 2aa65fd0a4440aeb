"""IdentityNet: the ControlNet that reads a face where others read the prompt.

Wang et al., InstantID (arXiv 2401.07519), section 3.2: the five drawn keypoints say where the face is, and the face
tokens, not the text, say whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from diffusers import ControlNetModel
from diffusers.models.controlnets.controlnet import ControlNetOutput

from errors import InstantIDError
from ip_adapter.attention import FaceRegion


class IdentityNet(ControlNetModel):
    """An ordinary SDXL ControlNet whose cross-attention sees the face last shown to it.

    Config and weights are those of a `ControlNetModel/` folder, unmodified. The face is state of one generation and
    never part of the state dict: `show` before it, `clear` after it.
    """

    face_tokens: Sequence[torch.Tensor] = ()
    region: FaceRegion | None = None

    @classmethod
    def adopt(cls, controlnet: ControlNetModel) -> IdentityNet:
        """Make an IdentityNet of a loaded ControlNet. Both share every module and weight; the one given stays as it is.

        Raises:
            InstantIDError: an offload hook has already replaced the net's forward, so ours would never be called.
        """
        if isinstance(controlnet, cls):
            return controlnet
        if "forward" in vars(controlnet):
            raise InstantIDError(
                "This ControlNet already carries an offload hook and cannot become an IdentityNet.",
                field="controlnet",
                cure="Build the pipeline first and enable offloading on the pipeline.",
            )
        net = cls.__new__(cls)
        vars(net).update(vars(controlnet))
        return net

    def show(self, face_tokens: torch.Tensor | Sequence[torch.Tensor], region: FaceRegion | None = None) -> None:
        """Remember whom to draw.

        Args:
            face_tokens: (rows, tokens, cross_attention_dim) of a person, or of each of several; the unconditional rows
                first when there are any.
            region: where the residuals of each person act; None for everywhere, for one person alone.
        """
        self.face_tokens = (face_tokens,) if isinstance(face_tokens, torch.Tensor) else tuple(face_tokens)
        self.region = region

    def clear(self) -> None:
        self.face_tokens, self.region = (), None

    def forward(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor | float,
        encoder_hidden_states: torch.Tensor | None = None,
        controlnet_cond: Any = None,
        conditioning_scale: float = 1.0,
        *,
        return_dict: bool = True,
        **conditions: Any,
    ) -> Any:
        """One step: residuals for the UNet's skip connections and its middle block, of several people their sum.

        Args:
            sample: (rows, channels, height, width) latents.
            encoder_hidden_states: the prompt, which is not read.
            controlnet_cond: (rows, 3, 8 height, 8 width), keypoints drawn in RGB, 0..1.
            conditioning_scale: 0 skips the net and returns zeros, which is what the residuals would be.
            conditions: as in ControlNetModel.forward.

        Returns:
            ControlNetOutput, or a tuple of the skip connections' residuals and the middle's if return_dict=False.
        """
        if conditioning_scale == 0:
            down, mid = self._nothing(sample)
        elif not self.face_tokens:
            raise InstantIDError("IdentityNet was shown no face.", field="image_embeds", cure="Call show() first.")
        else:
            everybody = [
                self._residuals(person, sample, timestep, controlnet_cond, conditioning_scale, conditions)
                for person in range(len(self.face_tokens))
            ]
            down = [sum(parts[1:], parts[0]) for parts in zip(*(skips for skips, _ in everybody), strict=True)]
            mid = sum((middle for _, middle in everybody[1:]), everybody[0][1])
        return ControlNetOutput(cast(Any, tuple(down)), mid) if return_dict else (down, mid)

    def _residuals(
        self,
        person: int,
        sample: torch.Tensor,
        timestep: torch.Tensor | float,
        controlnet_cond: Any,
        conditioning_scale: float,
        conditions: dict[str, Any],
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        # In guess mode the sample is the conditional half alone, and its tokens are the last ones.
        tokens = self.face_tokens[person][-len(sample) :]
        down, mid = super().forward(
            sample, timestep, tokens, controlnet_cond, conditioning_scale, return_dict=False, **conditions
        )
        if self.region is None:
            return list(down), mid
        return (
            [residual * self.region.over_map(residual, person) for residual in down],
            mid * self.region.over_map(mid, person),
        )

    def _nothing(self, sample: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        rows, _, height, width = sample.shape
        channels = self.config["block_out_channels"]
        shrink = 2 ** (len(channels) - 1)
        # Full size in the middle only: MultiControlNetModel adds the next net's residual to it in place.
        mid = sample.new_zeros(rows, channels[-1], -(-height // shrink), -(-width // shrink))
        return [sample.new_zeros(rows, 1, 1, 1)] * len(self.controlnet_down_blocks), mid
