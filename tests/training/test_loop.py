"""The loop of the miniature's stages: exact resumption, several processes, and nobody else's checkpoint."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from errors import RequestError
from tests.training.small_miniature import Interrupted, World, stopped_after
from training.miniature.base import BaseStage
from training.miniature.checkpoint import averaged_weights
from training.miniature.loop import Plan, train, trained

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("muon", [0.0, 1e-3])
def test_base_resumes_where_it_stopped(world: World, tmp_path: Path, muon: float) -> None:
    plan = Plan(steps=4, batch=2, warmup=1, hold=0.0, muon=muon)
    straight = train(world.base, plan, tmp_path / "straight")
    start = {name: p.detach().clone() for name, p in trained(world.base.build()).items()}
    assert any(not torch.equal(start[name], straight[name]) for name in start)
    halfway = stopped_after(world.base, plan, tmp_path / "halfway", 2)
    assert any(not torch.equal(halfway[name], straight[name]) for name in straight)
    resumed = train(world.base, plan, tmp_path / "halfway")
    for name, value in straight.items():
        assert torch.equal(resumed[name], value), name


def test_a_run_killed_between_two_checkpoints_has_the_older_one(world: World, tmp_path: Path, monkeypatch) -> None:
    plan = Plan(steps=4, batch=2, warmup=1, hold=0.0)
    straight = train(world.base, plan, tmp_path / "straight")
    replace_it = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if self.name == "checkpoint.new" and json.loads((self / "progress.json").read_text())["step"] == 3:
            raise Interrupted
        return replace_it(self, target)

    folder = tmp_path / "killed"
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(Path, "replace", killed)
        train(world.base, replace(plan, save_minutes=0.0), folder)
    assert not (folder / "checkpoint").exists()
    kept = averaged_weights(folder)
    assert any(not torch.equal(kept[name], value) for name, value in straight.items())
    log = tmp_path / "log"
    resumed = train(world.base, replace(plan, log_steps=1), folder, log=log)
    assert len(log.read_text().splitlines()) == 2, "it went on from step 2"
    assert all(torch.equal(resumed[name], value) for name, value in straight.items())


@dataclass(frozen=True)
class _BothRanks:
    """One process that computes the mean loss of two ranks."""

    stage: BaseStage
    name: str = "both"

    def build(self) -> nn.Module:
        return self.stage.build()

    def loss(self, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        return (self.stage.loss(network, step, 0, batch) + self.stage.loss(network, step, 1, batch)) / 2


def test_two_processes_average_their_gradients(world: World, tmp_path: Path) -> None:
    plan = Plan(steps=2, batch=2, warmup=1)
    together = train(_BothRanks(world.base), plan, tmp_path / "one")
    apart = train(world.base, replace(plan, workers=2), tmp_path / "two")
    for name, value in together.items():
        assert torch.allclose(apart[name], value, atol=2e-3), name
    assert torch.allclose(apart["unet.conv_in.weight"], together["unet.conv_in.weight"], atol=1e-4)


def test_another_run_s_checkpoint_is_refused(world: World, tmp_path: Path) -> None:
    plan = Plan(steps=2, batch=2, warmup=1)
    kept = train(world.base, plan, tmp_path / "run")
    for stage, other, named in (
        (replace(world.base, seed=5), plan, "stage.seed"),
        (world.base, replace(plan, workers=2), "plan.workers"),
        (world.base, replace(plan, steps=3, lr=0.1), "plan.lr, plan.steps"),
        (replace(world.adapter, joint=True), plan, "stage"),
    ):
        with pytest.raises(RequestError, match=named) as told:
            train(stage, other, tmp_path / "run")
        assert told.value.field == "out" and str(tmp_path / "run" / "checkpoint") in str(told.value)
    again = train(world.base, replace(plan, log_steps=1, save_minutes=0.0), tmp_path / "run")
    assert all(torch.equal(again[name], value) for name, value in kept.items())


def test_other_files_under_the_same_names_are_another_run(world: World, tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    shutil.copytree(world.folder / "prepared", prepared)
    stage, plan = replace(world.base, prepared=prepared), Plan(steps=1, batch=2)
    train(stage, plan, tmp_path / "run")
    latents = np.load(prepared / "latents.npy")
    np.save(prepared / "latents.npy", latents + 1)
    with pytest.raises(RequestError, match=r"stage.prepared/latents.npy\)"):
        train(stage, plan, tmp_path / "run")
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(RequestError, match="Nothing says"):
        train(stage, plan, tmp_path / "run")


def test_a_run_says_where_it_stands(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(steps=2, batch=2)
    for expected in (
        ["base begins; it takes 2 steps.", "base step 2 progress 1.000 loss"],
        ["its last; nothing is left"],
    ):
        train(world.base, plan, tmp_path)
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == len(expected)
        assert all(part in line for part, line in zip(expected, lines, strict=True))


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_a_killed_run(tmp_path: Path, ending: signal.Signals) -> None:
    notes = [tmp_path / f"worker-{rank}" for rank in range(2)]
    parent = subprocess.Popen([sys.executable, "-m", "tests.training.endless", str(tmp_path)], cwd=ROOT)
    workers: list[int] = []
    try:
        _within(120, lambda: all(note.exists() and note.read_text() for note in notes))
        workers = [int(note.read_text()) for note in notes]
        assert all(map(_runs, workers))
        parent.send_signal(ending)
        parent.wait(timeout=20)
        _within(30, lambda: not any(map(_runs, workers)))
    finally:
        parent.kill()
        for worker in filter(_runs, workers):
            os.kill(worker, signal.SIGKILL)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _within(seconds: float, true: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
