import math
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel

from errors import WeightsCorrupt, WeightsMissing
from ip_adapter.attention import load_face
from ip_adapter.checkpoint import (
    adapter_shapes,
    check_adapter_state,
    find_adapter,
    load_adapter_state,
    save_adapter,
)
from ip_adapter.identity_net import IdentityNet
from tests import tiny_sdxl

SDXL = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


@pytest.fixture(scope="module")
def sdxl_unet():
    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=128, up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), **SDXL
        )


@pytest.fixture
def unet():
    return tiny_sdxl.unet()


@pytest.fixture
def state(unet):
    return tiny_sdxl.adapter_state(adapter_shapes(unet, width=tiny_sdxl.WIDTH))


def test_the_published_table(sdxl_unet):
    shapes = adapter_shapes(sdxl_unet)
    assert len(shapes["image_proj"]) == 51
    assert shapes["image_proj"]["latents"] == (1, 16, 1280)
    assert shapes["image_proj"]["proj_in.weight"] == (1280, 512)
    assert shapes["image_proj"]["proj_out.weight"] == (2048, 1280)
    assert shapes["image_proj"]["layers.3.0.to_kv.weight"] == (2560, 1280)
    assert shapes["image_proj"]["layers.0.1.3.weight"] == (1280, 5120)

    hidden = {number: size for first, last, size in BLOCKS for number in range(first, last + 1, 2)}
    wanted = {f"{number}.to_{each}_ip.weight": (size, 2048) for number, size in hidden.items() for each in "kv"}
    assert shapes["ip_adapter"] == wanted
    assert len(wanted) == 140

    numbers = sum(math.prod(shape) for group in shapes.values() for shape in group.values())
    assert numbers * 4 == 1_691_063_296


BLOCKS = [(1, 7, 640), (9, 47, 1280), (49, 107, 1280), (109, 119, 640), (121, 139, 1280)]


def test_a_file_of_the_published_shape_loads(sdxl_unet):
    shapes = adapter_shapes(sdxl_unet)
    with torch.device("meta"):
        state = {group: {key: torch.empty(shape) for key, shape in table.items()} for group, table in shapes.items()}
        check_adapter_state(state, sdxl_unet, embedding_dim=512, tokens=16)
        load_face(sdxl_unet, state)
    assert sum("Face" in type(each).__name__ for each in sdxl_unet.attn_processors.values()) == 70
    assert adapter_shapes(sdxl_unet) == shapes, "the table must not depend on an adapter being loaded"


def test_the_published_identity_net_is_a_plain_sdxl_controlnet():
    with torch.device("meta"):
        net = IdentityNet.from_config(SDXL | {"conditioning_embedding_out_channels": (16, 32, 96, 256)})
    numbers = sum(parameter.numel() for parameter in net.parameters())
    header = 2_502_139_136 - numbers * 2
    assert 0 < header < 200_000, "fp16 weights and a safetensors header make up the published file"


@pytest.mark.parametrize("name", ["ip-adapter.bin", "ip-adapter.safetensors"])
def test_what_is_written_is_read_back(tmp_path: Path, state, unet, name: str):
    save_adapter(state, tmp_path / name)
    again = load_adapter_state(tmp_path / name)
    check_adapter_state(again, unet, embedding_dim=512, tokens=16)
    assert all(torch.equal(again[group][key], tensor) for group in state for key, tensor in state[group].items())
    assert {group: set(table) for group, table in again.items()} == {
        group: set(table) for group, table in state.items()
    }


def test_both_formats_are_diffusers_own(tmp_path: Path, state):
    save_adapter(state, tmp_path / "a.safetensors")
    pipe = _stock_pipeline()
    pipe.load_ip_adapter(
        str(tmp_path), subfolder=None, weight_name="a.safetensors", image_encoder_folder=None, low_cpu_mem_usage=False
    )
    unet = tiny_sdxl.unet()
    load_face(unet, state)
    theirs, ours = pipe.unet.state_dict(), unet.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[key], ours[key]) for key in ours)


def _stock_pipeline():
    from diffusers import StableDiffusionXLControlNetPipeline

    return StableDiffusionXLControlNetPipeline(**tiny_sdxl.components())


class Canary:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.parametrize("name", ["ip-adapter.bin", "ip-adapter.safetensors"])
def test_code_in_a_file_is_refused_and_never_runs(tmp_path: Path, state, name: str):
    canary = tmp_path / "ran"
    torch.save(state | {"extra": Canary(canary)}, tmp_path / name)
    with pytest.raises(WeightsCorrupt, match="ip-adapter"):
        load_adapter_state(tmp_path / name)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["ip-adapter.bin", "ip-adapter.safetensors"])
