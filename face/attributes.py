"""Gender and age as insightface's model in a face pack guesses them; most packs have it, none needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from insightface.app.common import Face as FoundFace
from insightface.model_zoo import get_model
from PIL import Image

from face.face import Face
from face.pack import find_pack

FILE = "genderage.onnx"


@dataclass(frozen=True)
class Attributes:
    """A guess. gender: "male" or "female", the only two the model was taught. age: years."""

    gender: str
    age: int


class AttributeReader:
    """insightface's gender and age model. Args: model: what its model zoo opened."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def read(self, image: Image.Image, face: Face) -> Attributes:
        """image: RGB; face: one of its faces."""
        found = FoundFace(bbox=face.box)
        bgr = np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
        gender, age = self._model.get(bgr, found)
        return Attributes("male" if int(gender) == 1 else "female", max(0, int(age)))


def open_attributes(pack: Path, providers: Sequence[str] = ("CPUExecutionProvider",)) -> AttributeReader | None:
    """The reader of a face pack, None when the pack has no such model. Raises WeightsMissing without a pack."""
    file = find_pack(Path(pack)) / FILE
    if not file.is_file():
        return None
    model: Any = get_model(str(file), providers=list(providers))
    return AttributeReader(model) if model is not None and model.taskname == "genderage" else None
