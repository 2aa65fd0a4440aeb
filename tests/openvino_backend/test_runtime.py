"""Compiled networks behind the pipelines give what torch gives, in every way of asking."""

from functools import cache

import numpy as np
import pytest
import torch

from openvino_backend.compiled import Device
from openvino_backend.runtime import Export
from tests import tiny_pipeline, tiny_sdxl
from tests.openvino_backend.tiny_export import EXACT, pipeline_of
from tests.tiny_engine import tiny_pipeline as whole_pipeline

CLOSE = 1e-4
NAMES = (
    "guided",
    "unguided",
    "no identity net",
    "neither",
    "three images",
    "window",
    "two embeddings",
    "resized",
    "guess without guidance",
    "three nets, windows",
    "mask, wide",
    "mask, two nets",
    "img2img",
)
"""Every way into the networks; schedulers see nothing of what runs them."""


@pytest.fixture(scope="module")
def compiled(exported):
    return cache(lambda variant, nets: pipeline_of(exported, variant, nets))


@pytest.mark.parametrize("name", NAMES)
def test_the_latents_are_those_of_torch(compiled, name):
    case = tiny_pipeline.CASE[name]
    variant = "plain" if case.variant == "full" else case.variant
    ours = tiny_pipeline.run(compiled(variant, case.nets), case)
    theirs = tiny_pipeline.run(tiny_pipeline.shared(variant, case.nets), case)
    assert tiny_pipeline.relative_error(ours, theirs) < CLOSE


def test_two_people_each_in_a_mask_of_their_own(compiled):
    left, right = torch.zeros(64, 64), torch.zeros(64, 64)
    left[:, :28], right[:, 36:] = 1, 1
    people = {"image_embeds": (tiny_sdxl.face("ada"), tiny_sdxl.face("grace")), "control_mask": (left, right)}
    ours = tiny_pipeline.quick(compiled("plain", 1), **people)
    theirs = tiny_pipeline.quick(tiny_pipeline.shared(), **people)
    assert tiny_pipeline.relative_error(ours, theirs) < CLOSE
    exchanged = tiny_pipeline.quick(compiled("plain", 1), **{**people, "control_mask": (right, left)})
    assert tiny_pipeline.relative_error(exchanged, theirs) > 100 * CLOSE


def test_strengths_of_single_blocks_reach_the_graph(compiled):
    wish = {"ip_adapter_scale": {"up": {"block_0": [0.3, 0.6, 0.9]}, "down": {"block_2": [0.2, 0.7]}}}
    plain, both = tiny_pipeline.shared(), compiled("plain", 1)
    theirs, ours = tiny_pipeline.quick(plain, **wish), tiny_pipeline.quick(both, **wish)
    assert tiny_pipeline.relative_error(ours, theirs) < CLOSE
    assert tiny_pipeline.relative_error(ours, tiny_pipeline.quick(both)) > 100 * CLOSE


@torch.no_grad()
def test_text_encoders_with_any_clip_skip(exported):
    theirs, ours = whole_pipeline(), pipeline_of(exported)
    ours.text_encoder, ours.text_encoder_2 = (
        Export(exported, EXACT).components()[name] for name in ("text_encoder", "text_encoder_2")
    )
    ours.tokenizer, ours.tokenizer_2 = theirs.tokenizer, theirs.tokenizer_2
    for skip in (None, 1):
        texts = {"prompt": ["a portrait", "a portrait with much more to be said about it"], "clip_skip": skip}
        texts["negative_prompt"] = ["dull", "dull and dark"]
        for mine, wanted in zip(ours.encode_prompt(**texts), theirs.encode_prompt(**texts), strict=True):
            assert tiny_pipeline.relative_error(mine, wanted) < CLOSE


@torch.no_grad()
def test_autoencoder_in_tiles_and_in_one(exported):
    theirs, ours = tiny_sdxl.vae(), Export(exported, EXACT).components()["vae"]
    pixels, latents = tiny_sdxl.noise("pixels", 2, 3, 72, 40), tiny_sdxl.noise("latents", 1, 4, 20, 12)
    for tiled in (False, True):
        for vae in (theirs, ours):
            vae.use_tiling = tiled
            vae.tile_latent_min_size, vae.tile_sample_min_size = 8, 64
        wanted, mine = (vae.encode(pixels).latent_dist.mode() for vae in (theirs, ours))
        assert tiny_pipeline.relative_error(mine, wanted) < CLOSE
        wanted, mine = (vae.decode(latents, return_dict=False)[0] for vae in (theirs, ours))
        assert tiny_pipeline.relative_error(mine, wanted) < CLOSE


def test_the_answers_of_two_calls_are_not_one_array(exported):
    net = Export(exported, EXACT).components()["vae"].decoder
    first = net(tiny_sdxl.noise("first", 1, 4, 4, 4))
    kept = first.clone()
    net(tiny_sdxl.noise("second", 1, 4, 4, 4))
    assert np.array_equal(first, kept)


def test_a_cache_changes_no_number(exported, tmp_path):
    other = Export(exported, Device("CPU", "float32", cache=tmp_path / "cache"))
    latents = tiny_sdxl.noise("latents", 1, 4, 6, 5)
    wanted, *_ = Export(exported, EXACT).network("vae_decoder")(latents=latents)
    for _ in range(2):  # compiled, then from the cache
        found, *_ = other.network("vae_decoder")(latents=latents)
        assert tiny_pipeline.relative_error(found, wanted) < CLOSE
    assert any((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("name", ["guided", "unguided", "two nets"])
def test_rows_dealt_to_streams_are_the_same_rows(exported, name):
    case = tiny_pipeline.CASE[name]
    dealt = pipeline_of(exported, "plain", case.nets, Device("CPU", "float32", streams=2))
    requests = dealt.unet.network._requests
    assert len(requests) == 2
    ours = tiny_pipeline.run(dealt, case)
    theirs = tiny_pipeline.run(tiny_pipeline.shared("plain", case.nets), case)
    assert tiny_pipeline.relative_error(ours, theirs) < CLOSE
    worked = [bool(request.get_output_tensor(0).size) for request in requests]
    assert worked == [True, name != "unguided"]


def test_two_people_on_two_streams(exported):
    left, right = torch.zeros(64, 64), torch.zeros(64, 64)
    left[:, :28], right[:, 36:] = 1, 1
    people = {"image_embeds": (tiny_sdxl.face("ada"), tiny_sdxl.face("grace")), "control_mask": (left, right)}
    dealt = pipeline_of(exported, device=Device("CPU", "float32", streams=2))
    theirs = tiny_pipeline.quick(tiny_pipeline.shared(), **people)
    assert tiny_pipeline.relative_error(tiny_pipeline.quick(dealt, **people), theirs) < CLOSE
