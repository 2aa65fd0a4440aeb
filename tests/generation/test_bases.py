"""A base of one's own: SDXL is taken, everything else is named for what it is."""

import json
import shutil

import pytest
from diffusers import StableDiffusionXLPipeline

from errors import RequestError, WeightsMissing
from generation.bases import with_base
from generation.checkpoints import check_sdxl, kind_of, lora_base, noise_schedule, shapes_in
from generation.loading import fingerprint
from tests.sdxl_published import checkpoint, write
from weights.published import SDXL_LAYOUT, VAE_FP16_FIX, sdxl_layout
from weights.registry import PROFILES
from weights.store import Store

UNET = "model.diffusion_model."
CROSS = f"{UNET}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"
FILES = {
    "sdxl": checkpoint(),
    "inpainting": {CROSS: (4, 2048), f"{UNET}input_blocks.0.0.weight": (4, 9, 3, 3), "conditioner.embedders.0.x": (1,)},
    "refiner": {CROSS: (4, 1280), "conditioner.embedders.0.x": (1,)},
    "sd1": {f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (4, 768)},
    "sd2": {f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (4, 1024)},
    "sd3": {f"{UNET}joint_blocks.0.x": (1,)},
    "flux": {"double_blocks.0.img_attn.qkv.weight": (4, 4)},
    "lora": {"lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 8)},
    "controlnet": {"controlnet_cond_embedding.conv_in.weight": (4, 3)},
    "adapter": {"image_proj.latents": (1, 16, 8)},
    "vae": {"decoder.up.0.block.0.conv1.weight": (4, 4)},
    "unet": {CROSS: (4, 2048)},
    "unknown": {"weight": (2,)},
}


def table(words, length=0):
    return max(length, len(words)).to_bytes(8, "little") + words.encode().ljust(length)


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file_is_known_for_what_it_is(kind, tmp_path):
    assert kind_of(FILES[kind]) == kind
    path = write(tmp_path / "mine.safetensors", FILES[kind])
    if kind == "sdxl":
        check_sdxl(path)
        return
    with pytest.raises(RequestError) as told:
        check_sdxl(path)
    assert told.value.field == "base"
    assert "mine.safetensors" in told.value.message
    assert str(tmp_path) not in str(told.value)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("mine.ckpt", b"PK\x03\x04" + b"\0" * 50, "pickle"),
        ("mine.safetensors", b"\x80\x04K\x01.", "pickle"),
        ("mine.safetensors", b"", "no safetensors"),
        ("mine.safetensors", b"\xff" * 40, "no safetensors"),
        ("mine.safetensors", b"\x05\0\0\0\0\0\0\0[1,2]", "no safetensors"),
        ("mine.safetensors", (200_000).to_bytes(8, "little") + b"[" * 200_000, "no safetensors"),
        ("mine.safetensors", table('{"x": {"shape": [1e999], "data_offsets": [0, 0]}}'), "no safetensors"),
        ("mine.safetensors", table('{"x": {"shape": [9], "data_offsets": [0, 36]}}'), "cut short"),
        ("mine.txt", b"hello, world", "no safetensors"),
    ],
)
def test_what_is_no_table_of_tensors_is_refused_unopened(name, content, word, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError) as told:
        check_sdxl(tmp_path / name)
    assert word in told.value.message
    assert told.value.cure


@pytest.mark.parametrize("begins", [b"PK", b"\x80\x02", b"\x80\x04"])
def test_a_table_whose_length_begins_like_a_pickle_is_read(begins, tmp_path):
    path = tmp_path / "mine.safetensors"
    words = '{"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
    path.write_bytes(table(words, int.from_bytes(begins, "little")) + bytes(4))
    assert shapes_in(path, "base") == {"x": (1,)}
    with pytest.raises(RequestError, match=r"no safetensors|pickle"):
        shapes_in(path, "base", largest=100)


