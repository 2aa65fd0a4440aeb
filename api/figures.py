"""A whole person in words and in five points: what height, weight and build are called, and where the face then is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from face.views import view_keypoints

BMI_WORDS: tuple[tuple[float, str], ...] = (
    (16.0, "very thin"),
    (18.5, "thin"),
    (25.0, ""),
    (30.0, "slightly overweight"),
    (35.0, "heavyset"),
    (40.0, "very heavyset"),
    (float("inf"), "extremely heavyset"),
)
"""Upper bounds of the body-mass index in kg/m², at the classes of the WHO, and what it is called below each."""


@dataclass(frozen=True)
class Build:
    """A word for a body, and between which body-mass indices it says everything that height and weight say.

    words: of the prompt. low, high: kg/m²; outside, the word for the index is added and the caller is told.
    """

    words: str
    low: float
    high: float


BUILDS: dict[str, Build] = {
    "slim": Build("slim build", 17.0, 22.5),
    "athletic": Build("athletic, toned build", 18.5, 27.0),
    "muscular": Build("muscular build, broad shoulders", 20.0, 33.0),
    "average": Build("average build", 18.5, 25.0),
    "curvy": Build("curvy figure", 20.0, 32.0),
}


@dataclass(frozen=True)
class Pose:
    """words: of the prompt. visible: height of the figure in this pose over its height standing. view: in `VIEWS`."""

    words: str
    visible: float
    view: str = "front"


POSES: dict[str, Pose] = {
    "standing": Pose("standing upright, facing the camera", 1.0),
    "walking": Pose("walking towards the camera, mid-stride", 1.0),
    # Seat and lower leg of an adult on a chair: 52 and 25 % of the height.
    "sitting": Pose("sitting on a chair, facing the camera", 0.77),
}

PERSON_WORDS = {"male": "man", "female": "woman", "other": "androgynous person"}

TALL_AND_SHORT: dict[str, tuple[float, float]] = {"male": (165.0, 187.0), "female": (153.0, 174.0)}
"""Heights in cm below and above which somebody is called short or tall."""
BOTH = (159.0, 180.0)

HEADS = ((50.0, 4.0), (75.0, 4.6), (100.0, 5.5), (140.0, 6.5), (170.0, 7.5), (190.0, 8.0), (300.0, 8.5))
"""Height in cm, and how many heads high the figure is: the rule of figure drawing, from newborn to giant."""

USUAL_HEIGHT = 170.0

FIGURE = 0.92
"""Height of the whole figure over the height of the picture; the rest is air, half of it above."""

# Of the head in space (face/views.py), in inter-ocular distances of 63 mm: 230 mm from crown to chin, of which the face
# from hairline is 2.9; the crown lies 1.83 above the eyes and the head's middle 0.4 below them.
HEAD_HEIGHT = 230 / 63
FACE_HEIGHT = 2.9
CROWN_TO_EYES = 1.83
CROWN_TO_MIDDLE = CROWN_TO_EYES + 0.4


@dataclass(frozen=True)
class Framing:
    """How a picture that shows so much of a figure is called. look, framing: of the prompt; negative: of the other."""

    shown: float
    look: str
    framing: str
    negative: str


_FLAWS = "extra limbs, deformed hands, nude, text, watermark"
FRAMINGS = (
    Framing(
        0.95,
        "full-length photo",
        "full body from head to feet in the frame, plain studio background",
        f"close-up, cropped, head out of frame, feet out of frame, {_FLAWS}",
    ),
    Framing(0.6, "photo", "seen from head to knees, plain studio background", f"head out of frame, {_FLAWS}"),
    Framing(0.0, "photo", "on a white background", _FLAWS),
)
"""From the whole figure to the head alone: words that the picture cannot keep only cost likeness."""

CLOTHING = "plain everyday clothes"

GROWN = 18
"""Years from which on a person's figure is described; of younger people neither build nor shape is said."""
YOUNG_WORDS = {"male": "boy", "female": "girl"}


def body_mass_index(height_cm: float, weight_kg: float) -> float:
    """kg/m²."""
    return weight_kg / (height_cm / 100) ** 2


