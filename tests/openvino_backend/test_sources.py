"""Where networks come from: a single file gives what a folder gives, and a LoRA is part of what is exported."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from errors import RequestError
from face.photo import open_photo
from generation.compiled import sources_of
from generation.loading import load_engine
from generation.request import GenerationRequest, Lora
from generation.settings import Settings
from openvino_backend.export import export
from openvino_backend.manifest import Manifest
from openvino_backend.sources import TEXT, load_text_encoder, load_unet, load_vae
from tests.openvino_backend.single_file import write_single_file
from weights.registry import ASSETS, PROFILES
from weights.store import Store

MINIATURE = PROFILES["miniature"]
LOOK = ("miniature-cyanotype", 0.8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The miniature's base with a second text encoder of another width, by which SDXL's two are told apart."""
    base = tmp_path_factory.mktemp("base")
    shutil.copytree(sources_of(MINIATURE, Store()).base, base, dirs_exist_ok=True)
    config = CLIPTextConfig.from_pretrained(base / "text_encoder_2")
    config.update({"hidden_size": 48, "intermediate_size": 64, "projection_dim": 48})
    torch.manual_seed(0)
    CLIPTextModelWithProjection(config).half().save_pretrained(base / "text_encoder_2")
    return replace(sources_of(MINIATURE, Store()), base=base)


@pytest.fixture(scope="module")
def file(folder, tmp_path_factory):
    checkpoint = tmp_path_factory.mktemp("file") / "whole.safetensors"
    write_single_file(folder.base, checkpoint)
    return replace(folder, checkpoint=checkpoint)


def test_a_single_file_has_the_networks_of_the_folder(folder, file):
    loaders = [load_unet, load_vae, *(lambda one, name=name: load_text_encoder(one, name) for name in TEXT)]
    for load in loaders:
        theirs, ours = load(folder).state_dict(), load(file).state_dict()
        assert theirs.keys() == ours.keys()
        assert all(torch.equal(theirs[name], ours[name]) for name in theirs)


@pytest.mark.slow
def test_a_single_file_is_exported_to_the_same_networks(miniature_export, file, tmp_path):
    theirs, ours = Manifest.read(miniature_export / "fp32"), export(file, tmp_path / "fp32", "mine", "fp32")
    assert not ours.missing()
    alike = [name for name, entry in ours.networks.items() if entry.bin == theirs.networks[name].bin]
    assert set(ours.networks) - set(alike) <= set(TEXT)  # whose numbers are compared above
    assert {source.path for source in ours.networks["vae_decoder"].sources} == {str(file.checkpoint.resolve())}


def test_a_lora_in_an_export_makes_the_picture_that_it_makes_on_torch(tmp_path):
    export(sources_of(MINIATURE, Store(), loras=(LOOK,)), tmp_path / "fp32", "miniature", "fp32")
    photo = open_photo(ASSETS / "examples/person_1.jpg")
    asked = GenerationRequest(photos=(photo,), prompt="a cyanotype of a person", seed=3, steps=6, loras=(Lora(*LOOK),))
    torches = load_engine(MINIATURE, Settings(device="cpu"))
    compiled = load_engine(MINIATURE, Settings(backend="openvino", device="CPU", exports=tmp_path))

    def made(engine, request):
        *_, result = engine.generate(request)
        return np.int16(np.asarray(result.images[0].image)), result

    theirs, _ = made(torches, asked)
    ours, result = made(compiled, asked)
    assert np.abs(theirs - ours).max() <= 1
    assert result.settings["loras"] and not any("miniature-cyanotype" in note for note in result.notes)
    plain = replace(asked, loras=())
    assert np.abs(made(torches, plain)[0] - theirs).mean() > 5  # it does something
    assert any("miniature-cyanotype" in note for note in made(compiled, plain)[1].notes)
    with pytest.raises(RequestError, match="not part of"):
        made(compiled, replace(asked, loras=(Lora(LOOK[0], 0.5),)))
