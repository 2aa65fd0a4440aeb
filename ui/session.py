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
    from template_adapter.linear import LinearMap

LONGEST_SIDE = 2560
MAX_RESULTS = 60


@dataclass(eq=False)
class Photo:
    """An opened photo. `faces` is None until the face analyzer has looked; `choice` is an index into it."""

    image: Image.Image
    preview: str
    faces: tuple[Face, ...] | None = None
    choice: int | None = None
    report: PhotoReport | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Photo:
        return self


@dataclass(frozen=True, eq=False)
class Result:
    """A finished picture on disk. `reference` is the photo laid over it for the comparison, as a data URL."""

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


@dataclass(eq=False)
class Session:
    """State of one page. Never written to disk, dropped by gradio an hour after the page was closed.

    Attributes:
        folder: where this visitor's result files lie, made with the first result.
        kept_keypoints: (5, 2) px and the picture size of a result whose settings were taken over.
        cancel: of the run that waits or works, set by the Stop button and at the end of the run.
        tickets: such events of runs that have not started yet. Each run finds its own: one that was stopped while it
            waited must not start in the place of a later one.
        failure: what the last failed check said, for the stage to show.
        next_seed: seed of the next run alone, whatever the form says; for examples and advice.
        refused: what could not be taken of the last upload, one sentence each.
        pose_refused: why the last picture for the pose was not taken.
        template_refused: why the last uploaded template or adapter was not taken.
        template: (width,) float32 as it was uploaded; adapter: the map that brings it into the weights' space.
    """

    photos: list[Photo] = field(default_factory=list)
    pose: Photo | None = None
    results: list[Result] = field(default_factory=list)
    selected: int = 0
    comparing: bool = False
    folder: Path | None = None
    kept_keypoints: tuple[tuple[tuple[float, float], ...], tuple[int, int]] | None = None
    cancel: threading.Event | None = None
    tickets: dict[str, threading.Event] = field(default_factory=dict)
    failure: Exception | None = None
    next_seed: int | None = None
    refused: list[str] = field(default_factory=list)
    pose_refused: str = ""
    template_refused: str = ""
    template: np.ndarray | None = None
    adapter: LinearMap | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Session:
        return Session()

    @property
    def busy(self) -> bool:
        """Whether a run of this page is under way."""
        return self.cancel is not None and not self.cancel.is_set()

    @property
    def current(self) -> Result | None:
        return self.results[self.selected] if 0 <= self.selected < len(self.results) else None
