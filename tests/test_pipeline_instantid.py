"""The pipelines against the official ones, and what they do where the official ones crash or err."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel

from errors import RequestError, WeightsCorrupt, WeightsMissing
from face.keypoints import draw_keypoints
from ip_adapter.checkpoint import adapter_shapes, save_adapter
from ip_adapter.identity_net import IdentityNet
from pipeline_instantid import StableDiffusionXLInstantIDPipeline, draw_kps
from tests import tiny_sdxl
from tests.golden.cases import CASES, Case
from tests.tiny_pipeline import CASE, build, quick, relative_error, run, shared

GOLDEN = np.load(Path(__file__).parent / "golden" / "latents.npz")


def seeds(*numbers: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(number) for number in numbers]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_official_latents(case: Case):
    error = relative_error(run(shared(case.variant, case.nets), case), GOLDEN[case.name])
    print(f"{case.name}: {error:.1e}")
    assert error < 1e-4


def test_the_goldens_notice_another_face():
    assert relative_error(run(shared(), image_embeds=tiny_sdxl.face("bob")), GOLDEN["guided"]) > 0.1


def test_the_goldens_notice_a_normalised_embedding():
    embedding = tiny_sdxl.face()
    assert relative_error(run(shared(), image_embeds=embedding / np.linalg.norm(embedding)), GOLDEN["guided"]) > 0.01


def test_the_goldens_notice_unconditional_tokens_of_zero(monkeypatch: pytest.MonkeyPatch):
    resampler = shared().image_proj_model
    forward = resampler.forward
    monkeypatch.setattr(resampler, "forward", lambda rows: forward(rows) * rows.any(2, keepdim=True))
    assert relative_error(run(shared()), GOLDEN["guided"]) > 0.01


def test_the_goldens_notice_an_identity_net_that_reads_the_text(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(IdentityNet, "forward", ControlNetModel.forward)
    assert relative_error(run(shared()), GOLDEN["guided"]) > 0.01


def test_two_prompts_are_two_solo_runs():
    """The official code crashes: it does not repeat the face for each prompt."""
    first, second = tiny_sdxl.prompt("a portrait"), tiny_sdxl.prompt("a poster")
    both = {key: torch.cat([first[key], second[key]]) for key in first}
    together = quick(shared(), **both, generator=seeds(1, 2))
    assert relative_error(together[:1], quick(shared(), **first, generator=seeds(1))) < 1e-5
    assert relative_error(together[1:], quick(shared(), **second, generator=seeds(2))) < 1e-5
    faces = np.stack([tiny_sdxl.face("ada"), tiny_sdxl.face("bob")])[:, None]
    together = quick(shared(), **both, image_embeds=faces, num_images_per_prompt=2, generator=seeds(1, 2, 3, 4))
    for row, (prompt, face) in enumerate([(first, "ada"), (first, "ada"), (second, "bob"), (second, "bob")]):
        alone = quick(shared(), **prompt, image_embeds=tiny_sdxl.face(face), generator=seeds(row + 1))
        assert relative_error(together[row : row + 1], alone) < 1e-5


def test_guess_mode_leaves_the_unconditional_half_alone():
    """The official code crashes under guidance: it shows both halves of the face to half a batch."""
    seen = []
    pipe = shared()
    hook = pipe.unet.register_forward_pre_hook(lambda _, __, kwargs: seen.append(kwargs), with_kwargs=True)
    guessed = quick(pipe, guess_mode=True, num_images_per_prompt=2)
    hook.remove()
    residuals = [*seen[0]["down_block_additional_residuals"], seen[0]["mid_block_additional_residual"]]
    assert all(len(each) == 4 and not each[:2].any() and each[2:].any() for each in residuals)
    assert (
        relative_error(quick(pipe, guess_mode=True, num_images_per_prompt=2, image_embeds=-tiny_sdxl.face()), guessed)
        > 0.01
    )
    assert torch.equal(
        quick(pipe, guess_mode=True, controlnet_conditioning_scale=0.0), quick(pipe, controlnet_conditioning_scale=0.0)
    )


def test_several_images_from_one_picture():
    """The official img2img crashes: it repeats the time ids twice."""
    pipe, case = shared("img2img"), CASE["img2img"]
    together = run(pipe, case, num_images_per_prompt=2, generator=seeds(1, 2))
    assert relative_error(together[:1], run(pipe, case, generator=seeds(1))) < 1e-5
    assert relative_error(together[1:], run(pipe, case, generator=seeds(2))) < 1e-5


def test_negative_sizes_reach_every_image():
    """The official code, and diffusers', give them to every other row."""
    sizes = {"negative_original_size": (64, 64), "negative_target_size": (512, 512)}
    together = quick(shared(), num_images_per_prompt=2, generator=seeds(1, 2), **sizes)
    for row in range(2):
        alone = quick(shared(), generator=seeds(row + 1), **sizes)
        assert relative_error(together[row : row + 1], alone) < 1e-5
        assert relative_error(quick(shared(), generator=seeds(row + 1)), alone) > 1e-3


def test_img2img_obeys_the_adapter_scale():
    """The official img2img ignores the argument and runs at the scale it was loaded with."""
    pipe, case = shared("img2img"), CASE["img2img"]
    assert relative_error(run(pipe, case, ip_adapter_scale=0.1), GOLDEN["img2img"]) > 0.01


def test_a_mask_ends_with_its_call():
    """The official mask is a module global: calls after it stay masked."""
    run(shared(), "mask")
    assert relative_error(run(shared(), "guided"), GOLDEN["guided"]) < 1e-4


