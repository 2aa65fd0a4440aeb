"""What a run of training refuses, and how it stops where it cannot go on."""

import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from errors import Diverged, InstantIDError, RequestError
from tests.training.drawn_world import STORE, drawn_shards, learn, small_run, weights_at
from training.distil import DistilTask
from training.run import run
from training.task import FaceTask, trained

pytestmark = pytest.mark.usefixtures("one_thread")


def test_another_run_in_the_same_folder_is_refused(shards, tmp_path):
    config = small_run(shards, tmp_path / "run", steps=1)
    learn(config)
    assert learn(replace(config, steps=2)).step == 2
    with pytest.raises(RequestError, match="seed"):
        learn(replace(config, seed=1))
    with pytest.raises(RequestError, match=r"other settings \(task\)"):
        run(config, DistilTask, what="distil", store=STORE)
    other = drawn_shards(tmp_path / "other", per_shard=6)
    data = tmp_path / "moved"
    other.rename(data)
    with pytest.raises(RequestError, match=r"contents of data\.shards, data\.shards"):
        learn(replace(config, data=replace(config.data, shards=(data,))))
    with pytest.raises(RequestError, match="photos of all processes"):
        learn(replace(config, batch=3))


def test_steps_may_not_change_where_the_schedule_depends_on_them(shards, tmp_path):
    config = small_run(shards, tmp_path / "run", steps=1)
    config = replace(config, optimizer=replace(config.optimizer, schedule="cosine"))
    learn(config)
    with pytest.raises(RequestError, match=r"\(steps\)\. The schedule depends on steps"):
        learn(replace(config, steps=2))


def test_a_run_that_cannot_begin_leaves_the_folder_free(shards, tmp_path):
    config = small_run(shards, tmp_path / "run", steps=1)
    for start, words in (
        (replace(config.start, conditioning_channels=(8, 8)), "5 numbers"),
        (replace(config.start, adapter=str(tmp_path / "nowhere")), "nowhere"),
    ):
        with pytest.raises(InstantIDError, match=words):
            learn(replace(config, start=start))
        assert not (tmp_path / "run" / "run.json").exists()
    assert learn(config).step == 1


@pytest.mark.parametrize(("changes", "what"), [({"log_every": 1}, "The loss"), ({"log_every": 100}, "A weight")])
def test_a_run_without_numbers_stops_and_keeps_the_last_good_checkpoint(shards, tmp_path, changes, what):
    config = small_run(shards, tmp_path / "run", save_every=2, keep=1, **changes)
    config = replace(config, validation=replace(config.validation, every=3))
    tasks = []

    def make(networks, config):
        tasks.append(FaceTask(networks, config))
        return tasks[0]

    def break_it(step: int, numbers: dict[str, float]) -> None:
        if step == 3 and "validation/loss" in numbers:
            for parameter in trained(tasks[0].loss).values():
                parameter.data.fill_(torch.nan)

    with pytest.raises(Diverged, match=f"{what} is no number any more at step 4. The checkpoint of step 2"):
        run(config, make, store=STORE, told=break_it)
    assert [path.name for path in (config.output / "checkpoints").iterdir()] == ["step-00000002"]
    kept = [*weights_at(config.output, 2).values(), *load_file(config.output / "ip-adapter.safetensors").values()]
    assert all(value.isfinite().all() for value in kept)


def test_eight_bits_need_bitsandbytes(shards, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
    config = small_run(shards, tmp_path / "run")
    with pytest.raises(RequestError, match="bitsandbytes"):
        learn(replace(config, optimizer=replace(config.optimizer, eight_bit=True)))


def test_a_cpu_refuses_fp16(shards, tmp_path, monkeypatch):
    for device in (torch.cuda, torch.backends.mps):
        monkeypatch.setattr(device, "is_available", lambda: False)
    with pytest.raises(RequestError, match="fp16"):
        learn(small_run(shards, tmp_path / "run", precision="fp16"))
