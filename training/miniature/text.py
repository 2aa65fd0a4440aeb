"""Words: a CLIP tokenizer made from the captions, and two small CLIP text encoders as SDXL has them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

TOKENS = 77
WIDTH = 64
LAYERS = 3
VOCABULARY = 1400
START, END = "<|startoftext|>", "<|endoftext|>"
_WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+|_+", re.UNICODE)


def byte_alphabet() -> list[str]:
    """The 256 printable characters that stand for bytes in byte-level BPE, in byte order."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    spare = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(spare)) for byte in range(256)]


def train_tokenizer(texts: Iterable[str], folder: Path, *, size: int = VOCABULARY) -> CLIPTokenizer:
    """Learn byte-pair merges from texts and write the files of a CLIPTokenizer into a folder.

    Any text tokenises: the alphabet holds every byte, alone and as the end of a word. Merges stop at size entries or
    when no pair occurs twice.
    """
    alphabet = byte_alphabet()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_WORD.findall(" ".join(text.lower().split())))
    words = [
        ([alphabet[byte] for byte in word.encode()[:-1]] + [alphabet[word.encode()[-1]] + "</w>"], count)
        for word, count in sorted(counts.items())
    ]
    vocabulary = [*alphabet, *(letter + "</w>" for letter in alphabet)]
    known = set(vocabulary)
    merges: list[tuple[str, str]] = []
    while len(vocabulary) + 2 < size:
        pairs: Counter[tuple[str, str]] = Counter()
        for letters, count in words:
            for pair in pairwise(letters):
                pairs[pair] += count
        if not pairs:
            break
        best, seen = min(pairs.items(), key=lambda item: (-item[1], item[0]))
        if seen < 2:
            break
        merges.append(best)
        joined = "".join(best)
        if joined not in known:
            known.add(joined)
            vocabulary.append(joined)
        for letters, _ in words:
            index = 0
            while index < len(letters) - 1:
                if (letters[index], letters[index + 1]) == best:
                    letters[index : index + 2] = [joined]
                index += 1
    folder.mkdir(parents=True, exist_ok=True)
    ids = {token: index for index, token in enumerate([*vocabulary, START, END])}
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    tokenizer = CLIPTokenizer(
        vocab=ids, merges=merges, unk_token=END, bos_token=START, eos_token=END, pad_token=END, model_max_length=TOKENS
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(folder)


def tokenised(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> np.ndarray:
    """(n, TOKENS) int64, padded and cut as the pipeline does it."""
    encoded = tokenizer(list(texts), padding="max_length", max_length=TOKENS, truncation=True, return_tensors="np")
    return np.asarray(encoded["input_ids"], dtype=np.int64)


def text_config(vocabulary: int) -> CLIPTextConfig:
    """The last two ids of the vocabulary are start and end; padding is the end token."""
    return CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        hidden_act="quick_gelu",
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )


def new_text_encoders(vocabulary: int) -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
    config = text_config(vocabulary)
    config._attn_implementation = "eager"
    return CLIPTextModel(config), CLIPTextModelWithProjection(config)


def encode(first: nn.Module, second: nn.Module, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What SDXL reads of a text.

    ids: (batch, TOKENS). Returns the penultimate states of both encoders side by side (batch, TOKENS, 2 * WIDTH) and
    the second encoder's projected end token (batch, WIDTH).
    """
    one = first(ids, output_hidden_states=True)
    two = second(ids, output_hidden_states=True)
    return torch.cat([one.hidden_states[-2], two.hidden_states[-2]], dim=-1), two.text_embeds
