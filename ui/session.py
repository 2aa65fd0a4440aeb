"""What one visitor's page holds between clicks, in memory only: photos, what was found in them, and results."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from face.face import Face
    from face.references import PhotoReport
    from generation.best import Candidate
    from generation.colours import Colours
    from template_adapter.linear import LinearMap

LONGEST_SIDE = 2560
MAX_RESULTS = 60
MOST_OTHERS = 3


@dataclass(eq=False)
class Photo:
    """An opened photo.

    faces: None until the face analyzer has looked; choice: index into it.
    example: it came with an example, not from the visitor.
    """

    image: Image.Image
    preview: str
    faces: tuple[Face, ...] | None = None
    choice: int | None = None
    report: PhotoReport | None = None
    example: bool = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Photo:
        return self


@dataclass(eq=False)
class Companion:
    """A further person of a picture. `refused` is what could not be taken of the last upload, one sentence each."""

    photos: list[Photo] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(eq=False)
class ChosenLora:
    """A LoRA of the list. `path` is what a request calls it, `name` what the page does; an uploaded one is deleted."""

    name: str
    path: str
    weight: float = 1.0
    uploaded: bool = False


@dataclass(frozen=True, eq=False)
class Result:
    """A finished picture on disk.

    Attributes:
        reference: the photo laid over it for the comparison, as a data URL.
        people: of several people from left to right: which one (0 the first) and the cosine to them.
        before: file with the picture as it was before its small faces were made again; before_identity its cosine.
        followed: what each control read, as (kind, data URL).
        candidates: of the best of several, all that were made.
        colours: strength of the colours beside the same picture without the person.
    """

    path: Path
    size: tuple[int, int]
    seed: int
    identity: float | None
    keypoint_error: float | None
    seconds: float
    settings: dict[str, Any]
    thumbnail: str
    reference: str | None
    reports: tuple[PhotoReport, ...]
    notes: tuple[str, ...] = ()
    people: tuple[tuple[int, float | None], ...] = ()
    swapped: bool = False
    before: Path | None = None
    before_identity: float | None = None
    followed: tuple[tuple[str, str], ...] = ()
    candidates: tuple[Candidate, ...] = ()
    colours: Colours | None = None


@dataclass(eq=False)
class Session:
    """State of one page. Never written to disk, dropped by gradio an hour after the page was closed.

    Attributes:
        folder: where this visitor's result files lie, made with the first result.
        comparing: with what the picture is compared: "", "photo" or "before".
        kept_keypoints: (5, 2) px, or (people, 5, 2), and the picture size of a result whose settings were taken over.
        cancel: of the run that waits or works, set by the Stop button and at the end of the run.
        tickets: such events of runs that have not started yet. Each run finds its own: one that was stopped while it
            waited must not start in the place of a later one.
        failure: what the last failed check said, for the stage to show.
        next_seed: seed of the next run alone, whatever the form says; for examples and advice.
        refused: what could not be taken of the last upload, one sentence each.
        pose_refused: why the last picture for the pose was not taken.
        who: what the last request was about, "photos" or "template".
        template_refused: why the last uploaded template or adapter was not taken.
        template_file: an uploaded template as it came, for adapters come and go after it; template: (width,) float32,
            its numbers, None while `template_misfit` says why the adapter, or none, does not fit them.
        adapter: the map that brings the template into the weights' space.
        others: the second to fourth person, whether asked for or not.
        order: who stands where from the left, 0 the first person; None as given.
        ground: the picture to start from, or the photo to put the person into; mask: (L) where it may change.
        followed: of each kind of control, the picture of its own.
        loras: the list of LoRAs, uploaded files of which lie in `lora_folder`.
        told: of each of these inputs by its name, why the last upload was not taken.
    """

    photos: list[Photo] = field(default_factory=list)
    pose: Photo | None = None
    results: list[Result] = field(default_factory=list)
    selected: int = 0
    comparing: str = ""
    folder: Path | None = None
    kept_keypoints: tuple[tuple[Any, ...], tuple[int, int]] | None = None
    cancel: threading.Event | None = None
    tickets: dict[str, threading.Event] = field(default_factory=dict)
    failure: Exception | None = None
    next_seed: int | None = None
    refused: list[str] = field(default_factory=list)
    pose_refused: str = ""
    who: str = "photos"
    template_refused: str = ""
    template_file: bytes | None = None
    template: np.ndarray | None = None
    template_misfit: str = ""
    adapter: LinearMap | None = None
    others: list[Companion] = field(default_factory=lambda: [Companion() for _ in range(MOST_OTHERS)])
    order: tuple[int, ...] | None = None
    ground: Photo | None = None
    mask: Image.Image | None = None
    followed: dict[str, Photo] = field(default_factory=dict)
    loras: list[ChosenLora] = field(default_factory=list)
    lora_folder: Path | None = None
    told: dict[str, str] = field(default_factory=dict)

    def __deepcopy__(self, memo: dict[int, Any]) -> Session:
        return Session()

    @property
    def groups(self) -> list[list[Photo]]:
        """Photos that say who somebody is, a list for each person; empty lists of people without any."""
        return [self.photos, *(one.photos for one in self.others)]

    @property
    def busy(self) -> bool:
        """Whether a run of this page is under way."""
        return self.cancel is not None and not self.cancel.is_set()

    @property
    def current(self) -> Result | None:
        return self.results[self.selected] if 0 <= self.selected < len(self.results) else None
