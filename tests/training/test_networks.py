"""What is trained is what the pipeline computes: prediction, loss, and the way into InstantID's files and back."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from PIL import Image

from errors import WeightsMissing
from ip_adapter.attention import face_state
from ip_adapter.checkpoint import check_adapter_state, load_adapter_state
from tests.training.drawn_world import SIDE, small_run
from training.config import Start
from training.examples import draws_of
from training.loss import NoiseLoss
from training.networks import load_networks
from training.task import FaceTask
from weights.registry import ASSETS
from weights.store import Store

SHIPPED = ASSETS / "miniature" / "ip-adapter.safetensors"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The shipped weights, ready to train on."""
    config = small_run(tmp_path_factory.mktemp("none"), tmp_path_factory.mktemp("run"))
    config = replace(config, start=Start("profile", "profile"))
    return load_networks(config, Store(None, True), torch.float32)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    config = small_run(tmp_path_factory.mktemp("none"), tmp_path_factory.mktemp("run"))
    return load_networks(config, Store(None, True), torch.float32)


def batch(rows: int = 2) -> dict:
    random = torch.Generator().manual_seed(3)
    return {
        "pixels": torch.rand(rows, 3, SIDE, SIDE, generator=random) * 2 - 1,
        "landmarks": torch.rand(rows, 3, SIDE, SIDE, generator=random),
        "face": torch.randn(rows, 512, generator=random),
        "caption": ["a photo of a woman", ""][:rows],
        "noise": torch.randn(rows, 24, SIDE // 16, SIDE // 16, generator=random),
        "sizes": torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]] * rows, dtype=torch.float32),
        "draws": list(torch.rand(rows, 2, generator=random, dtype=torch.float64).numpy()),
    }


@torch.no_grad()
def test_training_predicts_what_the_pipeline_predicts(shipped):
    pipeline, face = shipped.pipeline, torch.randn(512, generator=torch.Generator().manual_seed(1))
    landmarks = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    noise = torch.randn(1, 24, SIDE // 16, SIDE // 16, generator=torch.Generator().manual_seed(2))
    made = pipeline(
        "a woman in a red shirt", image=Image.fromarray(landmarks), image_embeds=face, latents=noise,
        num_inference_steps=1, guidance_scale=1.0, ip_adapter_scale=1.0, output_type="latent",
    ).images  # fmt: skip
    shown = torch.from_numpy(landmarks / 255).float().permute(2, 0, 1)[None]
    scheduler = pipeline.scheduler
    scheduler.set_timesteps(1)
    words, pooled = shipped.encode_texts(["a woman in a red shirt"])
    predicted = shipped(noise, scheduler.timesteps.expand(1), words, pooled, face[None], shown, batch(1)["sizes"])
    wanted = scheduler.step(predicted, scheduler.timesteps[0], noise).prev_sample
    assert torch.dist(made, wanted) / wanted.norm() < 1e-5


@torch.no_grad()
def test_a_fresh_adapter_and_identity_net_leave_the_base_as_it_is(fresh):
    given = batch()
    latents = fresh.encode_pictures(given["pixels"])
    words, pooled = fresh.encode_texts(given["caption"])
    steps = torch.tensor([200, 700])
    with_face = fresh(latents, steps, words, pooled, given["face"], given["landmarks"], given["sizes"])
    without = fresh(latents, steps, words, pooled, torch.zeros(2, 512), torch.zeros(2, 3, SIDE, SIDE), given["sizes"])
    assert torch.equal(with_face, without)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["v_prediction", "epsilon"])
def test_the_loss_is_the_squared_error_of_what_the_base_predicts(shipped, kind):
    given, loss = batch(), NoiseLoss(shipped)
    loss.schedule = DDPMScheduler.from_config(shipped.pipeline.scheduler.config, prediction_type=kind)
    steps = (draws_of(given)[:, 0] * 1000).long()
    latents, (words, pooled) = shipped.encode_pictures(given["pixels"]), shipped.encode_texts(given["caption"])
    kept = loss.schedule.alphas_cumprod[steps].view(-1, 1, 1, 1)
    signal, amount = kept.sqrt(), (1 - kept).sqrt()
    made = shipped(
        signal * latents + amount * given["noise"],
        steps,
        words,
        pooled,
        given["face"],
        given["landmarks"],
        given["sizes"],
    )
    wanted = given["noise"] if kind == "epsilon" else signal * given["noise"] - amount * latents
    error = (made - wanted).square().mean(dim=(1, 2, 3))
    assert torch.allclose(loss(given), error, rtol=1e-4)
    loss.min_snr = 5.0
    snr = (kept / (1 - kept)).flatten()
    weights = snr.clamp(max=5) / (snr if kind == "epsilon" else snr + 1)
    assert torch.allclose(loss(given), error * weights, rtol=1e-4)


def test_gradients_reach_the_learning_parts_alone_and_checkpointing_keeps_them(fresh):
    task = FaceTask(fresh, small_run(SHIPPED.parent, SHIPPED.parent))
    learning = [p for group in task.groups() for p in group["params"]]
    assert {id(p) for p in learning} == {id(p) for p in task.loss.parameters() if p.requires_grad}
    assert sum(p.numel() for p in learning) < sum(p.numel() for p in fresh.parameters())
    with torch.no_grad():  # so that the resampler, too, has an effect
        for processor in fresh._face_attention().values():
            processor.to_v_ip[0].weight.normal_(0, 0.1, generator=torch.Generator().manual_seed(0))

    def gradients() -> list[torch.Tensor]:
        for parameter in learning:
            parameter.grad = None
        task.loss(batch()).mean().backward()
        return [parameter.grad.clone() for parameter in learning]

    plain = gradients()
    assert all(gradient.abs().sum() > 0 for part in task.groups()[1:] for gradient in [p.grad for p in part["params"]])
    fresh.use_checkpointing()
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(plain, gradients(), strict=True))


def test_a_loaded_adapter_comes_out_as_it_went_in(shipped):
    before, after = load_adapter_state(SHIPPED), face_state(shipped.unet)
    check_adapter_state(after, shipped.unet)
    for group, tensors in before.items():
        assert tensors.keys() == after[group].keys()
        assert all(torch.equal(value.float(), after[group][name]) for name, value in tensors.items())


def test_weights_that_are_not_there_are_named(tmp_path):
    config = small_run(tmp_path, tmp_path)
    with pytest.raises(WeightsMissing, match="No adapter"):
        load_networks(
            replace(config, start=replace(config.start, adapter=str(tmp_path / "nothing.bin"))),
            Store(None, True),
            torch.float32,
        )
    with pytest.raises(WeightsMissing, match="sdxl"):
        load_networks(replace(config, profile="sdxl"), Store(tmp_path, True), torch.float32)
