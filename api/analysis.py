"""What a photo says about a person beside the face: skin tone, ethnicity, age and gender, as somebody guesses them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from PIL import Image

from errors import ServiceError
from face.analyzer import FaceAnalyzer
from face.skin import skin_angle, tone_of


@dataclass(frozen=True)
class Analysis:
    """What is known of a person; None for what is not. age in years."""

    skin_tone: str | None = None
    ethnicity: str | None = None
    age: int | None = None
    gender: str | None = None

    def over(self, guessed: Analysis) -> Analysis:
        """This, and what it does not know from `guessed`: what was stated wins."""
        open_ = [one.name for one in fields(self) if getattr(self, one.name) is None]
        return replace(self, **{name: getattr(guessed, name) for name in open_})


class AnalysisFailed(ServiceError):
    """The photo could not be analysed; a note for the caller, never the end of a request."""

    code = "analysis_failed"


Analyse = Callable[[Image.Image, threading.Event | None], Analysis]
"""One way to analyse a photo (RGB, upright), given up when the event is set. Raises AnalysisFailed."""


def method_of(asked: str) -> str:
    """ "none", "local" or "gemini". What is asked for as "on" stays on this server: only by its name is a photo sent to
    Gemini."""
    return {"off": "none", "on": "local"}.get(asked, asked)


def guess(
    method: str,
    photos: Sequence[Image.Image],
    analyzer: FaceAnalyzer | None,
    gemini: Analyse | None,
    cancel: threading.Event | None = None,
) -> tuple[Analysis, list[str]]:
    """What an analysis makes of the first of the photos, and notes on what it could not do.

    Args:
        method: as `method_of` gives it.
        analyzer: None when no faces can be found here.
        gemini: None without a key; what it leaves open, or all when it fails, is guessed locally.
        cancel: once set, no answer is waited for.
    """
    if method == "none":
        return Analysis(), []
    notes, seen = [], Analysis()
    if method == "gemini" and gemini is None:
        notes.append("Analysis by Gemini is not set up here; the photo was analysed on this server instead.")
    elif method == "gemini" and gemini is not None:
        notes.append("The photo was sent to Google for analysis by Gemini.")
        try:
            seen = gemini(photos[0], cancel)
        except AnalysisFailed as error:
            notes.append(f"{error.message} The photo was analysed on this server instead.")
    if analyzer is None:
        return seen, [*notes, "No face analysis is available, so the photo was not analysed."]
    known = seen.over(local(photos[0], analyzer))
    unknown = [one.name.replace("_", " ") for one in fields(known) if getattr(known, one.name) is None]
    if method == "local" and unknown:
        notes.append(f"The analysis on this server could not tell: {', '.join(unknown)}.")
    return known, notes


def local(photo: Image.Image, analyzer: FaceAnalyzer) -> Analysis:
    """Skin tone by its angle on the cheeks, gender and age by the face pack when it has a model for them."""
    faces = analyzer.find(photo)
    if not faces:
        return Analysis()
    angle = skin_angle(photo, faces[0])
    attributes: Any = analyzer.attributes(photo, faces[0])
    return Analysis(
        skin_tone=None if angle is None else tone_of(angle),
        age=None if attributes is None else attributes.age,
        gender=None if attributes is None else attributes.gender,
    )