def build_words(
    body_type: str, height_cm: float | None, weight_kg: float | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words for a build, and notes. The body-mass index decides what height and weight say beside the named build."""
    build = BUILDS[body_type]
    if height_cm is None or weight_kg is None:
        return (build.words,), ()
    index = body_mass_index(height_cm, weight_kg)
    if build.low <= index <= build.high:
        return (build.words,), ()
    word = next(word for bound, word in BMI_WORDS if index < bound)
    if not word:
        return (build.words,), ()
    if body_type == "average":
        return (word,), ()
    note = f"The build “{body_type}” and a body-mass index of {index:.1f} do not agree; the prompt says both."
    return (word, build.words), (note,)


def stature_word(gender: str | None, height_cm: float | None) -> str:
    """ "short", "tall" or nothing."""
    low, high = TALL_AND_SHORT.get(gender or "", BOTH)
    if height_cm is None or low <= height_cm <= high:
        return ""
    return "short" if height_cm < low else "tall"


def age_word(age: float | None) -> str:
    """What an age in years is called in a caption."""
    if age is None:
        return ""
    names = ((3, "baby"), (13, "child"), (20, "teenage"), (35, "young"), (50, "adult"), (65, "middle-aged"))
    return next((name for bound, name in names if age < bound), "elderly")


def figure_prompt(
    *,
    body_type: str,
    pose: str,
    shown: float = 1.0,
    gender: str | None = None,
    age: float | None = None,
    ethnicity: str | None = None,
    skin_tone: str | None = None,
    height_cm: float | None = None,
    weight_kg: float | None = None,
    clothing: str | None = None,
) -> tuple[str, tuple[str, ...]]:
    """The prompt of a figure, and notes for whoever asked. What is None is left unsaid.

    shown: how much of the figure's height the picture shows.
    """
    framing = framing_of(shown)
    young = age is not None and age < GROWN
    words, notes = ((), ()) if young else build_words(body_type, height_cm, weight_kg)
    if young:
        notes = ("Of people below 18 the prompt says nothing about build, height or weight.",)
    who = " ".join(
        word
        for word in (
            "" if young else stature_word(gender, height_cm),
            age_word(age),
            ethnicity,
            YOUNG_WORDS.get(gender or "", "person") if young else PERSON_WORDS.get(gender or "", "person"),
        )
        if word
    )
    tone = "" if skin_tone is None else re.sub(r"\s*\bskin\s*$", "", skin_tone, flags=re.IGNORECASE).strip()
    skin = f"{tone} skin" if tone else ""
    parts = (
        f"{framing.look} of a {who}",
        skin,
        *words,
        POSES[pose].words,
        f"wearing {clothing or CLOTHING}",
        framing.framing,
    )
    return ", ".join(part for part in parts if part), notes


def heads_of(height_cm: float | None) -> float:
    """How many heads high somebody of this height is; of a usual height when it is not known."""
    heights, counts = zip(*HEADS, strict=True)
    return float(np.interp(USUAL_HEIGHT if height_cm is None else height_cm, heights, counts))


def framing_of(shown: float) -> Framing:
    return next(one for one in FRAMINGS if shown >= one.shown)


def figure_keypoints(
    pose: str, height_cm: float | None, size: Sequence[int], smallest_face: float
) -> tuple[np.ndarray, float]:
    """Where the face of a whole figure is: small, and high in a portrait.

    Args:
        size: (width, height) px.
        smallest_face: of the profile, over the short side. A face that would be smaller is made as large as this, and
            the figure is then cut off below.

    Returns:
        (5, 2) float32 x, y px, and how much of the figure's height fits into the picture, at most 1.
    """
    width, height = size
    wanted = FIGURE * height / (heads_of(height_cm) * POSES[pose].visible) * FACE_HEIGHT / HEAD_HEIGHT
    face = max(wanted, smallest_face * min(size))
    above = (1 - FIGURE) / 2 * height
    middle = above + face * CROWN_TO_MIDDLE / FACE_HEIGHT
    points = view_keypoints(
        POSES[pose].view, (width, height), face_size=face / min(size), centre=(0.5, middle / height)
    )
    return points, min(1.0, wanted / face)
