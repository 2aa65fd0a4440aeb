"""The service on Ray Serve: `serve run serving.ray_app:app profile=realvisxl max_replicas=4`."""

from __future__ import annotations

import os
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, BackpressureConfig
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from api.application import create_api
from api.job import OPEN
from api.logs import to_stderr
from api.service import Service
from api.settings import ServiceSettings
from api.store import JobStore
from api.studio import Studio
from generation.background import EngineRoom
from generation.loading import load_analyzer, load_engine, pick_profile
from generation.settings import Settings
from serving.far_studio import FarStudio
from serving.scaling import OPEN_JOBS
from serving.wish import Wish
from style_presets import STYLES, load_styles

RETRY_SECONDS = 5
LOGGING = LoggingConfig(enable_access_log=False)
"""Ray's own access log holds the ids of jobs."""


def settings_of(wish: Wish) -> tuple[Settings, ServiceSettings]:
    """The settings of this machine's environment with those of the deployment over them. Raises RequestError."""
    service = ServiceSettings.from_environment(jobs=wish.jobs, grace=wish.grace)
    return Settings.from_environment(profile=wish.profile), service


@serve.deployment
class Engine:
    """One engine, which takes jobs from the store one after another. It is ready when its weights are loaded."""

    def __init__(self, wish: Wish) -> None:
        os.environ.setdefault("DIFFUSERS_DISABLE_REMOTE_CODE", "1")
        to_stderr()
        settings, service_settings = settings_of(wish)
        profile = pick_profile(settings.profile)
        styles = STYLES if settings.styles is None else load_styles(settings.styles)
        room = EngineRoom(lambda told: load_engine(profile, settings, downloading=told))

        def load_plain() -> Any:
            from generation.plain import load_plain

            return load_plain(profile, settings, styles)

        self._studio = Studio(
            room,
            profile,
            styles=styles,
            load_plain=load_plain if service_settings.fallback else None,
        )
        room.start(wait=True)
        if not self._studio.settle(0):
            room.require()
            raise RuntimeError(f"The engine cannot work: {self._studio.reason}")
        self._store = JobStore(service_settings.jobs_of(settings.port))
        # of this life alone: what a former life ran ends with its lease
        name = serve.get_replica_context().replica_id.unique_id
        self._service = Service(service_settings, self._store, self._studio, name=name, lease=wish.lease)
        self._service.start()

    def standing(self) -> tuple[str, str, str | None]:
        """State, method and reason of the studio, for the doors."""
        return self._studio.state, self._studio.method, self._studio.reason

    def record_autoscaling_stats(self) -> dict[str, int]:
        counts = self._store.counts()
        return {OPEN_JOBS: sum(counts[state] for state in OPEN)}

    def check_health(self) -> None:
        """Ray puts a new engine in the place of one for which this raises."""
        if self._studio.state == "failed":
            raise RuntimeError(f"This engine does not work any more: {self._studio.reason}")

    def __del__(self) -> None:
        if (service := getattr(self, "_service", None)) is not None:
            service.stop()


@serve.deployment
@serve.ingress()
class Door:
    """The HTTP contract without an engine: requests become jobs of the store; faces are looked for here, on the CPU."""

    def __init__(self, wish: Wish, engines: DeploymentHandle) -> None:
        to_stderr()
        settings, service_settings = settings_of(wish)
        profile = pick_profile(settings.profile)
        styles = STYLES if settings.styles is None else load_styles(settings.styles)

        def load_faces(told: Any) -> Any:
            return load_analyzer(profile, settings, downloading=told)

        faces = EngineRoom(load_faces)
        studio = FarStudio(faces, profile, styles=styles, ask=lambda: engines.standing.remote().result(timeout_s=3))
        faces.start()
        store = JobStore(service_settings.jobs_of(settings.port))
        self._service = Service(service_settings, store, studio, name=None)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_api(self._service)


def app(wish: Wish) -> Application:
    """What `serve run` and a RayService deploy."""
    policy = AutoscalingPolicy(
        policy_function="serving.scaling:ByOpenJobs", policy_kwargs={"per_replica": wish.open_jobs_per_replica}
    )
    engines = Engine.options(
        ray_actor_options={"num_gpus": wish.gpus, "num_cpus": wish.cpus},
        autoscaling_config=AutoscalingConfig(
            min_replicas=wish.min_replicas,
            max_replicas=max(wish.min_replicas, wish.max_replicas),
            policy=policy,
            upscale_delay_s=wish.scale_up_seconds,
            downscale_delay_s=wish.scale_down_seconds,
            metrics_interval_s=2,
            look_back_period_s=4,
        ),
        health_check_period_s=5,
        logging_config=LOGGING,
        graceful_shutdown_timeout_s=3 * wish.grace + 10,
    ).bind(wish)
    doors = Door.options(
        num_replicas=wish.doors,
        ray_actor_options={"num_cpus": wish.door_cpus},
        max_ongoing_requests=wish.requests_per_door,
        max_queued_requests=wish.waiting_requests,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=RETRY_SECONDS),
        health_check_period_s=5,
        logging_config=LOGGING,
    )
    return doors.bind(wish, engines)
