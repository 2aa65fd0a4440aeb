"""Runs of a few steps: they learn, they go on exactly, two processes agree, and what comes out is loaded."""

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from commands.training import train
from errors import OutOfMemory
from ip_adapter.attention import face_state
from ip_adapter.identity_net import IdentityNet
from tests.training.drawn_world import STORE, learn, small_run, weights_at
from training.averaging import Average
from training.buckets import Order
from training.config import Data, load_config
from training.examples import Canvas, Examples, collate, draws_of
from training.run import run
from training.shards import Shards
from training.task import FaceTask, trained

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("one_thread")


def curve(output: Path, name: str = "train/loss") -> dict[int, float]:
    """What TensorBoard has of a run, by step."""
    events = EventAccumulator(str(output / "logs"))
    events.Reload()
    return {each.step: each.value for each in events.Scalars(name)}


@pytest.fixture(scope="module")
def learnt(shards, tmp_path_factory):
    """A run with validation pictures, its config, outcome and task."""
    config = small_run(shards, tmp_path_factory.mktemp("learnt") / "run", steps=25, batch=4, ema=0.5, save_every=10)
    config = replace(config, validation=replace(config.validation, pictures=2, every=10))
    tasks = []

    def make(networks, config):
        tasks.append(FaceTask(networks, config))
        return tasks[0]

    return config, run(config, make, store=STORE), tasks[0]


def test_the_held_out_loss_falls(learnt):
    _, outcome, _ = learnt
    assert (outcome.step, outcome.photos, outcome.held_out) == (25, 9, 3)
    assert outcome.last["loss"] < 0.99 * outcome.first["loss"]
    assert 0 <= outcome.last["found"] <= 1 and -1 <= outcome.last["identity"] <= 1


def test_figures_pictures_and_checkpoints_are_kept(learnt):
    config, outcome, _ = learnt
    assert list(curve(config.output)) == list(range(1, 26))
    looked = curve(config.output, "validation/loss")
    assert list(looked) == [0, 10, 20, 25]
    assert looked[25] == pytest.approx(outcome.last["loss"])
    events = EventAccumulator(str(config.output / "logs"))
    events.Reload()
    assert len(events.Images("validation")) == 4
    assert len(list((config.output / "validation").glob("step-*.png"))) == 4
    assert sorted(path.name for path in (config.output / "checkpoints").iterdir()) == ["step-00000020", "step-00000025"]


def test_the_files_are_instantid_s_and_hold_the_average(learnt):
    config, _, task = learnt
    networks = task.networks
    average = {name: p.detach().clone() for name, p in trained(task.loss).items()}
    state = torch.load(config.output / "checkpoints" / "step-00000025" / "custom_checkpoint_1.pkl", weights_only=False)
    for parameter, shadow in zip(trained(task.loss).values(), state["shadow_params"], strict=True):
        parameter.data.copy_(shadow)
    kept = face_state(networks.unet)
    assert (
        json.loads((config.output / "ControlNetModel" / "config.json").read_text())["_class_name"] == "ControlNetModel"
    )
    net = IdentityNet.from_pretrained(config.output / "ControlNetModel", dtype=torch.float32)
    for name, value in networks.identity_net.state_dict().items():
        assert torch.equal(net.state_dict()[name], value.half().float()), name
    networks.pipeline.load_ip_adapter_instantid(config.output / "ip-adapter.safetensors")
    for group, tensors in face_state(networks.unet).items():
        assert all(torch.equal(value, kept[group][name].half().float()) for name, value in tensors.items())
    assert any(not torch.equal(value, average[name]) for name, value in weights_at(config.output, 20).items())


