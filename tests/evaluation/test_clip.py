"""CLIP at toy size against what transformers itself says."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

from errors import WeightsCorrupt
from evaluation.clip import ClipReader
from evaluation.photos import WORDS, photo_world
from tests.tiny_engine import byte_tokenizer

SMALL = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    text = {**SMALL, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 77}
    vision = {**SMALL, "image_size": 32, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"height": 32, "width": 32}
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pictures():
    return list(np.random.default_rng(0).integers(0, 256, (10, 48, 40, 3), np.uint8))


def test_similarity_is_that_of_the_model_itself(folder, pictures):
    prompts = [f"a person number {number}" for number in range(10)]
    found = ClipReader(folder, WORDS).similarity(pictures, prompts)
    model = CLIPModel.from_pretrained(folder).eval()
    words = byte_tokenizer()(prompts, padding=True, return_tensors="pt")
    images = [Image.fromarray(picture) for picture in pictures]
    pixels = CLIPImageProcessorPil.from_pretrained(folder)(images=images, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**words, **pixels).logits_per_image / model.logit_scale.exp()
    assert np.allclose(found, logits.diagonal().numpy(), atol=1e-5)


def test_each_attribute_is_told_among_its_options(folder, pictures):
    found = ClipReader(folder, WORDS).read(pictures)
    assert found.keys() == WORDS.keys()
    for name, chances in found.items():
        assert chances.shape == (10, len(WORDS[name]))
        assert np.allclose(chances.sum(1), 1, atol=1e-5)


def test_people_of_a_folder_are_read_by_it(folder, people):
    world = photo_world(people, 2, 5, 0, reader=ClipReader(folder, WORDS), accept=lambda photo: True)
    assert len(world.subjects) == 2
    assert len(world.gallery) == 1
    for subject in world.subjects:
        assert len(subject.photos) == 2
        assert len(subject.others) == 1
        assert subject.expression in WORDS["expression"]
        assert subject.name.startswith("person")


def test_a_damaged_model_is_told(tmp_path):
    with pytest.raises(WeightsCorrupt, match="CLIP"):
        ClipReader(tmp_path, WORDS)
