"""Jobs a minute with one engine and with two on this machine, on Ray Serve: `python benchmarks/replicas.py`.

Both numbers of engines are measured in one run, each with all its jobs handed in at once, and after pictures that
nobody counts. Every engine has one thread, so that two of them can use two cores.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.serving import EXAMPLE, PATIENCE, submit, until_ready  # noqa: E402

WISH = {"width": "128", "height": "128", "steps": "25", "view": "front"}
WARM_UP = 4
"""Uncounted jobs for each engine: enough that none of them gets nothing."""


def measured(client: httpx2.Client, jobs: int, engines: int) -> float:
    """Jobs a minute from the start of the first to the end of the last, by the store's clock."""
    made(client, WARM_UP * engines)
    ended = made(client, jobs)
    return 60 * jobs / (max(job["finished"] for job in ended) - min(job["started"] for job in ended))


def made(client: httpx2.Client, jobs: int) -> list[dict[str, Any]]:
    """So many jobs, all of them done. Raises RuntimeError when one is not."""
    ids = [submit(client, WISH | {"seed": str(seed)}, EXAMPLE)["id"] for seed in range(jobs)]
    ended: list[dict[str, Any]] = []
    for job_id in ids:
        while (job := client.get(f"/api/v1/jobs/{job_id}").json())["state"] in ("queued", "running"):
            time.sleep(0.2)
        ended.append(job)
    if lost := [job for job in ended if job["state"] != "done"]:
        raise RuntimeError(f"{len(lost)} jobs failed: {lost[0]['error']}")
    return ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=24)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        os.environ |= {
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",
            # a busy machine needs more than Ray's own few seconds for its parts to start
            "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
            "RAY_raylet_start_wait_time_s": "180",
            "INSTANTID_JOBS": f"sqlite:///{folder}/jobs.db",
            "INSTANTID_QUEUE_LIMIT": str(max(asked.jobs, 2 * WARM_UP)),
        }
        import ray
        from ray import serve

        from serving.ray_app import app
        from serving.wish import Wish

        ray.init(num_cpus=4, num_gpus=0, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False) as client:
            rates = {}
            for engines in (1, 2):
                wish = Wish(profile="miniature", min_replicas=engines, max_replicas=engines, gpus=0, door_cpus=0.5)
                serve.run(app(wish))
                until_ready(client)
                rates[engines] = measured(client, asked.jobs, engines)
                print(f"engines: {engines}, {rates[engines]:.1f} jobs a minute", flush=True)
        print(f"two are {rates[2] / rates[1]:.2f} times one, on {os.cpu_count()} cores")
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main()