def test_a_file_takes_the_place_of_the_base(tmp_path):
    path = write(tmp_path / "mine.safetensors", FILES["sdxl"])
    profile = with_base(PROFILES["realvisxl"], str(path), "own", Store(tmp_path, offline=True))
    assert profile.checkpoint == path
    assert profile.name == "mine"
    assert profile.base.weight is SDXL_LAYOUT
    assert profile.vae is None
    assert profile.identity_net == PROFILES["realvisxl"].identity_net
    assert not any(file.path.endswith(".safetensors") for file in SDXL_LAYOUT.files)
    assert len(fingerprint(profile, Store(tmp_path))["mine"]) == 12


@pytest.mark.parametrize(
    ("begins", "count", "word"),
    [
        (f"{UNET}output_blocks.5.", 1, "lacks 1 of the 1,680 tensors of SDXL's UNet"),
        ("conditioner.embedders.0.", 197, "lacks 196 of the 196 tensors of SDXL's first text encoder"),
        ("conditioner.embedders.1.model.transformer.resblocks.31.", 12, "lacks 12 of the 389"),
        ("first_stage_model.", 248, "lacks 248 of the 248 tensors of SDXL's VAE"),
    ],
)
def test_a_checkpoint_that_lacks_tensors_is_told_how_many_and_of_what(tmp_path, begins, count, word):
    gone = [name for name in FILES["sdxl"] if name.startswith(begins)][:count]
    assert len(gone) == count
    path = write(
        tmp_path / "mine.safetensors", {name: FILES["sdxl"][name] for name in FILES["sdxl"] if name not in gone}
    )
    with pytest.raises(RequestError, match=word) as told:
        with_base(PROFILES["sdxl"], str(path), "own", Store(tmp_path, offline=True))
    assert told.value.field == "base"
    assert told.value.cure
    if begins.startswith("first_stage"):
        assert "--vae" in told.value.cure
        assert with_base(PROFILES["sdxl"], str(path), None, Store(tmp_path, offline=True)).checkpoint == path


def test_a_checkpoint_says_that_it_predicts_velocity(tmp_path):
    path = write(tmp_path / "mine.safetensors", FILES["sdxl"])
    assert noise_schedule(path) == {}
    write(path, {**FILES["sdxl"], "v_pred": (0,)})
    assert noise_schedule(path) == {"prediction_type": "v_prediction"}
    write(path, {**FILES["sdxl"], "v_pred": (0,), "ztsnr": (0,)})
    assert noise_schedule(path) == {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}


def test_a_base_beside_the_miniature_means_the_photographic_weights(tmp_path):
    path = write(tmp_path / "mine.safetensors", FILES["sdxl"])
    profile = with_base(PROFILES["miniature"], str(path), None, Store(tmp_path, offline=True))
    assert profile.identity_net == PROFILES["sdxl"].identity_net
    assert profile.vae == PROFILES["sdxl"].vae
    assert profile.vae.weight is VAE_FP16_FIX


def repository(models_dir, pipeline="StableDiffusionXLPipeline", width=2048, channels=4, more=None):
    """A repository as the models directory keeps it, with empty weights."""
    home = models_dir / "hub" / "owner" / "base"
    for file in sdxl_layout("fp16"):
        (home / file.path).parent.mkdir(parents=True, exist_ok=True)
        (home / file.path).write_text("{}")
    (home / "model_index.json").write_text(json.dumps({"_class_name": pipeline} | (more or {})))
    (home / "unet" / "config.json").write_text(json.dumps({"cross_attention_dim": width, "in_channels": channels}))


def test_a_repository_takes_the_place_of_the_base(tmp_path):
    repository(tmp_path)
    profile = with_base(PROFILES["sdxl"], "owner/base", None, Store(tmp_path, offline=True))
    assert (profile.name, profile.base.weight.repo, profile.base.weight.variant) == ("base", "owner/base", "fp16")


