"""Speed modes: a word that stands for steps, guidance, scheduler, windows and, where one is needed, a LoRA.

A mode fills what a request leaves open and nothing else: a number that was given stays, and the settled request shows
every number, so that a mode can be looked at, changed and made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from errors import RequestError
from generation import ranges

if TYPE_CHECKING:
    from weights.registry import Profile

TURBO = "turbo"
"""The fastest mode of a profile, whichever that is; becomes the mode's own name in a settled request."""


@dataclass(frozen=True)
class Mode:
    """What a word stands for.

    Attributes:
        about: one sentence for the interfaces.
        settings: fields of a request with their values.
        steps_share: steps as a share of the profile's own; None where `settings` gives a number, or the profile does.
        distilled: it needs a LoRA, which the profile names.
    """

    about: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    steps_share: float | None = None
    distilled: bool = False


# Guidance is of use in the middle of a run alone (Kynkäänniemi et al. 2024, arXiv 2404.07724); at its end the
# unconditional half is not computed, nor IdentityNet, whose keypoints have long been obeyed.
# LCM, Lightning, Hyper-SD and TCD were distilled with guidance in them: solver, spacing and steps are their authors'.
MODES: dict[str, Mode] = {
    "quality": Mode("The steps and the guidance that suit the weights best."),
    "fast": Mode(
        "Fewer steps, and no guidance at their end.",
        {"scheduler": "DPM++ 2M", "guidance_end": 0.6, "identity_end": 0.8},
        steps_share=0.7,
    ),
    "few-steps": Mode(
        "Eight steps of a good solver; nothing to download.",
        {"steps": 8, "scheduler": "DPM++ 2M", "guidance_end": 0.5, "identity_end": 0.75},
    ),
    "lcm": Mode("Eight steps with the LCM LoRA.", {"steps": 8, "scheduler": "LCM", "guidance": 1.0}, distilled=True),
    "lightning": Mode(
        "Eight steps with the SDXL-Lightning LoRA.",
        {"steps": 8, "scheduler": "Euler trailing", "guidance": 1.0},
        distilled=True,
    ),
    "hyper-sd": Mode(
        "Eight steps with the Hyper-SD LoRA.",
        {"steps": 8, "scheduler": "DDIM trailing", "guidance": 1.0},
        distilled=True,
    ),
    "tcd": Mode("Eight steps with the TCD LoRA.", {"steps": 8, "scheduler": "TCD", "guidance": 1.0}, distilled=True),
}

FILLED = ("steps", "guidance", "scheduler", "guidance_start", "guidance_end", "identity_start", "identity_end")
"""Fields that a mode may set; none of them is taken over from an earlier picture when another mode is asked for."""


def modes_of(profile: Profile) -> tuple[str, ...]:
    """Names of the modes that a profile's weights can run, "turbo" last."""
    has = dict(profile.fast)
    return (*(name for name, mode in MODES.items() if not mode.distilled or name in has), TURBO)


def settled(name: Any, profile: Profile) -> str:
    """A known mode by its own name.

    Raises RequestError for an unknown one, or one whose LoRA was not trained for these weights.
    """
    if isinstance(name, str) and name in MODES and name not in modes_of(profile):
        raise RequestError(
            f"The mode {name} is for other weights: its LoRA does not fit {profile.title}.",
            field="mode",
            cure=f"Choose one of: {', '.join(modes_of(profile))}, or another profile.",
        )
    known = ranges.one_of("mode", name, modes_of(profile))
    return profile.turbo if known == TURBO else known


def lora_of(name: str, profile: Profile) -> str | None:
    """Name of the LoRA that a mode needs for these weights."""
    return dict(profile.fast).get(settled(name, profile))


def settings_of(name: str, profile: Profile) -> dict[str, Any]:
    """The fields that a mode sets for these weights, LoRA left out."""
    mode = MODES[settled(name, profile)]
    steps = {} if mode.steps_share is None else {"steps": max(1, round(mode.steps_share * profile.steps))}
    return {**mode.settings, **steps}
