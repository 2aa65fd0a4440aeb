"""Examples that run at a click: a drawn person from assets/examples and a wish."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from style_presets import Style
from ui.pictures import data_url

FOLDER = Path(__file__).parent.parent / "assets" / "examples"
THUMBNAIL_SIDE = 256


@dataclass(frozen=True)
class Example:
    """A photo and a wish. `view` None takes the pose from the photo."""

    photo: Path
    prompt: str
    style: str
    note: str
    view: str | None
    seed: int

    @functools.cached_property
    def thumbnail(self) -> str:
        with Image.open(self.photo) as picture:
            return data_url(picture, THUMBNAIL_SIDE)


WISHES: tuple[tuple[str, str, str, str, str | None, int], ...] = (
    ("person_1.jpg", "a woman in a green jumper, in a garden", "Watercolor", "in a garden", None, 7),
    ("person_2.jpg", "a man in a blue shirt", "Film Noir", "three-quarter view", "three_quarter_left", 3),
    ("person_3.jpg", "a woman in a red dress", "Neon", "from the front", "front", 11),
    ("person_4.jpg", "a woman in a blue coat", "Snow", "as in the photo", None, 5),
    ("person_5.jpg", "a man in a black hoodie", "Line art", "looking up", "up", 9),
    ("person_6.jpg", "a man in a white shirt", "Mars", "looking away", "three_quarter_right", 2),
)
"""File name, prompt, style, what the card says, view, seed."""


def examples(styles: Mapping[str, Style]) -> list[Example]:
    """Those whose photo and style are there."""
    return [
        Example(FOLDER / name, prompt, style, note, view, seed)
        for name, prompt, style, note, view, seed in WISHES
        if (FOLDER / name).is_file() and style in styles
    ]