def test_a_stopped_run_goes_on_exactly(shards, tmp_path):
    whole = small_run(shards, tmp_path / "whole", accumulation=2, ema=0.9)
    learn(whole)
    stopped = replace(whole, output=tmp_path / "stopped")
    assert learn(stopped, until=2).step == 2

    def stop(step: int, numbers: dict[str, float]) -> None:
        if step == 4 and "train/loss" in numbers:
            os.kill(os.getpid(), signal.SIGTERM)

    assert learn(stopped, told=stop).step == 4
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert learn(stopped).step == 6
    assert curve(stopped.output) == curve(whole.output)
    first, second = weights_at(whole.output, 6), weights_at(stopped.output, 6)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    one, other = (load_file(each.output / "ip-adapter.safetensors") for each in (whole, stopped))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_figure_of_several_steps_is_the_same_in_a_run_that_was_stopped_within_them(shards, tmp_path):
    whole = small_run(shards, tmp_path / "whole", accumulation=2, log_every=3, save_every=2)
    learn(whole)
    stopped = replace(whole, output=tmp_path / "stopped")
    for until in (1, 4, 6):
        learn(stopped, until=until)
    ours, theirs = curve(whole.output), curve(stopped.output)
    assert list(ours) == [3, 6] and list(theirs) == [1, 3, 4, 6]
    assert ours == {step: theirs[step] for step in ours}


def test_a_checkpoint_without_the_running_loss_is_gone_on_with(shards, tmp_path):
    config = small_run(shards, tmp_path / "run", steps=3, log_every=3)
    learn(config, until=2)
    (config.output / "checkpoints" / "step-00000002" / "losses.json").unlink()
    assert learn(config).step == 3


def written(shards: Path, output: Path, *, steps: int, workers: int) -> Path:
    """A config file, beside its output folder, of the run that `small_run` is."""
    text = f"""
        profile = "miniature"
        output = {json.dumps(str(output))}
        steps = {steps}
        batch = 2
        precision = "no"
        log_every = 1
        [data]
        shards = [{json.dumps(str(shards))}]
        buckets = [[64, 64]]
        held_out = 0.25
        workers = {workers}
        [start]
        resampler_width = 64
        tokens = 4
        conditioning_channels = [8, 8, 8, 8, 8]
        [optimizer]
        rate = 1e-3
        adapter_rate = 2e-3
        betas = [0.9, 0.99]
        warmup = 2
        [validation]
        every = 0
        samples = 3
        pictures = 0
    """
    file = output.with_suffix(".toml")
    file.write_text(text)
    return file


@pytest.fixture
def little_memory():
    """Eight gigabytes more than this process has, for it and for what it starts."""
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 2**33, most))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (before, most))


@pytest.mark.usefixtures("little_memory")
def test_memory_that_runs_out_is_told_with_what_takes_less(shards, tmp_path):
    """One picture of the bucket takes a terabyte, whichever process reads it."""
    file, side = written(shards, tmp_path / "run", steps=1, workers=1), 2**19
    text = file.read_text().replace("[[64, 64]]", f"[[{side}, {side}]]").replace("held_out = 0.25", "held_out = 0")
    file.write_text("ema = 0.9\n" + text)
    with pytest.raises(OutOfMemory) as told:
        train(file)
    assert told.value.field == "batch" and told.value.cure
    asked = "batch below 2, checkpointing = true, optimizer.eight_bit = true, ema = 0, data.workers below 1."
    assert told.value.cure.endswith(asked)


def test_a_warmup_longer_than_the_run_is_noted(shards, tmp_path, capsys):
    file = written(shards, tmp_path / "run", steps=1, workers=0)
    train(file)
    assert "note: optimizer.warmup (2) does not end within the run (1 steps)" in " ".join(
        capsys.readouterr().err.split()
    )
    train(file, steps=3)
    assert "warmup" not in capsys.readouterr().err


