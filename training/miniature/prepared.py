"""What training reads at every step, computed once: latents, tokens, text states, landmark pictures, embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import CLIPTokenizer

from face.keypoints import draw_keypoints
from face.region import face_region
from style_presets import STYLES
from training.miniature.claims import once
from training.miniature.codec import Components
from training.miniature.dataset import Drawings
from training.miniature.face_pack import Recogniser
from training.miniature.text import encode, load_tokenizer, new_text_encoders, tokenised, train_tokenizer

KEYPOINT_BASE = 1024  # side at which the official landmark drawing is drawn
IDENTITY_CAPTIONS = 0.2  # share of captions that name the person's features while the adapter learns
REFERENCE_JITTER = 0.025  # of the distance between the eyes, as a detector would err
_FITTED = 4000
_PART = 256


def prepare_components(drawings: Drawings, path: Path, channels: int) -> Components:
    """Fit the latents' components to the first pictures."""
    components = Components.fit(np.asarray(drawings.images[:_FITTED]), channels)
    components.save(path)
    return components


def prepare_base(drawings: Drawings, components: Components, folder: Path) -> CLIPTokenizer:
    """``latents.npy``, ``tokens.npy``, ``unconditional.npy`` and, unless it is there, ``tokenizer/`` for BaseStage."""
    folder.mkdir(parents=True, exist_ok=True)
    captions = [record["captions"] + record["plain_captions"][:1] for record in drawings.records]
    negatives = [style.negative for style in STYLES.values() if style.negative]
    presets = [style.prompt.replace("{prompt}", "") for style in STYLES.values()]
    flat_captions = [text for texts in captions for text in texts]
    texts = [*flat_captions, *negatives, *presets]
    made_of = {"texts": hashlib.sha256("\n".join(texts).encode()).hexdigest()}
    once(folder / "tokenizer", made_of, lambda: train_tokenizer(texts, folder / "tokenizer"))
    tokenizer = load_tokenizer(folder / "tokenizer")
    flat = tokenised(tokenizer, flat_captions)
    np.save(folder / "tokens.npy", flat.reshape(len(captions), -1, flat.shape[1]).astype(np.uint16))
    nothing = [""] * max(1, len(negatives)) + negatives
    np.save(folder / "unconditional.npy", tokenised(tokenizer, nothing).astype(np.uint16))
    _write_latents(drawings, components, folder)
    return tokenizer


def _write_latents(drawings: Drawings, components: Components, folder: Path) -> None:
    parts = [components.encode(np.asarray(part)).astype(np.float16) for part in _parts(drawings.images)]
    np.save(folder / "latents.npy", np.concatenate(parts))


def prepare_faces(
    drawings: Drawings, references: Drawings, folder: Path, *, recogniser: Recogniser, seed: int = 0
) -> None:
    """What AdapterStage reads of faces: landmark pictures and regions of the wanted, embeddings of the given.

    references: other pictures of the same people, not trained on as pictures.
    """
    side = drawings.images.shape[1]
    landmarks = np.lib.format.open_memmap(folder / "landmarks.npy", "w+", np.uint8, drawings.images.shape)
    regions = np.lib.format.open_memmap(folder / "regions.npy", "w+", np.uint8, drawings.images.shape[:3])
    for row, keypoints in enumerate(drawings.keypoints):
        landmarks[row] = np.asarray(draw_keypoints(keypoints, (side, side), scale=side / KEYPOINT_BASE))
        regions[row] = (face_region(keypoints, (side, side)) * 255).round()
    landmarks.flush()
    regions.flush()
    np.save(folder / "keypoints.npy", drawings.keypoints)

    rng = np.random.default_rng([seed, 1])
    numbers = {int(person): number for number, person in enumerate(np.unique(drawings.people))}
    np.save(folder / "people.npy", np.array([numbers[int(person)] for person in drawings.people], np.int32))
    eyes = np.linalg.norm(references.keypoints[:, 0] - references.keypoints[:, 1], axis=1)[:, None, None]
    points = references.keypoints + rng.normal(0, REFERENCE_JITTER, references.keypoints.shape) * eyes
    np.save(folder / "embeddings.npy", recogniser.embed_faces(references.images, points.astype(np.float32)))
    owned: list[list[int]] = [[] for _ in numbers]
    for row, person in enumerate(references.people):
        if int(person) in numbers:
            owned[numbers[int(person)]].append(row)
    if not all(owned):
        raise ValueError("some people of the pictures have no reference")
    table = np.full((len(owned), max(map(len, owned))), -1, np.int32)
    for number, rows in enumerate(owned):
        table[number, : len(rows)] = rows
    np.save(folder / "references.npy", table)


@torch.inference_mode()
def prepare_texts(drawings: Drawings, tokenizer: CLIPTokenizer, base: Path, folder: Path, *, seed: int = 0) -> None:
    """What AdapterStage reads of captions: the states that the trained base's text encoders give them.

    base: safetensors of the base's weights by parameter name.
    """
    rng = np.random.default_rng([seed, 2])
    stored = load_file(base)
    first, second = new_text_encoders(len(tokenizer))
    for prefix, module in (("text_encoder.", first), ("text_encoder_2.", second)):
        module.load_state_dict({k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)})
        module.eval()
    nothing = np.load(folder / "unconditional.npy").astype(np.int64)
    captions = [
        record["captions"][0] if rng.random() < IDENTITY_CAPTIONS else text
        for record in drawings.records
        for text in record["plain_captions"][:2]
    ]
    ids = np.concatenate([nothing, tokenised(tokenizer, captions)])
    unique, inverse = np.unique(ids, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    states = [encode(first, second, torch.from_numpy(part)) for part in _parts(unique)]
    np.save(folder / "words.npy", torch.cat([words.half() for words, _ in states]).numpy())
    np.save(folder / "pooled.npy", torch.cat([pooled.half() for _, pooled in states]).numpy())
    np.save(folder / "nothing.npy", inverse[: len(nothing)].astype(np.int32))
    np.save(folder / "texts.npy", inverse[len(nothing) :].reshape(len(drawings), -1).astype(np.int32))


def _parts(array: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(array), _PART):
        yield array[start : start + _PART]
