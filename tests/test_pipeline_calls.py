"""How the pipelines are called: what is not understood is refused by name, never passed over."""

import numpy as np
import pytest
import torch
from PIL import Image

from errors import RequestError
from ip_adapter.attention import FaceRegion
from pipeline_instantid import StableDiffusionXLInstantIDImg2ImgPipeline
from tests import tiny_sdxl
from tests.tiny_pipeline import build, quick, shared


@pytest.mark.parametrize("scale", [[0.8, 0.5], [], (0.8, 0.5), "0.8", [None], float("nan"), None], ids=str)
def test_strengths_that_do_not_fit_are_refused(scale):
    with pytest.raises(RequestError) as told:
        quick(shared(), controlnet_conditioning_scale=scale)
    assert told.value.field == "controlnet_conditioning_scale"


@pytest.mark.parametrize(("scale", "same"), [((0.8,), 0.8), (1, 1.0), (np.float32(0.5), 0.5)], ids=str)
def test_one_strength_in_any_form(scale, same):
    assert torch.equal(
        quick(shared(), controlnet_conditioning_scale=scale), quick(shared(), controlnet_conditioning_scale=same)
    )


@pytest.mark.parametrize("face", ["abc", ["a"], {}, object()], ids=str)
def test_what_is_no_face_is_refused(face):
    with pytest.raises(RequestError) as told:
        quick(shared(), image_embeds=face)
    assert told.value.field == "image_embeds"


def test_an_unknown_argument_is_told():
    with pytest.raises(TypeError, match="ip_adaptor_scale"):
        quick(shared(), ip_adaptor_scale=0.5)


def test_an_argument_given_twice_is_told():
    with pytest.raises(TypeError, match="multiple values for argument 'prompt'"):
        shared()("a cook", prompt="a knight", image_embeds=tiny_sdxl.face())


@pytest.mark.parametrize(
    "convert",
    [
        lambda ones: ones,
        lambda ones: (ones * 255).astype(np.int64),
        lambda ones: (ones * 255).astype(np.uint8),
        lambda ones: torch.tensor(ones * 255, dtype=torch.uint8),
        lambda ones: torch.tensor(ones, dtype=torch.bool),
        lambda ones: Image.fromarray((ones * 255).astype(np.uint8)),
    ],
)
def test_a_mask_means_the_same_in_every_form(convert):
    ones = np.zeros((8, 8), np.float32)
    ones[2:5] = 1
    features = torch.zeros(1, 1, 8, 8)
    assert torch.equal(FaceRegion(convert(ones)).over_map(features), torch.tensor(ones)[None, None])


@pytest.mark.parametrize(
    "mask",
    ["mask", [[0, 1]], np.full((8, 8), 2.0), np.full((8, 8), -1), np.full((8, 8), 256), np.full((8, 8), np.nan), 3],
    ids=str,
)
def test_what_is_no_mask_is_refused(mask):
    with pytest.raises(RequestError) as told:
        FaceRegion(mask)
    assert told.value.field == "control_mask"


def test_several_people_need_a_mask_each():
    faces = (tiny_sdxl.face("ada"), tiny_sdxl.face("bob"))
    for masks in (None, tiny_sdxl.mask(), (tiny_sdxl.mask(),)):
        with pytest.raises(RequestError) as told:
            quick(shared(), image_embeds=faces, control_mask=masks)
        assert told.value.field in ("control_mask", "image_embeds")


def test_a_pipeline_can_be_made_from_another():
    pipe = build().to(torch.float64)
    other = StableDiffusionXLInstantIDImg2ImgPipeline.from_pipe(pipe)
    assert other.identity_net is pipe.identity_net
    assert other.unet.dtype == torch.float64


def test_a_refused_call_leaves_no_negative_face_behind():
    pipe = shared()
    before = quick(pipe)
    with pytest.raises(RequestError):
        quick(pipe, negative_image_embeds=tiny_sdxl.face("noise"), controlnet_conditioning_scale=[1.0, 2.0])
    assert torch.equal(quick(pipe), before)
