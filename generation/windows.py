"""Parts of a run: from some step on, something acts no more."""

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from generation.request import GenerationRequest

ROWS = ("prompt_embeds", "add_text_embeds", "add_time_ids")
"""What diffusers holds with an unconditional and a conditional half, by its own names; the pictures of ControlNets,
whose name is not the same in every pipeline, besides.
"""


def without_guidance(pipeline: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Ends guidance for the rest of a run: only the conditional half is computed from the next step on.

    Args:
        values: the tensors named in `ROWS` and the pictures of ControlNets, as diffusers hands them to a callback at
            the end of a step.

    Returns:
        The same with the unconditional half left out, to be handed back; nothing when nothing is guided.
    """
    if not pipeline.do_classifier_free_guidance:
        return {}
    pipeline._guidance_scale = 1.0
    return {name: _conditional(value) for name, value in values.items()}


def _conditional(value: Any) -> Any:
    """The second half of the rows of a tensor, or of each of several."""
    if isinstance(value, torch.Tensor):
        return value.chunk(2)[1]
    return [_conditional(one) for one in value]


def adapter_scale(wish: "GenerationRequest", step: int, steps: int) -> float:
    """Strength of the face adapter in a step, counted from 0: 0 outside of its window, by the rule of ControlNets."""
    start, end = wish.adapter_start or 0.0, 1.0 if wish.adapter_end is None else wish.adapter_end
    within = step / steps >= start and (step + 1) / steps <= end
    return (wish.adapter_scale or 0.0) if within else 0.0
