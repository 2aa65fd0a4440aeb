"""The nets and the LoRA that come with the miniature do what they were taught."""

import numpy as np
import pytest

from benchmarks import following
from generation.annotate import depth
from generation.controls import Control
from generation.loading import load_engine
from generation.lora_choice import Lora
from generation.settings import Settings
from weights.published import ASSETS

PICTURES = 2
STEPS = 12
ESTIMATOR = ASSETS / "miniature" / "controls" / "depth_estimator"


@pytest.fixture(scope="module")
def miniature():
    return load_engine("miniature", Settings(device="cpu"))


@pytest.fixture(scope="module")
def followed():
    return following.followed(PICTURES)


def made(engine, pictures, controls):
    """Pictures of unseen people in the poses of the given ones."""
    return [
        following._made(engine, photo, seed, pose=picture, controls=controls(picture), steps=STEPS).images[0].image
        for seed, (photo, picture) in enumerate(zip(following.references(PICTURES), pictures, strict=True))
    ]


def test_edges_are_followed(miniature, followed):
    pictures = [picture for picture, _ in followed]
    shares = [
        np.mean([following.edges_found(*pair) for pair in zip(images, pictures, strict=True)])
        for images in (
            made(miniature, pictures, lambda picture: ()),
            made(miniature, pictures, lambda picture: (Control("canny", 1.0, picture=picture),)),
        )
    ]
    assert shares[1] > shares[0] + 0.05


def test_depth_is_followed(miniature, followed):
    pictures = [picture for picture, _ in followed]
    errors = [
        np.mean(
            [np.abs(np.asarray(depth(image, ESTIMATOR))[..., 0] - true.astype(float)).mean() for image, true in pairs]
        )
        for pairs in (
            list(zip(made(miniature, pictures, controls), [true for _, true in followed], strict=True))
            for controls in (lambda picture: (), lambda picture: (Control("depth", 1.0, picture=picture),))
        )
    ]
    assert errors[1] < errors[0]


def test_the_annotator_knows_the_depth_of_drawings(followed):
    for picture, true in followed:
        told = np.asarray(depth(picture, ESTIMATOR))[..., 0]
        assert np.corrcoef(told.ravel(), true.ravel())[0, 1] > 0.9


def test_the_look_comes_with_its_lora(miniature):
    (photo,) = following.references(1)
    off = [
        following.off_the_ramp(
            np.asarray(
                following._made(
                    miniature, photo, 0, prompt="a cyanotype of a person", view="front", view_size=0.62, steps=STEPS,
                    loras=loras,
                ).images[0].image
            )
        )
        for loras in ((), (Lora(following.LOOK),))
    ]  # fmt: skip
    assert off[1] < 0.7 * off[0]
