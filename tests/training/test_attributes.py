"""The reader of attributes: its training at toy size, and the shipped one on drawings that it has not seen."""

import numpy as np
import pytest
import torch

from training.miniature import attribute_training, attributes
from training.miniature.attribute_training import AttributeStage, accuracy, held_out, prepare, softened
from training.miniature.attributes import ASSETS, ATTRIBUTES, FILE, AttributeNet, AttributeReader, labels
from training.miniature.codec import new_autoencoder
from training.miniature.dataset import draw
from training.miniature.draw import render
from training.miniature.loop import Plan, train
from training.miniature.person import EVALUATION_SEEDS, Person
from training.miniature.shot import Shot
from weights.bundle import read_sums


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attributes")
    drawings = draw(8, 4, 0, folder / "pictures", 64, processes=1)
    prepare(drawings, new_autoencoder(8, (8, 8, 8, 16, 16)), folder, soft=6)
    return folder, drawings


def test_whole_people_are_held_out(prepared):
    folder, drawings = prepared
    first = held_out(drawings)
    assert 0 < first < len(drawings)
    assert drawings.people[first] != drawings.people[first - 1]
    assert len(np.load(folder / "sharp.npy")) == first
    assert len(np.load(folder / "soft.npy")) == len(np.load(folder / "soft_labels.npy")) == 6


def test_it_learns_and_a_saved_one_says_the_same(prepared, tmp_path):
    folder, drawings = prepared
    stage = AttributeStage(folder)
    before = stage.loss(stage.build(), 0, 0, 16).item()
    weights = train(stage, Plan(steps=60, batch=16, warmup=5, lr=3e-3, muon=4e-3, ema=0.8), tmp_path)
    net = AttributeNet()
    net.load_state_dict(weights)
    assert stage.loss(net, 0, 0, 16).item() < 0.9 * before
    attributes.save(weights, tmp_path / FILE)
    pictures = drawings.images[:5]
    found = AttributeReader(tmp_path / FILE).read(list(pictures))
    with torch.inference_mode():
        logits = net.eval()(attributes.to_tensor(pictures))
    start = 0
    for name, options in ATTRIBUTES.items():
        assert found[name].shape == (5, len(options))
        part = logits[:, start : start + len(options)].softmax(1).numpy()
        assert np.allclose(found[name], part, atol=0.02), "half precision"
        start += len(options)


def test_labels_name_what_was_drawn():
    shot = Shot(style="neon", place="snow", clothes="coat", clothes_colour="pink", expression="frown")
    named = [options[index] for options, index in zip(ATTRIBUTES.values(), labels(shot), strict=True)]
    assert named == ["neon", "snow", "coat", "pink", "frown"]


def test_noise_in_the_latents_is_part_of_the_softening():
    vae = new_autoencoder(8, (8, 8, 8, 16, 16)).eval()
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    plain, again, noisy = (softened(pictures, vae, 0, noise=noise) for noise in (0.0, 0.0, 2.0))
    assert np.array_equal(plain, again)
    assert not np.array_equal(plain, noisy)
    assert plain.dtype == np.uint8
    assert plain.shape == pictures.shape


@pytest.fixture(scope="module")
def unseen():
    random = np.random.default_rng(5)
    shots = [Shot.sample(random, yaw=35, pitch=16, roll=18, face_size=(0.55, 0.75)) for _ in range(120)]
    people = [Person.from_seed(EVALUATION_SEEDS.stop - 500 - number) for number in range(120)]
    return np.stack([render(person, shot).image for person, shot in zip(people, shots, strict=True)]), shots


@pytest.mark.parametrize(
    ("name", "bar"), [("style", 0.83), ("place", 0.88), ("clothes", 0.7), ("clothes_colour", 0.72)]
)
def test_the_shipped_reader_is_right_about_unseen_drawings(unseen, name, bar):
    assert accuracy(AttributeReader(), *unseen)[name] >= bar


def test_the_shipped_reader_is_small_and_listed():
    assert (ASSETS / FILE).stat().st_size < 1.5e6
    assert FILE in read_sums(ASSETS)
    assert attribute_training.HELD_OUT > 0
