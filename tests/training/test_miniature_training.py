"""Every stage of the miniature's training for a few steps at tiny size, and the bundle that comes out."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionXLControlNetPipeline, StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import load_file, save_file

from ip_adapter.checkpoint import check_adapter_state, load_adapter_state
from style_presets import STYLES, apply_style
from tests.training.small_miniature import BLOCKS, CHANNELS, SIDE, World, stopped_after
from training.miniature import bundle, noise
from training.miniature.adapter import SHIPPED_GAIN, adapter_state, split_weights
from training.miniature.base import new_unet
from training.miniature.codec import Components, DecoderStage, EncoderStage, new_autoencoder, signal_to_noise
from training.miniature.landmarks import LandmarkStage
from training.miniature.loop import Plan, train, trained
from training.miniature.muon import orthogonalised
from training.miniature.text import TOKENS, encode, load_tokenizer, new_text_encoders, tokenised, train_tokenizer

ASSETS = Path(__file__).parents[2] / "assets" / "miniature"
CODEC_BLOCKS = (8, 8, 8, 16, 16)


pytestmark = pytest.mark.usefixtures("one_thread")


def test_components_invert_and_have_unit_variance() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (200, 16, 16, 3)).astype(np.uint8)
    whole = Components.fit(pictures, channels=48, patch=4)
    latents = whole.encode(pictures)
    assert latents.shape == (200, 48, 4, 4)
    assert abs((latents**2).mean() - 1) < 0.01
    assert np.array_equal(whole.decode(latents), pictures)
    few = Components.fit(pictures, channels=6, patch=4)
    assert signal_to_noise(pictures, few.decode(few.encode(pictures))) < 15


@pytest.mark.parametrize("kind", [DecoderStage, EncoderStage])
def test_autoencoder_learns(world: World, tmp_path: Path, kind: type[DecoderStage] | type[EncoderStage]) -> None:
    pictures, components = world.folder / "pictures", world.folder / "components.npz"
    stage = (
        DecoderStage(pictures / "images.npy", pictures / "keypoints.npy", components, blocks=CODEC_BLOCKS)
        if kind is DecoderStage
        else EncoderStage(pictures / "images.npy", components, blocks=CODEC_BLOCKS)
    )
    before = stage.loss(stage.build(), 0, 0, 16).item()
    plan = Plan(steps=25, batch=8, warmup=5, lr=3e-3, ema=0.8)
    weights = train(stage, plan, tmp_path)
    network = stage.build()
    network.load_state_dict(weights)
    assert stage.loss(network, 0, 0, 16).item() < 0.9 * before


def test_tokenizer_reads_any_text(tmp_path: Path) -> None:
    captions = ["a photo of a man with red hair", "a photo of a woman with glasses, on mars"] * 3
    made = train_tokenizer(captions, tmp_path)
    loaded = load_tokenizer(tmp_path)
    for text in (*captions, "Żółw 日本 \U0001f600", "", "a b  c", "don't stop 42!?"):
        ids = loaded(text).input_ids
        assert ids == made(text).input_ids
        assert ids[0] == loaded.bos_token_id and ids[-1] == loaded.eos_token_id
        assert loaded.eos_token_id not in ids[1:-1]
    assert len(loaded("photo").input_ids) == 3
    padded = tokenised(loaded, ["a photo"])
    assert padded.shape == (1, TOKENS)
    assert (padded[0, 4:] == loaded.eos_token_id).all()


def test_every_preset_fits_the_shipped_tokenizer() -> None:
    tokenizer = load_tokenizer(ASSETS / "base" / "tokenizer")
    for name, style in STYLES.items():
        prompt, negative = apply_style(name, "a woman with long red hair, smiling, in a blue shirt")
        assert len(tokenizer(prompt).input_ids) <= TOKENS, name
        assert len(tokenizer(negative).input_ids) <= TOKENS, style.name


def test_text_pools_the_first_end_token(world: World) -> None:
    tokenizer = load_tokenizer(world.folder / "prepared" / "tokenizer")
    first, second = (module.eval() for module in new_text_encoders(len(tokenizer)))
    ids = torch.from_numpy(tokenised(tokenizer, ["a man", "a man with glasses"]))
    words, pooled = encode(first, second, ids)
    assert words.shape == (2, TOKENS, 128) and pooled.shape == (2, 64)
    end = int((ids[0] == tokenizer.eos_token_id).nonzero()[0])
    other = ids[:1].clone()
    other[0, end + 1 :] = 5
    assert torch.allclose(encode(first, second, other)[1], pooled[:1], atol=1e-6)


def test_v_target_is_the_scheduler_s() -> None:
    random = torch.Generator().manual_seed(0)
    clean, grain = torch.randn(6, 2, 4, 4, generator=random), torch.randn(6, 2, 4, 4, generator=random)
    steps = noise.timesteps(6, random)
    assert steps.dtype == torch.int64 and (steps.diff() >= 0).all()
    noisy, wanted = noise.noised(clean, grain, steps)
    scheduler = noise.new_scheduler()
    scheduler.set_timesteps(1000)
    for row, step in enumerate(steps):
        result = scheduler.step(wanted[row], int(step), noisy[row])
        assert torch.allclose(result.pred_original_sample, clean[row], atol=1e-4)


def test_muon_s_updates_are_orthogonal() -> None:
    values = torch.linalg.svdvals(orthogonalised(torch.randn(3, 24, 60, generator=torch.Generator().manual_seed(0))))
    assert values.min() > 0.5 and values.max() < 1.4


def test_adapter_leaves_the_base_alone(world: World, tmp_path: Path) -> None:
    stage = world.adapter
    stored = load_file(world.folder / "base.safetensors")
    network = stage.build()
    plan = Plan(steps=3, batch=4, warmup=1, muon=1e-3)
    learnt = train(stage, plan, tmp_path / "straight")
    assert all(name.startswith(("identity_net.", "resampler.")) or "_ip." in name for name in learnt)
    for name, value in stage.build()["unet"].state_dict().items():  # type: ignore[index]
        if "_ip." not in name:
            assert torch.equal(value, stored[f"unet.{name}"]), name
    changed = [name for name, p in trained(network).items() if not torch.equal(p, learnt[name])]
    for part in ("identity_net.controlnet_cond_embedding", "identity_net.down_blocks", "resampler.layers", "unet."):
        assert any(name.startswith(part) for name in changed), part
    stopped_after(stage, plan, tmp_path / "halfway", 1)
    resumed = train(stage, plan, tmp_path / "halfway")
    assert all(torch.equal(resumed[name], learnt[name]) for name in learnt)


def test_landmark_embedding_learns_and_enters_the_net(world: World, tmp_path: Path) -> None:
    folder = world.folder / "prepared"
    stage = LandmarkStage(folder / "landmarks.npy", folder / "keypoints.npy", BLOCKS[0])
    before = stage.loss(stage.build(), 0, 0, 16).item()
    weights = train(stage, Plan(steps=30, batch=8, warmup=5, lr=3e-3, ema=0.8), tmp_path)
    network = stage.build()
    network.load_state_dict(weights, strict=False)
    assert stage.loss(network, 0, 0, 16).item() < 0.9 * before

    save_file(weights, tmp_path / "landmarks.safetensors")
    net = replace(world.adapter, landmarks=tmp_path / "landmarks.safetensors").build()["identity_net"]  # type: ignore[index]
    embedding = net.controlnet_cond_embedding
    assert torch.equal(embedding.blocks[3].weight, weights["embedding.blocks.3.weight"])
    seen = embedding(torch.stack([torch.zeros(3, SIDE, SIDE), torch.ones(3, SIDE, SIDE)]))
    assert (seen[0] - seen[1]).abs().max() > 1e-3


def test_joint_stage_trains_the_base_and_hands_on(world: World, tmp_path: Path) -> None:
    stage = replace(world.adapter, joint=True)
    weights = train(stage, Plan(steps=3, batch=4, warmup=1), tmp_path / "joint")
    unet, face = split_weights(weights)
    stored = load_file(world.folder / "base.safetensors")
    assert set(unet) == {name for name in stored if name.startswith("unet.")}
    assert any(not torch.equal(unet[name], stored[name]) for name in unet)
    words = {name: value for name, value in stored.items() if name.startswith("text_")}
    save_file(words | unet, tmp_path / "joint.safetensors")
    save_file(face, tmp_path / "face.safetensors")
    next_stage = replace(world.adapter, base=tmp_path / "joint.safetensors", start=tmp_path / "face.safetensors")
    built = next_stage.build()
    assert set(trained(built)) == set(face)
    for name, value in built.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_bundle_is_what_was_trained(world: World, tmp_path: Path) -> None:
    """diffusers' own loaders read the bundle, and its networks answer as they did in training."""
    stage = world.adapter
    weights = train(stage, Plan(steps=2, batch=4, warmup=1, lr=0.02, ema=0.1), tmp_path / "adapter")
    half = {name: value.half().float() for name, value in weights.items()}
    network = stage.build().eval()
    network.load_state_dict(half, strict=False)
    network["unet"].load_state_dict(  # type: ignore[index]
        {name: value.half().float() for name, value in network["unet"].state_dict().items()}  # type: ignore[index]
    )
    tokenizer = load_tokenizer(world.folder / "prepared" / "tokenizer")
    autoencoder = new_autoencoder(CHANNELS, CODEC_BLOCKS, SIDE)
    unet = bundle.save_base(
        tmp_path / "base", weights=load_file(world.folder / "base.safetensors"), autoencoder=autoencoder,
        tokenizer=tokenizer, blocks=BLOCKS,
    )  # fmt: skip
    bundle.save_adapter_parts(tmp_path, weights=weights, unet=unet)

    state = load_adapter_state(tmp_path / "ip-adapter.safetensors")
    check_adapter_state(state, new_unet(BLOCKS, CHANNELS))
    plain = StableDiffusionXLPipeline.from_pretrained(tmp_path / "base", dtype=torch.float32)
    net = ControlNetModel.from_pretrained(tmp_path / "ControlNetModel", dtype=torch.float32)
    pipeline = StableDiffusionXLControlNetPipeline.from_pipe(plain, controlnet=net)
    assert pipeline.vae_scale_factor == 16
    pipeline.load_ip_adapter(
        str(tmp_path), subfolder=None, weight_name="ip-adapter.safetensors", image_encoder_folder=None,
        low_cpu_mem_usage=False,
    )  # fmt: skip
    random = torch.Generator().manual_seed(0)
    face = torch.randn(2, 1, 512, generator=random)
    noisy, words = torch.randn(2, CHANNELS, 2, 2, generator=random), torch.randn(2, TOKENS, 128, generator=random)
    landmarks = torch.rand(2, 3, SIDE, SIDE, generator=random)
    added = {"text_embeds": torch.randn(2, 64, generator=random), "time_ids": torch.full((2, 6), 32.0)}
    with torch.inference_mode():
        tokens = network["resampler"](face)  # type: ignore[operator, index]
        loaded_tokens = pipeline.unet.encoder_hid_proj.image_projection_layers[0](face)
        assert torch.allclose(tokens, loaded_tokens, atol=2e-2)
        residuals = [
            part(noisy, 500, tokens, landmarks, added_cond_kwargs=added, return_dict=False)
            for part in (network["identity_net"], net)  # type: ignore[index]
        ]
        assert torch.allclose(SHIPPED_GAIN * residuals[0][1], residuals[1][1], atol=2e-2)
        everywhere = {4: torch.ones(2, 4, 1), 1: torch.ones(2, 1, 1)}
        unet_of_training = network["unet"]  # type: ignore[index]
        ours = unet_of_training(noisy, 500, (words, tokens, everywhere), added_cond_kwargs=added).sample
        pipeline.set_ip_adapter_scale(1 / SHIPPED_GAIN)
        theirs = pipeline.unet(noisy, 500, words, added_cond_kwargs=added | {"image_embeds": [face[:, None]]}).sample
        pipeline.set_ip_adapter_scale(0.0)
        without = pipeline.unet(noisy, 500, words, added_cond_kwargs=added | {"image_embeds": [face[:, None]]}).sample
    assert torch.allclose(ours, theirs, atol=2e-2)
    assert (ours - without).abs().max() > 5 * (ours - theirs).abs().max()
    picture = pipeline(
        "a man", image=Image.new("RGB", (SIDE, SIDE)), ip_adapter_image_embeds=[face[:, None]], num_inference_steps=2,
        guidance_scale=2.5,
    ).images[0]  # fmt: skip
    assert picture.size == (SIDE, SIDE)


