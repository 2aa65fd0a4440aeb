"""Strength presets: how much of the likeness is asked for, and what is done against burnt colours and stiff copies."""

from __future__ import annotations

from typing import Any

from generation import ranges

STRENGTHS: dict[str, dict[str, Any]] = {
    # The official demo's two strengths, and nothing else.
    "official": {"identity_net_scale": 0.8, "adapter_scale": 0.8},
    # Lower the adapter first, say the authors; rescaled guidance and a noisy negative face keep colours calm.
    "balanced": {
        "identity_net_scale": 0.8,
        "adapter_scale": 0.7,
        "identity_end": 0.9,
        "guidance_rescale": 0.4,
        "face_noise": 0.2,
    },
    # The prompt lays out the picture before the face takes part, and has the last word on the pose.
    "free": {
        "identity_net_scale": 0.5,
        "adapter_scale": 0.6,
        "identity_end": 0.6,
        "adapter_start": 0.1,
        "guidance_rescale": 0.6,
        "face_noise": 0.35,
    },
}
"""Fields of a request by the name of the preset; what a request says itself goes before them."""

FILLED = tuple(dict.fromkeys(field for preset in STRENGTHS.values() for field in preset))


def settings_of(name: Any) -> dict[str, Any]:
    """The fields that a preset sets. Raises RequestError for an unknown one."""
    return STRENGTHS[ranges.one_of("strengths", name, STRENGTHS)]
