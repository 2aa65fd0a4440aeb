"""What a picture of the drawn world shows: style, place, clothes, their colour and the expression, read by a small net.

It judges what the miniature makes; it never conditions a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from training.miniature.shot import CLOTHES_COLOURS, EXPRESSIONS, GARMENTS, PLACES, STYLES, Shot

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "miniature"
FILE = "attributes.safetensors"
SIDE = 64
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "style": STYLES,
    "place": PLACES,
    "clothes": GARMENTS,
    "clothes_colour": tuple(CLOTHES_COLOURS),
    "expression": EXPRESSIONS,
}
COLOURLESS = ("line art", "film noir")
"""Styles that keep no colour: neither that of the clothes nor that of a plain background can be told."""


class AttributeNet(nn.Module):
    """(n, 3, 64, 64) RGB in -1..1 -> logits (n, sum of the options), in the order of ATTRIBUTES.

    The last map is read place by place, for clothes are always below and the place is always behind.
    """

    def __init__(self, widths: tuple[int, ...] = (24, 48, 96, 144)) -> None:
        super().__init__()
        layers: list[nn.Module] = [_block(3, widths[0], 2)]
        for inputs, outputs in pairwise(widths):
            layers += [_block(inputs, outputs, 2), _block(outputs, outputs, 1)]
        self.trunk = nn.Sequential(*layers)
        self.neck = nn.Conv2d(widths[-1], 48, 1)
        self.head = nn.Linear(48 * (SIDE // 16) ** 2, sum(map(len, ATTRIBUTES.values())))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        found = torch.relu(self.neck(self.trunk(pictures.contiguous(memory_format=torch.channels_last))))
        return self.head(found.flatten(1)).float()


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.GroupNorm(8, outputs), nn.ReLU(inplace=True)
    )


class AttributeReader:
    """The trained net on the CPU.

    Args:
        file: the weights as `save` wrote them.
    """

    options = ATTRIBUTES

    def __init__(self, file: Path = ASSETS / FILE) -> None:
        self._net = AttributeNet()
        self._net.load_state_dict({name: value.float() for name, value in load_file(file).items()})
        self._net.eval()

    @torch.inference_mode()
    def read(self, pictures: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Probabilities (n, options) float32 of each attribute, for square pictures uint8 RGB of any side."""
        small = np.stack([shrunk(picture) for picture in pictures])
        logits = torch.cat([self._net(to_tensor(small[start : start + 64])) for start in range(0, len(small), 64)])
        parts = logits.split([len(options) for options in ATTRIBUTES.values()], dim=1)
        return {name: part.softmax(1).numpy() for name, part in zip(ATTRIBUTES, parts, strict=True)}


def save(weights: dict[str, torch.Tensor], file: Path) -> None:
    """Write the weights of an AttributeNet in half precision."""
    save_file({name: value.half().contiguous() for name, value in weights.items()}, file)


def labels(shot: Shot) -> list[int]:
    """The place of a shot's options in ATTRIBUTES, in their order."""
    return [options.index(getattr(shot, name)) for name, options in ATTRIBUTES.items()]


def tellable(name: str, shot: Shot) -> bool:
    """Whether a picture of the shot can show the attribute at all."""
    if shot.style not in COLOURLESS:
        return True
    return name != "clothes_colour" and not (name == "place" and shot.place.startswith("plain "))


def shrunk(picture: np.ndarray) -> np.ndarray:
    """A square picture (side, side, 3) uint8 at the side that the net reads."""
    if picture.shape[0] == SIDE:
        return picture
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    """(n, side, side, 3) uint8 -> (n, 3, side, side) float32 in -1..1."""
    return torch.tensor(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
