"""The sets of drawings that the stages learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from errors import RequestError
from training.miniature.dataset import Drawings, draw, joined, load
from training.miniature.person import TRAINING_SEEDS
from training.miniature.telling import say

LIMITS: dict[str, Any] = {"yaw": 35.0, "pitch": 16.0, "roll": 18.0, "face_size": (0.55, 0.75), "scene_share": 0.5}
TURNED: dict[str, Any] = {**LIMITS, "yaw": 75.0, "pitch": 25.0, "roll": 20.0}
PICTURE_STYLES = (0.40, 0.15, 0.09, 0.12, 0.07, 0.08, 0.09)  # in the order of shot.STYLES
REFERENCE_STYLES = (0.76, 0.08, 0.04, 0.04, 0.02, 0.02, 0.04)


def draw_sets(data: Path, *, seed: int, people: int, shots: int, references: int, turned: int, processes: int) -> None:
    """Draw the pictures to learn from, and reference pictures of the same people, mostly in photo style.

    turned: so many further people are drawn looking any way up to the profile, and once as a reference.
    """
    first = TRAINING_SEEDS.start + people
    for name, count, each, more, options in (
        ("pictures", people, shots, 0, {"style_shares": PICTURE_STYLES, **LIMITS}),
        ("references", people, references, 1, {"style_shares": REFERENCE_STYLES, **LIMITS}),
        ("turned", turned, 4, 5, {"style_shares": PICTURE_STYLES, "first_person": first, **TURNED}),
        ("turned_references", turned, 1, 6, {"style_shares": REFERENCE_STYLES, "first_person": first, **LIMITS}),
    ):
        if count:
            say(f"data: {count * each} drawings in {data / name}")
            draw(count, each, seed + more, data / name, processes=processes, **options)


def load_sets(data: Path, *names: str) -> Drawings:
    """The sets of these names as one; those that were not drawn are left out.

    Raises:
        RequestError: none of them was drawn.
    """
    drawn = [load(data / name) for name in names if (data / name).is_dir()]
    if not drawn:
        raise RequestError(f"{data} holds no drawings.", field="data", cure="Run the data stage first.")
    return joined(*drawn)


def all_pictures(data: Path) -> Drawings:
    """What the base and the adapter learn to draw."""
    return load_sets(data, "pictures", "turned")
