"""How strong the colours of a picture are, beside the same picture without the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from generation.strengths import STRENGTHS

if TYPE_CHECKING:
    from generation.request import GenerationRequest

BURNT = 1.25
"""Times as saturated or contrasty as without the person from which on it is worth a hint."""


@dataclass(frozen=True)
class Colours:
    """Ratios to the picture of the same seed made without identity; 1 is no difference.

    saturation: of the mean saturation (HSV).
    contrast: of the standard deviation of luma (Rec. 601).
    """

    saturation: float
    contrast: float

    def hint(self, wish: GenerationRequest) -> str | None:
        """What to do when the person burns the picture of a settled request, None when it does not."""
        if max(self.saturation, self.contrast) < BURNT:
            return None
        return (
            f"The person makes the picture {self.saturation:.1f} times as saturated and {self.contrast:.1f} times as "
            f"contrasty as it is without. {self._cure(wish)}"
        )

    def _cure(self, wish: GenerationRequest) -> str:
        """What is not on already; rescaled guidance needs guidance. Both presets were measured to lower saturation,
        only "free" contrast too."""
        if (wish.guidance or 0.0) <= 1.0:
            return "A lower adapter strength calms it."
        calming = ("free",) if self.contrast >= BURNT else ("balanced", "free")
        calmer = [name for name in calming if STRENGTHS[name]["guidance_rescale"] > (wish.guidance_rescale or 0.0)]
        return f'Strengths "{calmer[0]}" or less guidance calm it.' if calmer else "Less guidance calms it."


def compared(picture: Image.Image, plain: Image.Image) -> Colours:
    """Figures of a picture beside the plain one, both RGB."""
    (saturation, contrast), (usual_saturation, usual_contrast) = _figures(picture), _figures(plain)
    return Colours(saturation / max(usual_saturation, 1.0), contrast / max(usual_contrast, 1.0))


def _figures(picture: Image.Image) -> tuple[float, float]:
    """Mean saturation and standard deviation of luma, both of 255."""
    saturation = np.asarray(picture.convert("HSV"), np.float32)[..., 1]
    return float(saturation.mean()), float(np.asarray(picture.convert("L"), np.float32).std())