@pytest.mark.parametrize("size", [(104, 72), (40, 88)])
def test_masks_of_any_size(size: tuple[int, int]):
    """The official code fails for many sides that are no multiple of 64."""
    picture = tiny_sdxl.picture("landmarks", size)
    free = quick(shared(), image=picture)
    width, height = size
    assert relative_error(quick(shared(), image=picture, control_mask=np.ones((height, width))), free) < 1e-6
    nowhere = quick(shared(), image=picture, control_mask=np.zeros((3, 5)))
    faceless = quick(shared(), image=picture, ip_adapter_scale=0.0, controlnet_conditioning_scale=0.0)
    assert relative_error(nowhere, faceless) < 1e-6
    half = quick(shared(), image=picture, control_mask=tiny_sdxl.mask(size))
    assert relative_error(half, free) > 0.01 < relative_error(half, faceless)
    assert torch.equal(half, quick(shared(), image=picture, control_mask=np.asarray(tiny_sdxl.mask(size))))


def test_a_list_of_one_scale_is_a_scale():
    assert torch.equal(quick(shared(), controlnet_conditioning_scale=[0.8]), quick(shared()))


def test_positional_arguments_come_in_the_official_order():
    arguments = CASE["img2img"].arguments() | {"num_inference_steps": 2}
    pipe = shared("img2img")
    pipe.scheduler = CASE["img2img"].make_scheduler()
    named = pipe(**arguments, strength=0.9).images
    arguments["generator"].manual_seed(7)
    image, landmarks = arguments.pop("image"), arguments.pop("control_image")
    assert torch.equal(pipe(None, None, image, landmarks, 0.9, **arguments).images, named)
    with pytest.raises(TypeError, match="At most"):
        pipe(*range(30))


@pytest.mark.parametrize("embedding", [None, np.full(512, np.nan), np.ones(500), np.ones((3, 1, 512))])
def test_no_usable_face(embedding):
    with pytest.raises(RequestError):
        quick(shared(), image_embeds=embedding)


def test_the_first_of_several_nets_becomes_the_identity_net():
    nets = tiny_sdxl.components(2)["controlnet"]
    for given in (nets, MultiControlNetModel(nets)):
        pipe = build(controlnet=given)
        assert [type(net) for net in pipe.controlnet.nets] == [IdentityNet, ControlNetModel]
        assert pipe.identity_net is pipe.controlnet.nets[0]
        assert pipe.controlnet.nets[1] is nets[1]
    assert [type(net) for net in nets] == [ControlNetModel, ControlNetModel]


def test_a_script_for_the_official_pipeline(tmp_path: Path):
    parts = tiny_sdxl.components()
    parts.pop("controlnet").save_pretrained(tmp_path / "ControlNetModel")
    StableDiffusionXLPipeline(**parts).save_pretrained(tmp_path / "base")
    state = tiny_sdxl.adapter_state(adapter_shapes(parts["unet"], width=tiny_sdxl.WIDTH))
    save_adapter(state, tmp_path / "ip-adapter.bin")

    controlnet = ControlNetModel.from_pretrained(tmp_path / "ControlNetModel")
    pipe = StableDiffusionXLInstantIDPipeline.from_pretrained(
        tmp_path / "base", controlnet=controlnet, add_watermarker=False
    )
    with pytest.raises(WeightsMissing, match="load_ip_adapter_instantid"):
        quick(pipe)
    with pytest.raises(WeightsCorrupt):
        pipe.load_ip_adapter_instantid(tmp_path, num_tokens=4)
    pipe.load_ip_adapter_instantid(str(tmp_path / "ip-adapter.bin"), image_emb_dim=512, num_tokens=16)
    assert {float(each.scale[0]) for name, each in pipe.unet.attn_processors.items() if "attn2" in name} == {0.5}
    pipe.set_ip_adapter_scale(0.8)
    pipe.scheduler = CASE["guided"].make_scheduler()
    pipe.set_progress_bar_config(disable=True)
    assert relative_error(pipe(**CASE["guided"].arguments()).images, GOLDEN["guided"]) < 1e-4


def test_other_shapes_come_from_the_configs():
    """Two levels, attention in both, 32 latent channels, a VAE that shrinks by 16."""
    layout = tiny_sdxl.SHARED | {
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "transformer_layers_per_block": (1, 1),
        "attention_head_dim": (2, 4),
        "in_channels": 32,
    }
    up = ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D")
    unet = tiny_sdxl.fill(UNet2DConditionModel(sample_size=8, out_channels=32, up_block_types=up, **layout), "small")
    net = ControlNetModel(conditioning_embedding_out_channels=(8, 8, 8, 8, 16), **layout)
    pipe = build(unet=unet, controlnet=tiny_sdxl.fill(net, "small net"), vae=tiny_sdxl.vae(levels=5, channels=32))
    arguments = {"image": tiny_sdxl.picture(size=(128, 96)), "control_mask": tiny_sdxl.mask((128, 96))}
    latents = quick(pipe, **arguments)
    assert latents.shape == (1, 32, 6, 8)
    assert relative_error(quick(pipe, **arguments, image_embeds=tiny_sdxl.face("bob")), latents) > 0.01
    assert quick(pipe, **arguments, output_type="pil")[0].size == (128, 96)


def test_draw_kps():
    keypoints = [[20, 20], [44, 21], [32, 33], [24, 44], [41, 45]]
    assert draw_kps(tiny_sdxl.picture(size=(64, 48)), keypoints) == draw_keypoints(keypoints, (64, 48))