def test_a_signal_to_the_whole_process_group_leaves_a_checkpoint(shards, tmp_path):
    """Ctrl-C in a terminal, `kill -- -GROUP` and batch systems signal the readers of photos as well."""
    file = written(shards, tmp_path / "run", steps=100_000, workers=1)
    with subprocess.Popen(
        [sys.executable, "cli.py", "train", "--config", str(file)],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as running:  # fmt: skip
        said = []
        assert running.stdout is not None
        for line in running.stdout:
            said.append(line)
            if line.startswith("step 1: train"):
                os.killpg(running.pid, signal.SIGTERM)
        assert running.wait(600) == 0, "".join(said)
    assert "Traceback" not in "".join(said)
    newest = max((tmp_path / "run" / "checkpoints").glob("step-*"))
    assert 1 <= int(newest.name[5:]) < 100_000
    assert (newest / "trained.safetensors").exists() and (tmp_path / "run" / "ip-adapter.safetensors").exists()
    past = subprocess.run(
        [sys.executable, "cli.py", "train", "--config", str(file), "--until", "1"],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert past.returncode == 0, past.stderr
    step = int(newest.name[5:])
    assert (f"stood at step {step} already, past 1" in past.stderr) == (step > 1)


def test_an_average_stays_on_its_device_when_a_checkpoint_is_read(tmp_path):
    """accelerate reads the state onto the CPU; the stand-in for a GPU is torch's device without memory."""
    kept, read = (Accelerator(cpu=True) for _ in range(2))
    kept.register_for_checkpointing(Average([torch.nn.Parameter(torch.ones(3))], decay=0.9))
    kept.save_state(str(tmp_path / "step"))
    learning = [torch.nn.Parameter(torch.empty(3, device="meta"))]
    average = Average(learning, decay=0.5)
    average.to(learning[0].device)
    read.register_for_checkpointing(average)
    read.load_state(str(tmp_path / "step"))
    assert average.decay == 0.9, "the state was read"
    assert average.shadow_params[0].device == learning[0].device
    average.step(learning)


def test_two_processes_learn_as_one_with_twice_the_batch(shards, tmp_path):
    one = small_run(shards, tmp_path / "one", batch=4, steps=4)
    learn(one)
    file = written(shards, tmp_path / "two", steps=4, workers=0)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    done = subprocess.run(
        [*launch, "cli.py", "train", "--config", str(file)],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("step 4") == 1
    assert done.stderr.count("train/loss") == 2, "the first and the last step where there is no bar"
    ours, theirs = curve(one.output), curve(tmp_path / "two")
    assert list(theirs) == [1, 2, 3, 4]
    assert np.allclose([theirs[step] for step in ours], list(ours.values()), rtol=1e-4)
    looked = [curve(output, "validation/loss")[4] for output in (one.output, tmp_path / "two")]
    assert looked[0] == pytest.approx(looked[1], rel=1e-4)


def test_nothing_that_goes_to_a_device_is_double_precision(shards):
    """Apple's GPUs know no float64. What is drawn in it is used before it gets there."""
    rows = np.arange(4)
    order = Order(rows, np.zeros(4, int), np.zeros(4, int), unit=2, seed=0)
    examples = Examples(Shards([shards]), order, Canvas(((64, 64),), 24, 16, 128), Data((shards,)), 0)
    batch = collate([examples[0], examples[1]])
    assert not [name for name, value in batch.items() if getattr(value, "dtype", None) == torch.float64]
    assert draws_of(batch).dtype == torch.float64 and draws_of(batch).shape == (2, 2)
    random = np.random.default_rng([0, 0, 1])
    examples.face(order.at(0)[0], random), random.random(), random.standard_normal((24, 4, 4), np.float32)
    assert np.array_equal(draws_of(batch)[0], random.random(2))


@pytest.mark.parametrize("true_sizes", [False, True])
def test_sdxl_is_told_of_each_photo_its_size_and_what_was_cut_off(shards, true_sizes):
    rows, held = np.arange(4), Shards([shards])
    order = Order(rows, np.zeros(4, int), np.zeros(4, int), unit=2, seed=0)
    canvas = Canvas(((128, 96),), 24, 16, 128, true_sizes)
    example = Examples(held, order, canvas, Data((shards,)), 0)[0]
    left, top = (held.keypoints(example["row"])[0] * 2 - example["keypoints"].numpy()[0]).round().astype(int).tolist()
    assert left == 0 and 0 <= top <= 32
    told = [64, 64, top, left] if true_sizes else [96, 128, 0, 0]
    assert example["sizes"].tolist() == [*told, 96, 128]


def test_one_person_is_learned_alone(shards, tmp_path):
    outcome = learn(small_run(shards, tmp_path / "run", steps=2), overfit=True)
    assert outcome.photos == outcome.held_out == 3
    assert (tmp_path / "run" / "overfit" / "ip-adapter.safetensors").exists()


@pytest.mark.parametrize("name", ["miniature", "miniature_lcm", "sdxl"])
def test_the_shipped_configs_are_sound(name):
    config = load_config(ROOT / "training" / "configs" / f"{name}.toml")
    assert config.data.shards and config.output.parts[0] == "runs"