def test_adapter_file_holds_every_tensor_once(world: World) -> None:
    weights = {name: p.detach() for name, p in trained(world.adapter.build()).items()}
    state = adapter_state(weights, new_unet(BLOCKS, CHANNELS))
    expected = sum(v.numel() for name, v in weights.items() if not name.startswith("identity_net."))
    assert sum(value.numel() for value in state.values()) == expected
    assert len([name for name in state if name.startswith("image_proj.")]) == 51


def test_shipped_bundle_is_small_and_whole() -> None:
    sizes = {
        str(Path(root, name).relative_to(ASSETS)): Path(root, name).stat().st_size
        for root, _, names in os.walk(ASSETS)
        for name in names
    }
    for name in (
        "README.md", "base/model_index.json", "base/unet/diffusion_pytorch_model.safetensors",
        "base/vae/diffusion_pytorch_model.safetensors", "base/text_encoder/model.safetensors",
        "base/text_encoder_2/model.safetensors", "base/tokenizer/tokenizer.json", "ControlNetModel/config.json",
        "ControlNetModel/diffusion_pytorch_model.safetensors", "ip-adapter.safetensors", "face/det.onnx",
        "face/rec.onnx",
    ):  # fmt: skip
        assert sizes.get(name, 0) > 0, name
    assert sum(sizes.values()) < 60 * 2**20
