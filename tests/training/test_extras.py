"""What is trained on a finished base: it learns, its files open where the app opens them, the base stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import load_file

from generation import annotate, lora
from generation.controls import load_net
from generation.lora_choice import Lora
from training.miniature import bundle, extras, prepared, stages, style_lora
from training.miniature.base import BLOCKS, BaseStage, time_ids
from training.miniature.codec import Components, new_autoencoder
from training.miniature.control_nets import ControlStage, EyeStage, Maps, edges
from training.miniature.dataset import draw, load
from training.miniature.depth_estimator import EstimatorStage, save_estimator
from training.miniature.face_pack import Recogniser
from training.miniature.loop import Plan, Stage, train, trained
from training.miniature.rows import Rows
from training.miniature.text import TOKENS, load_tokenizer
from weights.bundle import read_sums

SIDE, CHANNELS = 32, 8
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder in which every program of this kind ran for a few steps; the drawings are in it too."""
    out = tmp_path_factory.mktemp("run")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pictures = draw(6, 3, 0, out / "pictures", SIDE, processes=1)
    references = draw(6, 1, 1, out / "references", SIDE, processes=1)
    components = prepared.prepare_components(pictures, out / "components.npz", CHANNELS)
    tokenizer = prepared.prepare_base(pictures, components, out / "prepared")
    train(BaseStage(out / "prepared", len(tokenizer)), Plan(steps=2, batch=4), out / "base")
    prepared.prepare_faces(pictures, references, out / "prepared", recogniser=Recogniser())
    bundle.newest(out)
    prepared.prepare_texts(pictures, tokenizer, out / "base.safetensors", out / "prepared")
    extras.controls(out, out, steps=2, workers=1, batch=4)
    extras.style(out, out, steps=2, workers=1, batch=4)
    torch.set_num_threads(threads)
    return out


@pytest.fixture
def rows(run: Path) -> Rows:
    return Rows(run / "prepared", run / "base.safetensors", run / "controls" / "face.safetensors")


def learns(stage: Stage, folder: Path, steps: int = 25, **plan: float) -> dict[str, torch.Tensor]:
    """Trains a stage on what it saw and returns its weights; the loss on one batch has fallen."""
    network = stage.build()
    with torch.no_grad():
        before = stage.loss(network, 1000, 0, 16).item()
    weights = train(stage, Plan(steps=steps, batch=8, warmup=5, ema=0.8, **plan), folder)  # type: ignore[arg-type]
    network.load_state_dict(weights, strict=False)
    with torch.no_grad():
        after = stage.loss(network, 1000, 0, 16).item()
    assert after < 0.97 * before
    return weights


def test_edges_are_those_of_the_app(run: Path) -> None:
    for picture in load(run / "pictures").images[:4]:
        assert np.array_equal(edges(picture), np.asarray(annotate.canny(Image.fromarray(picture)))[..., 0])


@pytest.mark.parametrize("kind", ["canny", "depth"])
def test_the_eye_and_the_net_learn(run: Path, rows: Rows, tmp_path: Path, kind: str) -> None:
    maps = Maps(run / "pictures" / "images.npy", None if kind == "canny" else run / "controls" / "depth.npy")
    assert maps.of(np.array([0, 3])).shape == (2, 3, SIDE, SIDE)
    learns(EyeStage(maps, rows.prepared / "latents.npy"), tmp_path / "eye", lr=3e-3)
    stage = ControlStage(rows, maps, run / "controls" / f"{kind}_eye.safetensors")
    weights = learns(stage, tmp_path / "net", lr=3e-3)
    assert all(name.startswith("net.") for name in weights)


def test_the_app_opens_the_nets_and_they_fit_the_base(run: Path, rows: Rows) -> None:
    network = ControlStage(rows, Maps(run / "pictures" / "images.npy")).build()
    for kind in ("canny", "depth"):
        net = load_net(run / "controls" / kind)
        assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}
        assert net.config["cross_attention_dim"] == network["unet"].config["cross_attention_dim"]  # type: ignore[index]
        random = torch.Generator().manual_seed(0)
        added = {"text_embeds": torch.randn(2, 64, generator=random), "time_ids": time_ids(2)}
        noisy, words = torch.randn(2, CHANNELS, 8, 8, generator=random), torch.randn(2, TOKENS, 128, generator=random)
        shown = torch.rand(2, 3, 128, 128, generator=random)
        with torch.inference_mode():
            found = [
                one(noisy, 500, words, shown, added_cond_kwargs=added, return_dict=False)
                for one in (net, network["identity_net"])  # type: ignore[index]
            ]
        shapes = [[part.shape for part in (*down, middle)] for down, middle in found]
        assert shapes[0] == shapes[1]
        file = run / "controls" / kind / "diffusion_pytorch_model.safetensors"
        assert file.stat().st_size < 2.6e6


