"""The recogniser of a face pack alone: a second opinion on a face whose keypoints are known already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from insightface.model_zoo import get_model
from PIL import Image

from errors import WeightsMissing
from face.analyzer import embedding
from face.pack import CURE, find_pack


class Recogniser:
    """Embeddings of faces at given keypoints, by the recogniser of any insightface pack; its detector is not needed.

    Args:
        pack: folder of the pack.
        providers: onnxruntime execution providers, in order of preference.

    Raises WeightsMissing when there is no pack or no recogniser in it.
    """

    def __init__(self, pack: Path, providers: Sequence[str] = ("CPUExecutionProvider",)) -> None:
        folder = find_pack(Path(pack))
        for file in sorted(folder.glob("*.onnx")):
            model: Any = get_model(str(file), providers=list(providers))
            if model is not None and model.taskname == "recognition":
                self._model = model
                return
        raise WeightsMissing(f"The face pack at {folder} has no model for recognition.", field=str(folder), cure=CURE)

    def embed(self, image: Image.Image, keypoints: np.ndarray) -> np.ndarray:
        """(512,) float32, raw, of the face of a picture (RGB) with these keypoints, (5, 2) x, y px."""
        return embedding(self._model, np.asarray(image.convert("RGB")), keypoints)
