"""What Prometheus reads: requests by route, jobs by outcome, and how many wait."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from api.job import STATES

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
STUDIO_STATES = ("loading", "ready", "busy", "failed")


class Metrics:
    """The figures of one service; each has its own, so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "instantid_requests", "Answered requests.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "instantid_request_seconds",
            "Time to answer.",
            ["route"],
            buckets=(0.01, 0.05, 0.25, 1, 5, 20, 60, 300),
            registry=self.registry,
        )
        self.jobs = Counter(
            "instantid_jobs_ended", "Jobs that ended here.", ["kind", "outcome"], registry=self.registry
        )
        self.job_seconds = Histogram(
            "instantid_job_seconds",
            "Time that jobs ran.",
            ["kind"],
            buckets=(0.5, 1, 2, 5, 10, 20, 60, 120, 300, 900),
            registry=self.registry,
        )
        self._kept = Gauge("instantid_jobs", "Jobs in the store.", ["state"], registry=self.registry)
        self._limit = Gauge("instantid_queue_limit", "Jobs that may wait.", registry=self.registry)
        self._state = Gauge("instantid_state", "1 for the state, as /readyz has it.", ["state"], registry=self.registry)

    def page(self, counts: dict[str, int], queue_limit: int, state: str) -> bytes:
        """The figures in Prometheus' text format. counts: of the store, by state; state: one of `STUDIO_STATES`."""
        for name in STATES:
            self._kept.labels(name).set(counts.get(name, 0))
        for name in STUDIO_STATES:
            self._state.labels(name).set(name == state)
        self._limit.set(queue_limit)
        return generate_latest(self.registry)
