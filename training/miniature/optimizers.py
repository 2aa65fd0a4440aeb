"""Which parameters of a stage are trained by AdamW, and which by Muon."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from training.miniature.muon import Muon

if TYPE_CHECKING:
    from training.miniature.loop import Plan, Stage


def optimizers_of(parameters: dict[str, nn.Parameter], stage: Stage, plan: Plan) -> list[torch.optim.Optimizer]:
    """One or two for these parameters, by name; each group has its peak rate as ``peak``.

    A stage may scale the rate of a parameter (``lr_of(name)``) and choose what goes to Muon (``by_muon(name,
    parameter)``) where the plan has a rate for it.
    """
    factor: Callable[[str], float] = getattr(stage, "lr_of", lambda name: 1.0)
    by_muon = getattr(stage, "by_muon", lambda name, parameter: False) if plan.muon else lambda name, parameter: False
    adam: dict[tuple[float, bool], list[nn.Parameter]] = {}
    muon: dict[float, list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        if by_muon(name, parameter):
            muon.setdefault(factor(name), []).append(parameter)
        else:
            adam.setdefault((factor(name), parameter.ndim > 1), []).append(parameter)
    optimizers: list[torch.optim.Optimizer] = []
    if adam:
        groups = [
            {"params": items, "peak": plan.lr * scale, "weight_decay": plan.weight_decay if matrix else 0.0}
            for (scale, matrix), items in adam.items()
        ]
        optimizers.append(torch.optim.AdamW(groups, lr=plan.lr, betas=plan.betas, fused=True))
    if muon:
        groups = [{"params": items, "peak": plan.muon * scale} for scale, items in muon.items()]
        optimizers.append(Muon(groups, lr=plan.muon, weight_decay=plan.weight_decay))
    return optimizers
