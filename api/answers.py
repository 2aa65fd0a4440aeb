"""What the service answers with, as models that the OpenAPI page shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, Field

from api.failures import Failure
from api.job import Job

Link = Callable[[str], str]
"""From a path of this service to an address that the caller can fetch."""


class ImageAnswer(BaseModel):
    """A finished picture. identity_score: cosine of its face to the person, null when no face was found in it."""

    id: str
    url: str
    identity_score: float | None = None
    seed: int
    width: int
    height: int
    keypoint_error: float | None = None
    people: list[dict[str, Any]] = []
    swapped: bool = False
    colours: dict[str, Any] | None = None
    before_refining: float | None = None


class AnalysisAnswer(BaseModel):
    """What is known of the person: stated by the caller, else guessed from the photo when that was asked for."""

    skin_tone: str | None = None
    ethnicity: str | None = None
    age: int | None = None
    gender: str | None = None


class BodyAnswer(BaseModel):
    """The answer of `POST /generate-identity-body`."""

    success: bool = True
    request_id: str
    count: int
    images: list[ImageAnswer]
    analysis: AnalysisAnswer
    method: str = Field(description="instantid, or sdxl_fallback when InstantID could not be loaded.")
    note: str | None = Field(None, description="What the caller should know, in plain words.")


class TemplateAnswer(BaseModel):
    """Where the person's template came from: the recogniser that the adapter was fitted on, and the adapter's
    fingerprint. Both null when the template came without an adapter."""

    recogniser: str | None = None
    adapter: str | None = None


class ResultAnswer(BaseModel):
    """What came of a job."""

    method: str
    profile: str
    seconds: float
    images: list[ImageAnswer]
    notes: list[str]
    references: list[dict[str, Any]] = []
    candidates: list[dict[str, Any]] = []
    settings: dict[str, Any]
    analysis: AnalysisAnswer | None = None
    template: TemplateAnswer | None = Field(None, description="Of a template in the place of photos.")


class JobAnswer(BaseModel):
    """A job at one moment. Times are seconds since 1970; eta_seconds is an estimate, null when there is none."""

    id: str
    kind: str
    state: str = Field(description="queued, running, done, failed or canceled.")
    step: int
    total: int
    eta_seconds: float | None
    position: int | None = Field(description="Jobs before this one, while it waits.")
    created: float
    started: float | None
    finished: float | None
    deadline: float | None
    error: Failure | None
    result: ResultAnswer | None
    url: str
    events_url: str


class FaceAnswer(BaseModel):
    """A face: box x1, y1, x2, y2 and five keypoints, in pixels of the upright photo."""

    box: list[float]
    keypoints: list[list[float]]
    score: float


class PhotoAnswer(BaseModel):
    """What one photo is worth as a reference."""

    photo: int
    used: bool
    faces_found: int
    face: FaceAnswer | None
    face_px: float
    sharpness: float
    yaw: float
    cosine: float | None
    verdict: str


class FacesAnswer(BaseModel):
    """The answer of `POST /faces`."""

    success: bool = True
    usable: bool = Field(description="Whether a face was found in any of the photos.")
    photos: list[PhotoAnswer]


class StyleAnswer(BaseModel):
    """A style preset; `{prompt}` is where the caller's words go."""

    name: str
    group: str
    prompt: str
    negative: str


class StateAnswer(BaseModel):
    """How the service is: loading, ready, busy (no room in the queue) or failed."""

    state: str
    profile: str
    method: str
    waiting: int = 0
    running: int = 0
    reason: str | None = None


def image_answers(job: Job, link: Link) -> list[ImageAnswer]:
    images = (job.result or {}).get("images", [])
    return [
        ImageAnswer(id=f"{job.id}-{number}", url=link(f"/api/v1/jobs/{job.id}/images/{number}"), **image)
        for number, image in enumerate(images)
    ]


def body_answer(job: Job, link: Link) -> BodyAnswer:
    """Of a job that is done."""
    result = job.result or {}
    images = image_answers(job, link)
    return BodyAnswer(
        request_id=job.id,
        count=len(images),
        images=images,
        analysis=AnalysisAnswer(**result.get("analysis", {})),
        method=result.get("method", ""),
        note=" ".join(result.get("notes", ())) or None,
    )


def job_answer(job: Job, link: Link) -> JobAnswer:
    result = None
    if job.result is not None:
        result = ResultAnswer(**{**job.result, "images": image_answers(job, link)})
    error = None
    if job.code is not None:
        error = Failure(code=job.code, message=job.message or "")
    own = f"/api/v1/jobs/{job.id}"
    return JobAnswer(
        id=job.id,
        kind=job.kind,
        state=job.state,
        step=job.step,
        total=job.total,
        eta_seconds=job.seconds_left,
        position=job.position,
        created=job.created,
        started=job.started,
        finished=job.finished,
        deadline=job.deadline,
        error=error,
        result=result,
        url=link(own),
        events_url=link(f"{own}/events"),
    )
