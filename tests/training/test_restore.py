"""What is shipped can be trained on: a run's folder out of the bundle, a detector out of its file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from training.miniature.adapter import AdapterStage
from training.miniature.bundle import save_adapter_parts, save_base
from training.miniature.codec import Components
from training.miniature.dataset import draw, joined
from training.miniature.detector_net import FaceDetector, InsightfaceForm
from training.miniature.export import open_session
from training.miniature.loop import trained
from training.miniature.prepared import prepare_base
from training.miniature.reopen import reopen
from training.miniature.restore import restore
from training.miniature.text import load_tokenizer

ASSETS = Path(__file__).parents[2] / "assets" / "miniature"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder restored from the shipped bundle, and its pictures."""
    folder = tmp_path_factory.mktemp("restored")
    pictures = draw(20, 2, 0, folder / "drawn", processes=1)
    restore(ASSETS, pictures.images, folder)
    prepare_base(pictures, Components.load(folder / "components.npz"), folder / "prepared")
    return folder, pictures


def autoencoder():
    return AutoencoderKL.from_pretrained(ASSETS / "base" / "vae").float()


def test_a_restored_bundle_is_written_as_it_was(run, tmp_path):
    folder, _ = run
    base = folder / "base.safetensors"
    stage = AdapterStage(folder / "prepared", base, start=folder / "restored.safetensors")
    unet = save_base(
        tmp_path / "base",
        weights=load_file(base),
        autoencoder=autoencoder(),
        tokenizer=load_tokenizer(folder / "prepared" / "tokenizer"),
        blocks=stage.blocks,
    )
    save_adapter_parts(tmp_path, weights=dict(trained(stage.build())), unet=unet)
    written = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.safetensors"))
    assert len(written) == 6
    for name in written:
        again, shipped = load_file(tmp_path / name), load_file(ASSETS / name)
        assert again.keys() == shipped.keys()
        for key, value in shipped.items():
            assert torch.equal(again[key], value), (name, key)


def test_the_components_are_the_encoder_s(run):
    folder, _ = run
    components = Components.load(folder / "components.npz")
    unseen = draw(4, 2, 9, folder / "unseen", processes=1, first_person=4000).images
    pixels = torch.from_numpy(np.array(unseen)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        told = autoencoder().encode(pixels).latent_dist.mean.numpy()
    for mine, theirs in zip(components.encode(unseen).swapaxes(0, 1), told.swapaxes(0, 1), strict=True):
        assert np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] > 0.9


def test_sets_are_joined_in_order(run):
    _, pictures = run
    both = joined(pictures, pictures)
    assert len(both) == 2 * len(pictures) == len(both.records) == len(both.people)
    assert np.array_equal(both.images[len(pictures) + 3], pictures.images[3])


def test_a_detector_goes_on_from_its_file():
    network, path = FaceDetector(), ASSETS / "face" / "det.onnx"
    pictures = torch.rand(4, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    reopen(network, path, pictures)
    session = open_session(path)
    expected = session.run(None, {session.get_inputs()[0].name: pictures[:1].numpy()})
    with torch.no_grad():
        found = InsightfaceForm(network).eval()(pictures[:1])
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_a_file_of_another_network_is_refused():
    network = FaceDetector(widths=(16, 24, 48, 80, 128))
    with pytest.raises(ValueError, match="another network"):
        reopen(network, ASSETS / "face" / "det.onnx", torch.zeros(1, 3, 64, 64))
