"""Guidance without burnt colours: guided predictions brought back to the spread that unguided ones have."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def rescaled(pipeline: Any, share: float) -> Iterator[None]:
    """Within the block guidance is rescaled (Lin et al. 2023, arXiv 2305.08891, equations 15 and 16).

    The guided prediction is multiplied by the ratio of the conditional prediction's standard deviation to its own, and
    mixed with itself by `share`. Steps without guidance are left as they are.

    Args:
        pipeline: its scheduler, which must serve this run only, is wrapped; its UNet is watched until the block ends.
        share: 0 (off) to 1.
    """
    if share == 0:
        yield
        return
    scheduler, predicted = pipeline.scheduler, []
    hook = pipeline.unet.register_forward_hook(lambda _, __, output: predicted.append(output[0]))
    step = scheduler.step

    @functools.wraps(step)
    def calmer(model_output: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        rows = predicted.pop()
        if len(rows) == 2 * len(model_output):
            wanted, given = (_spread(each) for each in (rows.chunk(2)[1], model_output))
            model_output = model_output * (share * wanted / given + 1 - share)
        return step(model_output, *args, **kwargs)

    scheduler.step = calmer
    try:
        yield
    finally:
        hook.remove()


def _spread(prediction: torch.Tensor) -> torch.Tensor:
    """Standard deviation of each row, (rows, 1, 1, 1)."""
    return prediction.std(dim=tuple(range(1, prediction.ndim)), keepdim=True)
