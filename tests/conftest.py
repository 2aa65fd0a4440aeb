"""A whole InstantID in miniature format with random weights, and faces that need no model to be found."""

import hashlib

import numpy as np
import pytest
from PIL import Image


class SteadyAnalyzer:
    """Finds one face in every picture, in the middle, with an embedding that depends on the pixels alone."""

    def __init__(self) -> None:
        self.blind = False

    def find(self, image):
        from face.face import Face

        if self.blind:
            return []
        width, height = image.size
        digest = hashlib.sha256(np.asarray(image).tobytes()).digest()
        embedding = np.random.default_rng(list(digest)).standard_normal(512).astype(np.float32)
        points = np.array([[0.4, 0.4], [0.6, 0.4], [0.5, 0.5], [0.42, 0.62], [0.58, 0.62]], np.float32)
        return [
            Face(
                embedding=embedding,
                keypoints=points * np.array([width, height], np.float32),
                box=np.array([0.3, 0.25, 0.7, 0.75], np.float32) * np.array([width, height] * 2, np.float32),
                det_score=0.9,
                size=(width, height),
            )
        ]

    def faces(self, image, *, field="photo"):
        from errors import NoFaceFound

        found = self.find(image)
        if not found:
            raise NoFaceFound("No face was found.", field=field)
        return found


def _tokenizer():
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=77)


def _text_encoder(with_projection: bool, tokenizer):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=3,
        projection_dim=32,
        max_position_embeddings=77,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if with_projection else CLIPTextModel)(config).eval()


def tiny_pipeline():
    """StableDiffusionXLInstantIDPipeline with text encoders and adapter, weights of no meaning; 64 px pictures."""
    from ip_adapter.attention import load_face
    from ip_adapter.checkpoint import adapter_shapes
    from pipeline_instantid import StableDiffusionXLInstantIDPipeline
    from tests import tiny_sdxl

    tokenizer = _tokenizer()
    pipeline = StableDiffusionXLInstantIDPipeline(
        **{
            **tiny_sdxl.components(),
            "text_encoder": tiny_sdxl.fill(_text_encoder(False, tokenizer), "text_encoder"),
            "text_encoder_2": tiny_sdxl.fill(_text_encoder(True, tokenizer), "text_encoder_2"),
            "tokenizer": tokenizer,
            "tokenizer_2": tokenizer,
        }
    )
    state = tiny_sdxl.adapter_state(adapter_shapes(pipeline.unet, width=tiny_sdxl.WIDTH))
    load_face(pipeline.unet, state)
    return pipeline


@pytest.fixture(scope="session")
def tiny_profile():
    from dataclasses import replace

    from weights.registry import PROFILES

    return replace(
        PROFILES["miniature"],
        name="tiny",
        size=(64, 64),
        sizes=(("Square", 64, 64),),
        size_step=16,
        min_side=48,
        steps=3,
        guidance=3.0,
        keypoint_base_side=64,
    )


@pytest.fixture(scope="session")
def shared_engine(tiny_profile):
    """One engine for the whole session: whatever a test leaves behind in it, another test sees."""
    from generation.engine import Engine

    return Engine(tiny_pipeline(), SteadyAnalyzer(), tiny_profile)


@pytest.fixture
def engine(shared_engine):
    shared_engine.analyzer.blind = False
    return shared_engine


@pytest.fixture
def photo():
    """A picture of noise: what SteadyAnalyzer takes for a face."""
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (80, 80, 3), np.uint8))
