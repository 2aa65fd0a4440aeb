"""Parts of a run: outside of them something does not act."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from generation.request import GenerationRequest


class Guidance:
    """Whether a step is guided. Outside of its part of the run the unconditional half is not computed.

    Args:
        start, end: fractions of the run; of n steps those from ceil(start n) up to, without, ceil(end n) are guided.

    Attributes:
        on: for the step to come.
    """

    def __init__(self, start: float, end: float) -> None:
        self._start, self._end = start, end
        self.on = start == 0 < end

    def before(self, step: int, steps: int) -> None:
        """Step `step` of `steps`, counted from 0, is to come."""
        self.on = math.ceil(self._start * steps) <= step < math.ceil(self._end * steps)


@contextmanager
def guided(pipeline: Any, guidance: Guidance) -> Iterator[None]:
    """Within the block the pipeline's networks follow `guidance`.

    Diffusers decides once whether a run is guided, before its first step. So where a step is not, the networks are
    handed the conditional half alone, and the UNet's answer stands for both: guidance between two equal predictions
    is that prediction, bit for bit.

    What is to see the rows that the UNet computes must watch it before this block begins.
    """

    def halve(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if guidance.on or not pipeline.do_classifier_free_guidance:
            return None
        rows = len(args[0])
        return _conditional(args, rows), _conditional(kwargs, rows)

    def double(_: Any, args: Any, output: tuple[torch.Tensor, ...]) -> Any:
        if guidance.on or not pipeline.do_classifier_free_guidance:
            return None
        return (torch.cat([output[0]] * 2), *output[1:])

    hooks = [net.register_forward_pre_hook(halve, with_kwargs=True) for net in (pipeline.unet, pipeline.controlnet)]
    hooks.append(pipeline.unet.register_forward_hook(double))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _conditional(value: Any, rows: int) -> Any:
    """The same with the second half of every tensor of so many rows; those of fewer have lost their first already."""
    if isinstance(value, torch.Tensor):
        return value[rows // 2 :] if value.ndim and len(value) == rows else value
    if isinstance(value, list | tuple):
        return type(value)(_conditional(one, rows) for one in value)
    if isinstance(value, dict):
        return {name: _conditional(one, rows) for name, one in value.items()}
    return value


def adapter_scale(wish: GenerationRequest, step: int, steps: int) -> float:
    """Strength of the face adapter in a step, counted from 0: 0 outside of its window, by the rule of ControlNets."""
    start, end = wish.adapter_start or 0.0, 1.0 if wish.adapter_end is None else wish.adapter_end
    return (wish.adapter_scale or 0.0) if _within(step, start, end, steps) else 0.0


def _within(step: int, start: float, end: float, steps: int) -> bool:
    """Whether a step lies wholly in a part of the run, as diffusers decides for ControlNets."""
    return step / steps >= start and (step + 1) / steps <= end


def idle(wish: GenerationRequest, steps: int) -> list[str]:
    """Notes on parts of a settled request's run that hold none of its steps, so that what acts there does nothing.

    steps: those that are gone through, fewer than asked for where a run starts from a picture.
    """
    parts = [
        ("IdentityNet", wish.identity_net_scale, wish.identity_start, wish.identity_end),
        ("The face adapter", wish.adapter_scale, wish.adapter_start, wish.adapter_end),
        *((f"The control {one.kind}", one.strength, one.start, one.end) for one in wish.controls),
    ]
    told = [
        f"{name} did nothing: its part of the run, {start:g} to {end:g}, holds none of the {steps} steps whole. "
        "Widen it or take more steps."
        for name, strength, start, end in parts
        if strength
        and start is not None
        and end is not None
        and not any(_within(step, start, end, steps) for step in range(steps))
    ]
    start, end = wish.guidance_start or 0.0, 1.0 if wish.guidance_end is None else wish.guidance_end
    if (wish.guidance or 0.0) > 1.0 and start < end and math.ceil(start * steps) >= math.ceil(end * steps):
        told.append(f"Nothing was guided: that part of the run, {start:g} to {end:g}, holds none of the {steps} steps.")
    return told
