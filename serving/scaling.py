"""How many engines there should be: so many that not too many jobs wait or run for each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

OPEN_JOBS = "open_jobs"


class ByOpenJobs:
    """Ray Serve's autoscaling policy. Every engine reports the store's number of open jobs: the largest counts.

    Ray keeps the answer within the deployment's bounds and waits out its delays.

    Args:
        per_replica: open jobs for each engine.
    """

    def __init__(self, per_replica: float) -> None:
        self._per_replica = per_replica

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        wanted = replicas_for(context.aggregated_metrics, self._per_replica)
        return context.target_num_replicas if wanted is None else wanted, {}


def replicas_for(metrics: Mapping[str, Mapping[Any, float]] | None, per_replica: float) -> int | None:
    """metrics: name -> engine -> what it reported. At least one; None when no engine has reported."""
    reported = (metrics or {}).get(OPEN_JOBS)
    return max(1, math.ceil(max(reported.values()) / per_replica)) if reported else None
