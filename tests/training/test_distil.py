"""Consistency distillation: a few steps give a LoRA that the pipeline loads, and nothing else changes."""

from dataclasses import replace

import pytest
import torch
from diffusers import DDIMScheduler, LCMScheduler
from PIL import Image
from safetensors.torch import load_file

from tests.training.drawn_world import SIDE, small_run
from tests.training.test_networks import batch
from training.config import Distillation, Start
from training.distil import LORA_FILE, NAME, ConsistencyLoss, DistilTask
from training.networks import load_networks
from training.run import run
from weights.store import Store

STORE = Store(None, True)
pytestmark = pytest.mark.usefixtures("one_thread")


def config(shards, output, **changes):
    made = small_run(shards, output, steps=4, start=Start("profile", "profile"), **changes)
    made = replace(made, optimizer=replace(made.optimizer, adapter_rate=3e-4))
    return replace(made, distillation=Distillation(rank=4, guidance=(2.0, 3.0), solver_steps=20))


@pytest.fixture(scope="module")
def distilled(shards, tmp_path_factory):
    made = config(shards, tmp_path_factory.mktemp("distilled") / "run")
    made = replace(made, validation=replace(made.validation, pictures=1))
    tasks = []

    def make(networks, config):
        tasks.append(DistilTask(networks, config))
        return tasks[0]

    return made, run(made, make, store=STORE), tasks[0]


def test_the_lora_is_in_the_unet_alone(distilled):
    _, outcome, task = distilled
    assert outcome.step == 4 and outcome.last["loss"] != outcome.first["loss"]
    names = [name for name, parameter in task.loss.named_parameters() if parameter.requires_grad]
    assert names and all(name.startswith("networks.unet.") and ".lora_" in name for name in names)
    assert not any("encoder_hid_proj" in name or "_ip." in name for name in names)


def test_the_student_becomes_consistent_where_it_learns(shards, tmp_path):
    task = DistilTask(load_networks(config(shards, tmp_path), STORE, torch.float32), config(shards, tmp_path))
    optimizer = torch.optim.AdamW(task.groups())
    losses = []
    for _ in range(12):
        loss = task.loss(batch()).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@torch.no_grad()
def test_the_file_is_loaded_by_the_pipeline_and_acts(distilled):
    made, _, task = distilled
    plain = load_networks(made, STORE, torch.float32).pipeline
    call = {
        "image": Image.new("RGB", (SIDE, SIDE)), "image_embeds": torch.ones(512), "num_inference_steps": 4,
        "guidance_scale": 0.0, "output_type": "latent",
    }  # fmt: skip
    plain.scheduler = LCMScheduler.from_config(plain.scheduler.config)

    def draw(pipeline):
        return pipeline("a man", generator=torch.Generator().manual_seed(0), **call).images

    before = draw(plain)
    plain.load_lora_weights(made.output, weight_name=LORA_FILE, adapter_name=NAME)
    loaded = sum(NAME in (getattr(module, "lora_A", None) or ()) for module in plain.unet.modules())
    assert loaded == len(load_file(made.output / LORA_FILE)) // 2
    after = draw(plain)
    trained = task.networks.pipeline
    trained.scheduler = LCMScheduler.from_config(trained.scheduler.config)
    assert not torch.equal(before, after)
    assert torch.dist(after, draw(trained)) / after.norm() < 0.02
    plain.unload_lora_weights()
    assert torch.equal(draw(plain), before)


@torch.no_grad()
def test_a_student_that_is_the_teacher_errs_by_one_step_of_the_solver(shards, tmp_path):
    """With guidance 1 and an untouched LoRA the loss is the teacher's own inconsistency over one DDIM step."""
    made = config(shards, tmp_path)
    networks = load_networks(made, STORE, torch.float32)
    given = batch(1)
    given["draws"][0][0] = 0.62
    settings = Distillation(rank=4, guidance=(1.0, 1.0), solver_steps=20, huber=1e-6)
    DistilTask(networks, made)  # puts the LoRA on
    loss = ConsistencyLoss(networks, settings)(given)

    scheduler = DDIMScheduler.from_config(networks.pipeline.scheduler.config, timestep_spacing="leading")
    scheduler.set_timesteps(20)
    late, early = torch.tensor([649]), torch.tensor([599])
    latents, (words, pooled) = networks.encode_pictures(given["pixels"]), networks.encode_texts(given["caption"])
    noisy = scheduler.add_noise(latents, given["noise"], late)

    def look(noisy, step):
        made = networks(noisy, step, words, pooled, given["face"], given["landmarks"], given["sizes"])
        return scheduler.step(made, int(step), noisy)

    first = look(noisy, late)
    second = look(first.prev_sample, early)
    gap = (first.pred_original_sample - second.pred_original_sample).abs().mean()
    assert torch.allclose(loss, gap[None], rtol=2e-2)