@pytest.mark.parametrize(
    ("about", "word"),
    [
        ({"pipeline": "StableDiffusionPipeline"}, "1.5"),
        ({"pipeline": "FluxPipeline"}, "FLUX"),
        ({"pipeline": "KolorsPipeline"}, "another family"),
        ({"width": 1280}, "refiner"),
        ({"channels": 9}, "inpainting"),
    ],
)
def test_a_repository_of_another_family_is_refused(tmp_path, about, word):
    repository(tmp_path, **about)
    with pytest.raises(RequestError) as told:
        with_base(PROFILES["sdxl"], "owner/base", None, Store(tmp_path, offline=True))
    assert told.value.field == "base"
    assert word in told.value.message


@pytest.mark.parametrize("source", [["evil", "Evil"], ["subprocess", "Popen"], [["diffusers"], "UNet"], []])
def test_a_repository_with_code_of_its_own_is_refused_and_its_code_never_runs(tmp_path, monkeypatch, source):
    repository(tmp_path, more={"unet": source})
    plant(tmp_path / "hub" / "owner" / "base", tmp_path / "ran")
    monkeypatch.syspath_prepend(tmp_path / "hub" / "owner" / "base")
    with pytest.raises(RequestError, match="code of its own for its unet") as told:
        with_base(PROFILES["sdxl"], "owner/base", None, Store(tmp_path, offline=True))
    assert told.value.field == "base"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "\xff"])
def test_a_repository_whose_index_is_rubbish_is_refused(tmp_path, text):
    repository(tmp_path)
    (tmp_path / "hub" / "owner" / "base" / "model_index.json").write_text(text, "latin-1")
    with pytest.raises(RequestError, match=r"model_index\.json"):
        with_base(PROFILES["sdxl"], "owner/base", None, Store(tmp_path, offline=True))


@pytest.mark.parametrize("source", [["evil", "Evil"], ["pipeline", "Evil"]])
def test_weights_that_name_code_beside_them_do_not_run_it(tmp_path, monkeypatch, source):
    """What is pinned cannot be such a folder; were it one, diffusers is never told to trust what lies in it."""
    home = shutil.copytree(PROFILES["miniature"].base.weight.folder / "base", tmp_path / "base")
    index = json.loads((home / "model_index.json").read_text())
    (home / "model_index.json").write_text(json.dumps(index | {"unet": source}))
    plant(home, tmp_path / "ran")
    monkeypatch.syspath_prepend(home)
    with pytest.raises(ValueError, match=r"remote code|not one of the libraries"):
        StableDiffusionXLPipeline.from_pretrained(home, local_files_only=True, use_safetensors=True)
    assert not (tmp_path / "ran").exists()


def plant(home, canary):
    """Lays code into every place of a repository from which a library might take it."""
    for place in ("evil.py", "pipeline.py", "unet/evil.py", "unet/pipeline.py"):
        (home / place).write_text(f"import pathlib\npathlib.Path({str(canary)!r}).touch()\nclass Evil: pass\n")


def test_a_repository_that_is_not_here_is_told(tmp_path):
    with pytest.raises(WeightsMissing) as told:
        with_base(PROFILES["sdxl"], "owner/nothing", None, Store(tmp_path, offline=True))
    assert told.value.field == "base"


@pytest.mark.parametrize(
    ("profile", "base", "vae", "field"),
    [
        ("sdxl", "../somewhere/else", None, "base"),
        ("sdxl", "mine.safetensors", None, "base"),
        ("sdxl", None, "no such", "vae"),
        ("miniature", None, "own", "vae"),
    ],
)
def test_a_name_without_meaning_is_refused(tmp_path, profile, base, vae, field):
    with pytest.raises(RequestError) as told:
        with_base(PROFILES[profile], base, vae, Store(tmp_path, offline=True))
    assert told.value.field == field


@pytest.mark.parametrize(
    ("shapes", "base"),
    [
        ({"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (4, 2048)}, "SDXL"),
        ({"lora_unet_down_blocks_0_attentions_0_attn2_to_v.lora_down.weight": (4, 768)}, "Stable Diffusion 1.5"),
        ({"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (4, 8)}, "FLUX"),
        ({"unet.mid_block.attentions.0.proj_in.lora_A.weight": (4, 64)}, None),
    ],
)
def test_a_lora_says_what_base_it_is_for(shapes, base):
    assert lora_base(shapes) == base