@pytest.mark.parametrize("kept", [0, 7, 5000])
def test_a_file_cut_short_is_corrupt(tmp_path: Path, state, name: str, kept: int):
    save_adapter(state, tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:kept])
    with pytest.raises(WeightsCorrupt, match="ip-adapter"):
        load_adapter_state(tmp_path / name)


def test_a_file_in_torchs_older_format_is_read(tmp_path: Path, state):
    torch.save(state, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    read = load_adapter_state(tmp_path / "old.bin")
    for group, tensors in state.items():
        assert set(read[group]) == set(tensors)
        assert all(torch.equal(read[group][name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("content", [[1, 2], {"image_proj": {}}, {"image_proj": {}, "ip_adapter": {"1": 2}}, 3])
def test_a_pickle_of_something_else_is_corrupt(tmp_path: Path, content):
    torch.save(content, tmp_path / "x.bin")
    with pytest.raises(WeightsCorrupt):
        load_adapter_state(tmp_path / "x.bin")


def test_what_is_wrong_is_named_and_counted(state, unet):
    for number in (1, 3, 5, 7):
        del state["ip_adapter"][f"{number}.to_k_ip.weight"]
    state["ip_adapter"]["140.to_k_ip.weight"] = torch.zeros(1)
    state["image_proj"]["norm_out.bias"] = torch.zeros(3)
    with pytest.raises(WeightsCorrupt) as caught:
        check_adapter_state(state, unet)
    message = str(caught.value)
    assert "4 missing (ip_adapter.1.to_k_ip.weight, ip_adapter.3.to_k_ip.weight" in message
    assert "1 unexpected (ip_adapter.140.to_k_ip.weight)" in message
    assert "1 of a wrong shape (image_proj.norm_out.bias (3,) for (64,))" in message


def test_what_the_loader_would_take_silently_is_refused(unet):
    deeper = tiny_sdxl.adapter_state(adapter_shapes(unet, width=tiny_sdxl.WIDTH))
    deeper["image_proj"] |= {
        key.replace("layers.3", "layers.4"): value
        for key, value in deeper["image_proj"].items()
        if key.startswith("layers.3")
    }
    with pytest.raises(WeightsCorrupt, match="11 unexpected"):
        check_adapter_state(deeper, unet)
    narrow = tiny_sdxl.adapter_state(adapter_shapes(unet, width=96))
    with pytest.raises(WeightsCorrupt, match="no multiple of 64"):
        check_adapter_state(narrow, unet)


@pytest.mark.parametrize("expected", [{"embedding_dim": 256}, {"tokens": 4}])
def test_what_the_caller_counts_on_is_checked(state, unet, expected):
    with pytest.raises(WeightsCorrupt, match="wrong shape"):
        check_adapter_state(state, unet, **expected)


def test_an_empty_file_is_all_missing(unet):
    with pytest.raises(WeightsCorrupt, match=r"85 missing"):
        check_adapter_state({"image_proj": {}, "ip_adapter": {}}, unet)


def test_where_an_adapter_is_found(tmp_path: Path, state):
    with pytest.raises(WeightsMissing):
        find_adapter(tmp_path)
    save_adapter(state, tmp_path / "ip-adapter.bin")
    assert find_adapter(tmp_path) == tmp_path / "ip-adapter.bin"
    assert find_adapter(str(tmp_path / "ip-adapter.bin")) == tmp_path / "ip-adapter.bin"
    save_adapter(state, tmp_path / "ip-adapter.safetensors")
    assert find_adapter(tmp_path) == tmp_path / "ip-adapter.safetensors"
    with pytest.raises(WeightsMissing):
        find_adapter("checkpoints/ip-adapter.bin")


def test_a_repository_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsMissing, match="InstantX/Nowhere"):
        find_adapter("InstantX/Nowhere")


def test_identity_net_and_controlnet_read_each_others_folders(tmp_path: Path):
    controlnet = tiny_sdxl.controlnet()
    controlnet.save_pretrained(tmp_path / "plain")
    net = IdentityNet.from_pretrained(tmp_path / "plain")
    net.save_pretrained(tmp_path / "ours")
    again = ControlNetModel.from_pretrained(tmp_path / "ours")
    assert all(torch.equal(again.state_dict()[key], value) for key, value in controlnet.state_dict().items())
