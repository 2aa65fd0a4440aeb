"""What comes back of a request: events while it is worked on, and finished pictures with their scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from generation.best import Candidate
from generation.colours import Colours
from generation.people import PersonScore

if TYPE_CHECKING:
    from face.references import PhotoReport


@dataclass(frozen=True, eq=False)
class Progress:
    """Where a request stands.

    Attributes:
        phase: "reading" (face analysis), "waiting" (behind other requests), "denoising", "scoring",
            "refining" or "comparing" (with the picture without identity).
        step, total: of the phase; while waiting, step is the number of requests ahead and total is 0.
        previews: the finished pictures of this request and last, small, the one in the making; empty when there is
            nothing new to show.
        seconds_left: estimate for the whole request, None when not known yet.
    """

    phase: str
    step: int = 0
    total: int = 0
    previews: tuple[Image.Image, ...] = ()
    seconds_left: float | None = None


@dataclass(frozen=True, eq=False)
class Before:
    """A picture as it was before its small faces were made again; identity as in `GeneratedImage`."""

    image: Image.Image
    identity: float | None


@dataclass(frozen=True, eq=False)
class GeneratedImage:
    """A finished picture.

    Attributes:
        identity: cosine of its face to the reference identity, None when no face was found in it.
        keypoint_error: mean distance to the wanted keypoints in inter-ocular distances, None when not measurable.
        people: of several people, a score for each, from left to right; `identity` is then the lowest of them.
        colours: strength of the colours beside the same picture without identity; None when it was not asked for.
        swapped: whether two of them look like each other's reference.
        before: what it was before small faces were made again, with its identity; None when none was.
    """

    image: Image.Image
    seed: int
    identity: float | None = None
    keypoint_error: float | None = None
    people: tuple[PersonScore, ...] = ()
    swapped: bool = False
    colours: Colours | None = None
    before: Before | None = None


@dataclass(frozen=True, eq=False)
class GenerationResult:
    """The answer to one request.

    Attributes:
        settings: everything needed to make the pictures again, JSON-able, nothing of the photos.
        profile: name of the weights that made the pictures.
        seconds: from the start of work to the last score, waiting not counted.
        references: what each photo gave (the coach's rows).
        landmarks: the landmark picture that steered the pose, RGB.
        notes: what the person who asked should know, in plain words.
        controls: what each control followed, as its net read it: kind and picture.
        candidates: of "best of", every picture that was made, kept or not; empty otherwise.
    """

    images: tuple[GeneratedImage, ...]
    settings: dict[str, Any]
    profile: str
    seconds: float
    references: tuple[PhotoReport, ...]
    landmarks: Image.Image
    notes: tuple[str, ...] = ()
    controls: tuple[tuple[str, Image.Image], ...] = ()
    candidates: tuple[Candidate, ...] = ()
