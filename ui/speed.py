"""Speed modes and strength presets as the values of sliders, so that what they do can be seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from generation.modes import MODES, TURBO, lora_of, modes_of, settings_of
from generation.strengths import STRENGTHS

if TYPE_CHECKING:
    from weights.registry import Profile

SPEEDS = ("quality", "fast", TURBO)
SPEED_SLIDERS = ("steps", "guidance", "scheduler", "guidance_start", "guidance_end", "start", "end")
STRENGTH_SLIDERS = ("detail", "shape", "start", "end", "adapter_start", "adapter_end", "rescale", "noise")
"""Names of the page's controls that a mode or a preset moves."""

_OF_REQUEST = {
    "identity_start": "start",
    "identity_end": "end",
    "adapter_scale": "detail",
    "identity_net_scale": "shape",
    "guidance_rescale": "rescale",
    "face_noise": "noise",
}


def ways_of(profile: Profile) -> tuple[str, ...]:
    """The ways of turbo that a profile's weights can go, its own first."""
    ways = [name for name in modes_of(profile) if name not in SPEEDS]
    return tuple(sorted(ways, key=lambda name: name != profile.turbo))


def mode_of(speed: Any, way: Any) -> str | None:
    """The mode of a request."""
    return way if speed == TURBO and way else speed if speed in SPEEDS else None


def speed_values(mode: str, profile: Profile) -> dict[str, Any]:
    """Values of `SPEED_SLIDERS` in a mode."""
    usual = {"steps": profile.steps, "guidance": profile.guidance, "scheduler": profile.scheduler}
    whole = {"guidance_start": 0.0, "guidance_end": 1.0, "start": 0.0, "end": 1.0}
    return {**usual, **whole, **_named(settings_of(mode, profile))}


def strength_values(preset: str) -> dict[str, Any]:
    """Values of `STRENGTH_SLIDERS` in a preset."""
    off = {"start": 0.0, "end": 1.0, "adapter_start": 0.0, "adapter_end": 1.0, "rescale": 0.0, "noise": 0.0}
    return {**off, **_named(STRENGTHS[preset])}


def speed_script(profile: Profile) -> str:
    """JavaScript from a speed and a way of turbo to the values of `SPEED_SLIDERS`, a note, and whether ways show."""
    modes = ("quality", "fast", *ways_of(profile))
    values = {mode: [speed_values(mode, profile)[name] for name in SPEED_SLIDERS] for mode in modes}
    notes = {mode: about(mode, profile) for mode in modes}
    return (
        "(speed, way) => { const mode = speed === 'turbo' ? way : speed; "
        f"const values = {json.dumps(values)}[mode]; const note = {json.dumps(notes)}[mode]; "
        "return [...values, '<p>' + note + '</p>']; }"
    )


def about(mode: str, profile: Profile) -> str:
    """What a mode is, and the LoRA that comes with it."""
    lora = lora_of(mode, profile)
    return MODES[mode].about + (f" {lora} is put on for it." if lora else "")


def _named(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {_OF_REQUEST.get(name, name): value for name, value in settings.items()}
