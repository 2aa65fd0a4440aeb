"""What is skipped or done once changes not one bit, and nothing stays behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionXLControlNetPipeline
from diffusers.utils.torch_utils import get_module_execution_device

from errors import InstantIDError, WeightsMissing
from ip_adapter.attention import AddedFaceAttention, FaceProjection
from ip_adapter.identity_net import IdentityNet
from tests import tiny_sdxl
from tests.tiny_pipeline import build, load_adapter, quick, relative_error, run, shared


@contextmanager
def count_calls(module: torch.nn.Module) -> Iterator[list[int]]:
    calls: list[int] = []
    hook = module.register_forward_hook(lambda *_: calls.append(1))
    yield calls
    hook.remove()


def never_skipping(self: IdentityNet, sample: torch.Tensor, timestep: Any, *_: Any, **arguments: Any) -> Any:
    (tokens,) = self.face_tokens
    arguments["encoder_hidden_states"] = tokens[-len(sample) :]
    return ControlNetModel.forward(self, sample, timestep, **arguments)


@pytest.mark.parametrize("case", ["window", "no identity net", "three nets, windows"])
def test_identity_net_runs_only_where_it_acts(case: str, monkeypatch: pytest.MonkeyPatch):
    pipe = shared(nets=3 if "three" in case else 1)
    with count_calls(pipe.identity_net.conv_in) as calls:
        skipping = run(pipe, case)
    assert len(calls) == {"window": 2, "no identity net": 0, "three nets, windows": 2}[case]
    monkeypatch.setattr(IdentityNet, "forward", never_skipping)
    assert torch.equal(skipping, run(pipe, case))


def test_the_face_is_projected_once(monkeypatch: pytest.MonkeyPatch):
    pipe = shared()
    with count_calls(pipe.image_proj_model) as calls:
        once = quick(pipe)
    assert len(calls) == 1
    embedding = torch.from_numpy(tiny_sdxl.face())[None, None]
    rows = torch.cat([torch.zeros_like(embedding), embedding])
    monkeypatch.setattr(FaceProjection, "forward", lambda self, _: [self.resampler(rows)])
    with count_calls(pipe.image_proj_model) as calls:
        each_step = quick(pipe)
    assert len(calls) == 3
    assert torch.equal(once, each_step)


def test_a_callback_may_change_the_strength_between_steps():
    pipe = shared()
    layer = next(each for each in pipe.unet.attn_processors.values() if isinstance(each, AddedFaceAttention))

    def switch_off(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        pipe.set_ip_adapter_scale(0.0)
        return {}

    with count_calls(layer.to_k_ip[0]) as calls:
        switched = quick(pipe, callback_on_step_end=switch_off)
    assert len(calls) == 1
    assert not torch.equal(switched, quick(pipe))
    assert not torch.equal(switched, quick(pipe, ip_adapter_scale=0.0))


def test_nothing_of_a_call_stays_behind():
    pipe = shared()
    alone = quick(pipe)

    def fail(*_: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick(pipe, image_embeds=tiny_sdxl.face("bob"), control_mask=tiny_sdxl.mask(), callback_on_step_end=fail)
    assert pipe.identity_net.face_tokens == ()
    assert pipe.identity_net.region is pipe.cross_attention_kwargs is None
    assert torch.equal(quick(pipe), alone)


def test_unloading_leaves_no_trace():
    pipe = build()
    loaded = quick(pipe)
    pipe.unload_ip_adapter()
    with pytest.raises(WeightsMissing):
        quick(pipe)
    stock: Any = StableDiffusionXLControlNetPipeline(**tiny_sdxl.components())
    assert pipe.unet.state_dict().keys() == stock.unet.state_dict().keys()
    assert pipe.unet.config == stock.unet.config
    kinds = [{name: type(each) for name, each in unet.attn_processors.items()} for unet in (pipe.unet, stock.unet)]
    assert kinds[0] == kinds[1]
    arguments = {"sample": tiny_sdxl.noise("x", 1, 4, 8, 8), "timestep": 3, "return_dict": False}
    arguments["encoder_hidden_states"] = tiny_sdxl.noise("text", 1, 77, tiny_sdxl.DIM)
    arguments["added_cond_kwargs"] = {"text_embeds": torch.ones(1, tiny_sdxl.POOLED), "time_ids": torch.ones(1, 6)}
    with torch.no_grad():
        assert torch.equal(pipe.unet(**arguments)[0], stock.unet(**arguments)[0])
    load_adapter(pipe)
    assert torch.equal(quick(pipe), loaded)


def lora() -> dict[str, torch.Tensor]:
    """Rank 2 on the text's queries and keys, beside which the face's keys stand."""
    weights = {}
    for layer, size in (("to_q", 32), ("to_k", tiny_sdxl.DIM)):
        name = f"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.{layer}"
        weights[f"{name}.lora_A.weight"] = tiny_sdxl.noise(f"{layer}.A", 2, size)
        weights[f"{name}.lora_B.weight"] = tiny_sdxl.noise(f"{layer}.B", 32, 2)
    return weights


def test_a_lora_comes_and_goes_beside_the_face():
    pipe = build()
    before = quick(pipe)
    pipe.load_lora_weights(lora(), adapter_name="look")
    with_lora = quick(pipe)
    assert relative_error(with_lora, before) > 1e-3
    assert relative_error(quick(pipe, image_embeds=tiny_sdxl.face("bob")), with_lora) > 0.01
    pipe.unload_lora_weights()
    assert torch.equal(quick(pipe), before)


def test_fused_projections_never_drop_the_face():
    pipe = build()
    before = quick(pipe)
    with pytest.raises(InstantIDError, match="face"):
        pipe.fuse_qkv_projections()
    with pytest.raises(ValueError, match="added KV"):
        pipe.unet.fuse_qkv_projections()
    pipe.fuse_qkv_projections(unet=False)
    assert torch.equal(quick(pipe), before)
    pipe.unload_ip_adapter()
    pipe.fuse_qkv_projections(vae=False)


def test_offloading_changes_nothing():
    """It walks through every hook on the CPU too; that memory is saved can only be seen on a GPU."""
    pipe = build()
    before = quick(pipe)
    pipe.enable_model_cpu_offload(device="cpu")
    for _ in range(2):
        assert torch.equal(quick(pipe), before)


def test_under_sequential_offload_the_face_goes_where_the_resampler_will_be():
    """Accelerate cannot run this mode on a CPU; what the pipeline asks of it can be checked."""
    pipe = build()
    pipe.enable_sequential_cpu_offload(device="cpu")
    assert pipe.image_proj_model.latents.is_meta
    assert get_module_execution_device(pipe.image_proj_model) == torch.device("cpu:0")


def test_offloading_keeps_identity_net_beside_the_unet():
    pipe = build()
    pipe.enable_model_cpu_offload(device="cpu")
    assert pipe.vae._hf_hook.prev_module_hook.model is pipe.unet
    assert pipe.controlnet._hf_hook.prev_module_hook is None, "it would travel at every step"
    assert pipe.unet._hf_hook.prev_module_hook is None


def test_moving_the_pipeline_moves_the_resampler():
    pipe, start = build(), tiny_sdxl.noise("start", 1, 4, 8, 8)
    single = quick(pipe, latents=start)
    pipe.to(torch.float64)
    assert pipe.image_proj_model.latents.dtype == torch.float64
    prompt = {key: value.double() for key, value in tiny_sdxl.prompt().items()}
    double = quick(pipe, latents=start.double(), **prompt)
    assert double.dtype == torch.float64
    assert relative_error(double, single) < 1e-4