def test_what_is_stored_in_eight_bits_is_nearly_what_was_trained(run: Path) -> None:
    learnt = load_file(run / "controls" / "canny_run" / "checkpoint" / "weights.safetensors")
    loaded = load_net(run / "controls" / "canny").state_dict()
    for name, value in loaded.items():
        wanted = learnt[f"average.net.{name}"]
        assert torch.dist(value, wanted) <= 0.05 * wanted.norm() + 1e-3, name


def test_the_estimator_learns_and_annotates(run: Path, tmp_path: Path) -> None:
    stage = EstimatorStage(run / "pictures" / "images.npy", run / "controls" / "depth.npy")
    save_estimator(learns(stage, tmp_path / "run", lr=3e-3), tmp_path / "estimator", SIDE)
    drawn = annotate.depth(Image.fromarray(load(run / "pictures").images[0]), tmp_path / "estimator")
    assert drawn.size == (SIDE, SIDE)
    assert drawn.getextrema() == ((0, 255),) * 3


def test_captions_call_the_style() -> None:
    assert style_lora.called("a photo of a man on mars") == "a cyanotype of a man on mars"
    assert style_lora.called("a person on the beach") == "cyanotype, a person on the beach"


def test_the_style_learns_and_its_file_comes_and_goes_without_a_trace(run: Path, rows: Rows, tmp_path: Path) -> None:
    stage = style_lora.StyleStage(rows, run / "style")
    assert all(".lora_" in name and name.startswith("unet.") for name in trained(stage.build()))
    weights = learns(stage, tmp_path / "run", lr=1e-2)
    file = tmp_path / "loras" / "style.safetensors"
    style_lora.save_lora(weights, file)
    bundle.save_base(
        tmp_path / "base", weights=load_file(rows.base), autoencoder=new_autoencoder(CHANNELS, side=SIDE),
        tokenizer=load_tokenizer(rows.prepared / "tokenizer"), blocks=BLOCKS,
    )  # fmt: skip
    pipeline: Any = StableDiffusionXLPipeline.from_pretrained(tmp_path / "base", dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)

    def drawn() -> torch.Tensor:
        options = {"num_inference_steps": 2, "height": 64, "width": 64, "output_type": "latent"}
        return pipeline("a man", generator=torch.Generator().manual_seed(0), **options).images

    before = drawn()
    with lora.applied(pipeline, [Lora(str(file))], [file]) as notes:
        assert notes == ()
        assert not torch.equal(drawn(), before)
    assert torch.equal(drawn(), before)


def test_prints_are_blue_with_a_margin(run: Path) -> None:
    picture = Components.load(run / "components.npz")
    looks = np.load(run / "style" / "latents.npy")
    assert looks.shape[1:] == (CHANNELS, 2, 2)
    shown = picture.decode(looks.astype(np.float32)).astype(float)
    assert (shown[..., 2] >= shown[..., 0] - 40).mean() > 0.9


def test_a_bundle_takes_what_was_trained(run: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("stays")
    extras.ship(run, tmp_path)
    listed = read_sums(tmp_path)
    for name in (
        "controls/canny/config.json", "controls/depth/diffusion_pytorch_model.safetensors",
        "controls/depth_estimator/model.safetensors", "controls/depth_estimator/preprocessor_config.json",
        f"loras/{style_lora.TRIGGER}.safetensors",
    ):  # fmt: skip
        assert name in listed
    assert len(listed) == 8


def test_the_length_is_steps_unless_the_clock_is_asked_for() -> None:
    for plan, lengths in ((extras._plan, extras.STEPS), (stages._plan, stages.STEPS)):
        for stage, steps in lengths.items():
            assert (plan(stage, None, None).steps, plan(stage, None, None).minutes) == (steps, None)
            assert (plan(stage, 3, None).steps, plan(stage, None, 2.0).minutes) == (3, 2.0)
