"""A whole pipeline at toy size, text encoders and tokenizer included."""

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from ip_adapter.attention import load_face
from ip_adapter.checkpoint import adapter_shapes
from pipeline_instantid import StableDiffusionXLInstantIDPipeline
from tests import tiny_sdxl


def byte_tokenizer():
    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=77)


def _text_encoder(with_projection: bool, tokenizer):
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
    tokenizer = byte_tokenizer()
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
