"""What a deployment on Ray decides, as `serve run serving.ray_app:app key=value ...` or the `args` of a manifest."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Wish(BaseModel):
    """What else there is comes from the machines' environment (docs/API.md), so that no password stands in a manifest.

    Attributes:
        profile: weights, as for `cli.py serve`.
        jobs: address of the job store; that of INSTANTID_JOBS when None.
        min_replicas, max_replicas: engines, each with its own copy of the weights.
        open_jobs_per_replica: more engines come while more jobs than this wait or run for each.
        scale_up_seconds, scale_down_seconds: for which the number of jobs has to ask for it.
        gpus, cpus: of one engine; parts of a GPU share it.
        doors: processes that take requests; they need no GPU.
        door_cpus: of one of them.
        requests_per_door: at once, those who wait for a picture or watch a job among them.
        waiting_requests: that wait for a door; further ones are answered with 429.
        lease: seconds without a sign of life after which an engine's job has failed.
        grace: seconds for the running job of an engine that is to stop.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str | None = None
    jobs: str | None = None
    min_replicas: int = Field(default=1, ge=1, le=1000)
    max_replicas: int = Field(default=1, ge=1, le=1000)
    open_jobs_per_replica: float = Field(default=4.0, gt=0)
    scale_up_seconds: float = Field(default=10.0, ge=0)
    scale_down_seconds: float = Field(default=300.0, ge=0)
    gpus: float = Field(default=1.0, ge=0)
    cpus: float = Field(default=1.0, ge=0)
    doors: int = Field(default=1, ge=1, le=100)
    door_cpus: float = Field(default=1.0, ge=0)
    requests_per_door: int = Field(default=200, ge=1)
    waiting_requests: int = Field(default=100, ge=0)
    lease: float = Field(default=20.0, gt=1)
    grace: float = Field(default=60.0, gt=0)
