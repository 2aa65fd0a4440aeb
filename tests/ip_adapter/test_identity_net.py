import pytest
import torch
from diffusers import ControlNetModel
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel

from errors import InstantIDError
from ip_adapter.attention import FaceRegion
from ip_adapter.identity_net import IdentityNet
from tests import tiny_sdxl

FACE = tiny_sdxl.noise("tokens", 2, tiny_sdxl.TOKENS, tiny_sdxl.DIM)


@pytest.fixture
def net():
    net = IdentityNet.adopt(tiny_sdxl.controlnet())
    net.show(FACE)
    return net


def step(net, height: int = 8, width: int = 8, rows: int = 2, **changes):
    arguments = {
        "sample": tiny_sdxl.noise("sample", rows, 4, height, width),
        "timestep": 500,
        "encoder_hidden_states": tiny_sdxl.noise("text", rows, 77, tiny_sdxl.DIM),
        "controlnet_cond": tiny_sdxl.noise("picture", rows, 3, height * 8, width * 8),
        "conditioning_scale": 0.7,
        "added_cond_kwargs": {
            "text_embeds": tiny_sdxl.noise("pooled", rows, tiny_sdxl.POOLED),
            "time_ids": torch.ones(rows, 6),
        },
        "return_dict": False,
    }
    with torch.no_grad():
        down, mid = net(**arguments | changes)
    return [*down, mid]


def same(ours, theirs) -> bool:
    return len(ours) == len(theirs) and all(map(torch.equal, ours, theirs))


def test_it_reads_the_face_and_not_the_text(net):
    other_text = tiny_sdxl.noise("other text", 2, 77, tiny_sdxl.DIM)
    with_face = step(net)
    assert same(with_face, step(net, encoder_hidden_states=other_text))
    assert same(with_face, step(tiny_sdxl.controlnet(), encoder_hidden_states=FACE))
    net.show(FACE.flip(0))
    assert not same(with_face, step(net))


def test_without_a_face_it_refuses(net):
    net.clear()
    with pytest.raises(InstantIDError, match="no face"):
        step(net)


def test_adopting_shares_the_weights_and_leaves_the_given_net_alone():
    controlnet = tiny_sdxl.controlnet()
    before = step(controlnet)
    net = IdentityNet.adopt(controlnet)
    assert IdentityNet.adopt(net) is net
    net.show(FACE)
    assert type(controlnet) is ControlNetModel
    assert same(before, step(controlnet))
    assert not same(before, step(net))
    assert all(ours is theirs for ours, theirs in zip(net.parameters(), controlnet.parameters(), strict=True))
    assert net.state_dict().keys() == controlnet.state_dict().keys(), "the face is no weight"


def test_a_net_with_an_offload_hook_is_refused():
    from accelerate.hooks import ModelHook, add_hook_to_module

    controlnet = tiny_sdxl.controlnet()
    add_hook_to_module(controlnet, ModelHook())
    with pytest.raises(InstantIDError, match="offload"):
        IdentityNet.adopt(controlnet)


@pytest.mark.parametrize("size", [(8, 8), (9, 13)])
def test_at_scale_0_it_is_skipped_and_nothing_changes(net, size):
    sample = tiny_sdxl.noise("unet sample", 2, 16, *size)
    calls = []
    net.conv_in.register_forward_hook(lambda *_: calls.append(1))
    skipped = step(net, *size, conditioning_scale=0.0)
    assert not calls
    assert all(torch.equal(sample + residual, sample) for residual in skipped[:3])
    full = step(net, *size)
    assert len(skipped) == len(full)
    assert all(torch.equal(ours + theirs, theirs) for ours, theirs in zip(skipped, full, strict=True))
    assert skipped[-1].shape == full[-1].shape


def test_skipped_among_several_nets_it_leaves_the_others_alone(net):
    depth = tiny_sdxl.controlnet("depth")
    picture = tiny_sdxl.noise("picture", 2, 3, 64, 64)
    both = MultiControlNetModel([net, depth])
    alone = step(depth, conditioning_scale=0.5)
    assert same(alone, step(both, controlnet_cond=[picture] * 2, conditioning_scale=[0.0, 0.5]))
    assert not same(alone, step(both, controlnet_cond=[picture] * 2, conditioning_scale=[0.1, 0.5]))


def test_given_the_conditional_half_it_reads_the_last_rows(net):
    half = step(net, rows=1)
    net.show(FACE[1:])
    assert same(half, step(net, rows=1))


def test_return_dict(net):
    with torch.no_grad():
        output = net(
            tiny_sdxl.noise("sample", 2, 4, 8, 8),
            500,
            None,
            tiny_sdxl.noise("picture", 2, 3, 64, 64),
            0.7,
            added_cond_kwargs={
                "text_embeds": tiny_sdxl.noise("pooled", 2, tiny_sdxl.POOLED),
                "time_ids": torch.ones(2, 6),
            },
        )
    assert same(step(net), [*output.down_block_res_samples, output.mid_block_res_sample])


def test_a_region_bounds_the_residuals(net):
    everywhere = step(net, 9, 13)
    mask = torch.zeros(72, 104)
    mask[:, :52] = 1
    net.show(FACE, FaceRegion(mask))
    within = step(net, 9, 13)
    for bounded, whole in zip(within, everywhere, strict=True):
        width = whole.shape[-1]
        left, right = slice(0, width // 2 - 1), slice(width // 2 + 2, None)
        assert torch.equal(bounded[..., left], whole[..., left])
        assert not bounded[..., right].any()
