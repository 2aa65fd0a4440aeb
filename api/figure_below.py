"""Which figure is drawn below a portrait: a person's numbers and words as the widths and colours of a drawing."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from api.drawn_figure import Figure
from api.figures import CROWN_TO_EYES, GROWN, HEAD_HEIGHT, body_mass_index, heads_of
from api.portrait_colours import Colour
from face.views import frontal_interocular

INDICES = {"slim": 18.5, "athletic": 22.5, "muscular": 26.0, "average": 22.0, "curvy": 25.0}
"""Body-mass index of each build where height or weight is not known."""
DRAWN = (14.0, 50.0)
"""Body-mass indices beyond which the drawing stays as it is."""

SHAPES: dict[str, dict[str, float]] = {
    "slim": {"waist": 0.95, "limbs": 0.95},
    "athletic": {"shoulders": 1.05, "waist": 0.94},
    "muscular": {"shoulders": 1.14, "waist": 0.94, "limbs": 1.15},
    "curvy": {"waist": 0.93, "hips": 1.12},
    "male": {"shoulders": 1.06, "hips": 0.95},
    "female": {"shoulders": 0.92, "waist": 0.92, "hips": 1.03},
}
"""Widths over the usual ones."""

COLOURS: dict[str, Colour] = {
    "black": (40, 40, 44),
    "white": (238, 238, 236),
    "grey": (140, 142, 146),
    "gray": (140, 142, 146),
    "red": (196, 52, 48),
    "orange": (230, 136, 50),
    "yellow": (236, 204, 80),
    "green": (66, 132, 80),
    "blue": (60, 96, 170),
    "navy": (40, 50, 92),
    "purple": (122, 76, 150),
    "pink": (232, 150, 178),
    "brown": (122, 84, 58),
    "beige": (214, 196, 164),
}
TROUSERS: Colour = (58, 66, 92)
JEANS: Colour = (70, 98, 146)
_BELOW = re.compile(r"(\w+)?[ -]*\b(trousers|pants|leggings|jeans|skirt)\b")
_ABOVE = re.compile(
    r"\b(\w+)[ -]+(?:shirt|t-shirt|tshirt|blouse|sweater|jumper|pullover|hoodie|jacket|top|blazer|cardigan)\b"
)
_IN_ONE = re.compile(r"(?:\b(\w+)[ -]+)?\b(dress|gown|suit|coat|overall|jumpsuit)\b")


@dataclass(frozen=True)
class Below:
    """A figure and where its head is in a portrait. keypoints: (5, 2) x, y px."""

    figure: Figure
    keypoints: np.ndarray

    def __call__(self, portrait: Image.Image) -> Image.Image:
        """The whole figure (RGB) for a portrait with its face on these keypoints."""
        eye_to_eye = frontal_interocular(self.keypoints)
        crown = float(self.keypoints[:2, 1].mean()) - eye_to_eye * CROWN_TO_EYES
        return self.figure.below(portrait, self.keypoints, eye_to_eye * HEAD_HEIGHT, crown)


def figure_for(
    *,
    pose: str,
    body_type: str,
    gender: str | None,
    age: float | None,
    height_cm: float | None,
    weight_kg: float | None,
    clothing: str | None,
) -> Figure:
    """The figure of a person; of people below 18 nothing but the height is drawn."""
    words = (clothing or "").lower()
    covered, skirt = _legs(words)
    above = _garment(words)
    heads = heads_of(height_cm)
    if age is not None and age < GROWN:
        return Figure(pose, heads, skirt=skirt, legs=covered, garment=above)
    index = INDICES[body_type]
    if height_cm is not None and weight_kg is not None:
        index = body_mass_index(height_cm, weight_kg)
    widths = {"shoulders": 1.0, "waist": 1.0, "hips": 1.0, "limbs": 1.0}
    for name in (body_type, gender or ""):
        for part, more in SHAPES.get(name, {}).items():
            widths[part] *= more
    return Figure(pose, heads, float(np.clip(index, *DRAWN)), **widths, skirt=skirt, legs=covered, garment=above)


def _legs(words: str) -> tuple[Colour | None, bool]:
    """Colour of what is worn below, None for that of the garment above, and whether it is a skirt."""
    if (said := _BELOW.search(words)) is not None:
        usual = JEANS if said[2] == "jeans" else TROUSERS
        return COLOURS.get(said[1] or "", usual), said[2] == "skirt"
    if (whole := _IN_ONE.search(words)) is not None:
        return None, whole[2] in ("dress", "gown")
    return TROUSERS, False


def _garment(words: str) -> Colour | None:
    """Colour of what is worn above, None where it is not said: then it is the portrait's."""
    said = _IN_ONE.search(words) or _ABOVE.search(words)
    return None if said is None else COLOURS.get(said[1] or "")
