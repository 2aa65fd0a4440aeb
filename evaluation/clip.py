"""CLIP as a judge: how near a picture is to its prompt, and which of several wordings it is nearest to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from errors import WeightsCorrupt

BATCH = 8


class ClipReader:
    """Radford et al. 2021, arXiv:2103.00020, through transformers' CLIPModel, on the CPU.

    Args:
        folder: the model as transformers saves it, with its tokenizer and image processor.
        words: attribute -> option -> the wording that stands for it.

    Raises WeightsCorrupt when the folder does not hold a CLIP model.
    """

    def __init__(self, folder: Path, words: Mapping[str, Mapping[str, str]]) -> None:
        from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel

        try:
            self._model: Any = CLIPModel.from_pretrained(folder, local_files_only=True).eval()
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._processor = CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise WeightsCorrupt(
                "The CLIP model cannot be read.", field="clip", cure="Run: python cli.py download --weight clip-vit-l14"
            ) from error
        self._words = words
        self.options = {name: tuple(options) for name, options in words.items()}

    def read(self, pictures: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Probabilities (n, options) of each attribute, for pictures (height, width, 3) uint8 RGB: CLIP's own softmax
        over the wordings, `a picture of a person` put around each."""
        seen = self._pictures(pictures)
        scale = self._model.logit_scale.detach().exp().item()
        found = {}
        for name, options in self._words.items():
            told = self._texts([f"a picture of a person, {wording}" for wording in options.values()])
            found[name] = torch.from_numpy(scale * seen @ told.T).softmax(1).numpy()
        return found

    def similarity(self, pictures: Sequence[np.ndarray], prompts: Sequence[str]) -> np.ndarray:
        """(n,) cosine of each picture to its own prompt."""
        return (self._pictures(pictures) * self._texts(prompts)).sum(1)

    @torch.inference_mode()
    def _pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        parts = []
        for start in range(0, len(pictures), BATCH):
            images = [Image.fromarray(picture) for picture in pictures[start : start + BATCH]]
            pixels = self._processor(images=images, return_tensors="pt")["pixel_values"]
            states = self._model.vision_model(pixel_values=pixels).pooler_output
            parts.append(_unit(self._model.visual_projection(states)))
        return np.concatenate(parts)

    @torch.inference_mode()
    def _texts(self, texts: Sequence[str]) -> np.ndarray:
        words = self._tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        states = self._model.text_model(input_ids=words["input_ids"], attention_mask=words["attention_mask"])
        return _unit(self._model.text_projection(states.pooler_output))


def _unit(vectors: torch.Tensor) -> np.ndarray:
    return (vectors / vectors.norm(dim=1, keepdim=True)).float().numpy()
