"""The recogniser's architectures: aligned 112 px crops to 512 numbers of a norm of about sqrt(512).

Two of them, so that the drawn world has the miniature's own recogniser and a foreign one beside it.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn


def stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.PReLU(outputs)
    )


class FaceNet(nn.Module):
    """A plain chain of convolutions: (n, 3, 112, 112) RGB, (x - 127.5) / 127.5 -> (n, 512).

    The last layer is a batch norm without gain: the raw embedding has a norm of about sqrt(512), the scale that the
    identity adapter is given.
    """

    def __init__(self, widths: tuple[int, ...] = (24, 48, 96, 160)) -> None:
        super().__init__()
        layers: list[nn.Module] = [stage(3, widths[0], 2)]
        for inputs, outputs in pairwise(widths):
            layers += [stage(inputs, outputs, 2), stage(outputs, outputs, 1)]
        self.trunk = nn.Sequential(*layers)
        self.neck = nn.Sequential(nn.Conv2d(widths[-1], 32, 1, bias=False), nn.BatchNorm2d(32))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32 * 7 * 7, 512, bias=False))
        self.norm = nn.BatchNorm1d(512, affine=False)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return self.norm(self.head(self.neck(self.trunk(crops))).float())


class Residual(nn.Module):
    """A residual block that halves the side (pre-activation: He et al. 2016, arXiv:1603.05027)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.long = nn.Sequential(
            nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False),
            nn.BatchNorm2d(outputs), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.short = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.long(maps) + self.short(maps)


class ResidualFaceNet(FaceNet):
    """Residual blocks with ReLU in place of the chain with PReLU; same input, head and scale of the output."""

    def __init__(self, widths: tuple[int, ...] = (24, 40, 80, 160)) -> None:
        super().__init__(widths)
        first = nn.Sequential(nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU())
        self.trunk = nn.Sequential(first, *(Residual(inputs, outputs) for inputs, outputs in pairwise(widths)))


NETS: dict[str, Callable[[], FaceNet]] = {"plain": FaceNet, "residual": ResidualFaceNet}
