import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention, IPAdapterAttnProcessor2_0
from PIL import Image

from ip_adapter.attention import AddedFaceAttention, FaceProjection, FaceRegion, load_face
from ip_adapter.checkpoint import adapter_shapes
from tests import tiny_sdxl

CHANNELS, HEADS = 32, 2


def attention(processor_class, scale: float = 0.6) -> Attention:
    layer = Attention(CHANNELS, cross_attention_dim=tiny_sdxl.DIM, heads=HEADS, dim_head=CHANNELS // HEADS)
    layer.set_processor(processor_class(CHANNELS, tiny_sdxl.DIM, num_tokens=(tiny_sdxl.TOKENS,), scale=scale))
    return tiny_sdxl.fill(layer, "attention")


def look(layer: Attention, face: torch.Tensor, **extras) -> torch.Tensor:
    queries = tiny_sdxl.noise("queries", 2, 48, CHANNELS)
    text = tiny_sdxl.noise("text", 2, 77, tiny_sdxl.DIM)
    with torch.no_grad():
        return layer(queries, encoder_hidden_states=(text, [face]), **extras)


FACE = tiny_sdxl.noise("face", 2, tiny_sdxl.TOKENS, tiny_sdxl.DIM)


@pytest.mark.parametrize("scale", [0.0, 0.6, 1.5])
@pytest.mark.parametrize("masked", [False, True])
def test_the_sum_is_diffusers_own(scale: float, masked: bool):
    mask = {"attention_mask": tiny_sdxl.noise("mask", 2, 1, 77)} if masked else {}
    ours = look(attention(AddedFaceAttention, scale), FACE, **mask)
    theirs = look(attention(IPAdapterAttnProcessor2_0, scale), FACE[:, None], **mask)
    assert torch.equal(ours, theirs)


class Unskipped(float):
    """A number that claims to differ from every other."""

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = float.__hash__


def test_scale_0_skips_the_face_exactly():
    layer = attention(AddedFaceAttention, 0.0)
    calls = []
    layer.processor.to_k_ip[0].register_forward_hook(lambda *_: calls.append(1))
    skipped = look(layer, FACE)
    assert not calls
    layer.processor.scale = [Unskipped(0.0)]
    assert torch.equal(look(layer, FACE), skipped)
    assert calls


def test_a_region_bounds_the_face():
    mask = torch.zeros(64, 48)
    mask[:32] = 1
    region = FaceRegion(mask)
    region.latent_size = (8, 6)
    layer = attention(AddedFaceAttention)
    bounded, whole = look(layer, FACE, ip_adapter_masks=region), look(layer, FACE)
    layer.processor.scale = [0.0]
    without = look(layer, FACE)
    assert torch.equal(bounded[:, :24], whole[:, :24])
    assert torch.equal(bounded[:, 24:], without[:, 24:])


@pytest.mark.parametrize("size", [(64, 64), (128, 64), (1024, 768)])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_at_multiples_of_64_the_region_is_the_official_one(size: tuple[int, int], level: int):
    """The official rules: queries by scale_factor = sqrt(queries / pixels), nearest; residuals to h // 8, bilinear."""
    height, width = size
    mask = torch.from_numpy(np.asarray(tiny_sdxl.mask((width, height)))[..., 0] / 255.0).float()
    region = FaceRegion(mask)
    region.latent_size = (height // 8, width // 8)
    rows, columns = height // 8 >> level, width // 8 >> level
    ratio = (height * width / (rows * columns)) ** 0.5
    nearest = F.interpolate(mask[None, None], scale_factor=1 / ratio, mode="nearest").reshape(1, -1, 1)
    assert torch.equal(region.over_queries(torch.empty(1, rows * columns, 4)), nearest)
    bilinear = F.interpolate(mask[None, None], (rows, columns), mode="bilinear")
    assert torch.equal(region.over_map(torch.empty(1, 4, rows, columns)), bilinear)


@pytest.mark.parametrize("latents", [(90, 160), (9, 13), (33, 31), (1, 7)])
def test_every_map_of_a_unet_finds_its_mask(latents: tuple[int, int]):
    columns = torch.arange(latents[1] * 8) < latents[1] * 4
    region = FaceRegion(columns.float().expand(latents[0] * 8, -1))
    region.latent_size = latents
    height, width = latents
    for _ in range(3):
        over = region.over_queries(torch.empty(2, height * width, 4)).reshape(height, width)
        assert torch.equal(over, over[:1].expand(height, -1)), "rows of the mask are rows of the map"
        assert over[0, 0] == 1 and (over[0, -1] == 0 or width == 1)
        height, width = -(-height // 2), -(-width // 2)


@pytest.mark.parametrize(
    "convert",
    [
        lambda picture: picture,
        lambda picture: picture.convert("L"),
        np.asarray,
        lambda picture: np.asarray(picture)[..., 0],
        lambda picture: np.asarray(picture)[..., 0] / 255.0,
        lambda picture: torch.from_numpy(np.asarray(picture)[..., 0] / 255.0),
        lambda picture: torch.from_numpy(np.asarray(picture)[..., 0] / 255.0)[None, None],
    ],
)
def test_a_mask_may_come_in_any_form(convert):
    picture: Image.Image = tiny_sdxl.mask()
    features = torch.empty(1, 4, 8, 8)
    assert torch.equal(FaceRegion(convert(picture)).over_map(features), FaceRegion(picture).over_map(features))


def test_loading_puts_the_face_into_every_cross_attention_and_nowhere_else():
    unet = tiny_sdxl.unet()
    load_face(unet, tiny_sdxl.adapter_state(adapter_shapes(unet, width=tiny_sdxl.WIDTH)))
    assert isinstance(unet.encoder_hid_proj, FaceProjection)
    for name, processor in unet.attn_processors.items():
        assert isinstance(processor, AddedFaceAttention) == name.endswith("attn2.processor"), name


def test_fusing_the_projections_is_refused_by_diffusers_itself():
    unet = tiny_sdxl.unet()
    load_face(unet, tiny_sdxl.adapter_state(adapter_shapes(unet, width=tiny_sdxl.WIDTH)))
    before = dict(unet.attn_processors)
    with pytest.raises(ValueError, match="added KV projections"):
        unet.fuse_qkv_projections()
    assert unet.attn_processors == before
