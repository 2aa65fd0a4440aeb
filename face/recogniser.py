"""The recogniser of a face pack alone: a second opinion on a face whose keypoints are known already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from face.analyzer import embedding
from face.pack import open_recogniser


class Recogniser:
    """Embeddings of faces at given keypoints, by the recogniser of any insightface pack; its detector is not needed.

    Args:
        pack: folder of the pack.
        providers: onnxruntime execution providers, in order of preference.

    Raises WeightsMissing when there is no pack or no recogniser in it.
    """

    def __init__(self, pack: Path, providers: Sequence[str] = ("CPUExecutionProvider",)) -> None:
        self._model = open_recogniser(Path(pack), providers)

    def embed(self, image: Image.Image, keypoints: np.ndarray) -> np.ndarray:
        """(512,) float32, raw, of the face of a picture (RGB) with these keypoints, (5, 2) x, y px."""
        return embedding(self._model, np.asarray(image.convert("RGB")), keypoints)
