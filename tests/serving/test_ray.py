"""The service on a real Ray cluster of this machine: the same contract, and what a killed engine costs."""

import os
import signal
import time

import pytest
import yaml

from api.store import JobStore
from serving.scaling import OPEN_JOBS, ByOpenJobs, replicas_for
from serving.wish import Wish
from tests.proof.conftest import QUICK, ROOT, SLOW, state, submit, until_over
from tests.serving.conftest import Deployed


def test_a_job_on_ray_is_watched_to_its_end(deployed: Deployed) -> None:
    job = submit(deployed.client, QUICK | {"steps": "6", "seed": "3"}, key="watched").json()
    with deployed.client.stream("GET", f"/api/v1/jobs/{job['id']}/events") as stream:
        lines = [line for line in stream.iter_lines() if line.startswith("event:")]
    assert lines[-1] == "event: done"
    assert "event: progress" in lines
    done = until_over(deployed.client, job["id"])
    picture = deployed.client.get(done["result"]["images"][0]["url"])
    assert picture.content.startswith(b"\x89PNG")
    assert submit(deployed.client, QUICK | {"steps": "6", "seed": "3"}, key="watched").json()["id"] == job["id"]


def test_the_queue_of_all_machines_is_bounded(deployed: Deployed) -> None:
    first = submit(deployed.client, SLOW).json()["id"]
    while state(deployed.client, first)["state"] == "queued":
        time.sleep(0.1)
    answers = [submit(deployed.client, QUICK) for _ in range(10)]
    assert [one.status_code for one in answers] == [202] * 8 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) >= 1
    deployed.client.delete(f"/api/v1/jobs/{first}")
    for one in answers[:8]:
        deployed.client.delete(f"/api/v1/jobs/{one.json()['id']}")


def test_a_killed_engine_is_replaced_and_only_its_job_is_lost(deployed: Deployed) -> None:
    running = submit(deployed.client, SLOW).json()["id"]
    while state(deployed.client, running)["state"] == "queued":
        time.sleep(0.1)
    waiting = [submit(deployed.client, QUICK | {"seed": str(seed)}).json()["id"] for seed in range(5)]
    (engine,) = deployed.processes("Engine")
    os.kill(engine.pid, signal.SIGKILL)
    lost = until_over(deployed.client, running)
    assert (lost["state"], lost["error"]["code"]) == ("failed", "interrupted")
    done = [until_over(deployed.client, one) for one in waiting]
    assert [one["state"] for one in done] == ["done"] * 5
    assert [one["started"] for one in done] == sorted(one["started"] for one in done)
    assert engine.pid not in [one.pid for one in deployed.processes("Engine")]
    deployed.until_ready()
    store = JobStore(deployed.jobs)
    assert store.counts()["failed"] == 1
    store.close()


@pytest.mark.parametrize(
    ("reported", "wanted"), [({}, None), ({"a": 0}, 1), ({"a": 4, "b": 4}, 1), ({"a": 5, "b": 4}, 2), ({"a": 33}, 9)]
)
def test_engines_follow_the_open_jobs(reported: dict[str, float], wanted: int | None) -> None:
    assert replicas_for({OPEN_JOBS: reported}, 4) == wanted

    class Context:
        aggregated_metrics = {OPEN_JOBS: reported} if reported else {}
        target_num_replicas = 7

    assert ByOpenJobs(4)(Context())[0] == (7 if wanted is None else wanted)


def test_the_manifest_deploys_this_application() -> None:
    manifest = yaml.safe_load((ROOT / "serving" / "rayservice.yaml").read_text())
    assert manifest["kind"] == "RayService"
    (application,) = yaml.safe_load(manifest["spec"]["serveConfigV2"])["applications"]
    assert application["import_path"] == "serving.ray_app:app"
    wish = Wish(**application["args"])
    assert wish.max_replicas > wish.min_replicas
