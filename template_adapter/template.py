"""A face template: the numbers a recogniser kept of a face, with where they come from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from errors import RequestError, WrongWidth

DIMENSIONS = 512
USUAL_LENGTH = math.sqrt(DIMENSIONS)
"""Length of a raw embedding of the ArcFace family, whose last layer is a batch norm: about 1 a dimension."""

SHORTEST_RAW = 2.0
"""Below this a vector was brought to length 1, as databases and vector indexes store templates."""

LONGEST_RAW = 100.0
"""Above this a vector was multiplied, as by a store that keeps whole numbers; raw embeddings have about 20 to 30."""


@dataclass(frozen=True, eq=False)
class Template:
    """Personal data: never to be logged, never written beside a result.

    Attributes:
        embedding: (512,) float32, in the space of the recogniser that the weights were trained with.
        recogniser: whose template it was before any map, as its owner calls it; None when nobody said.
        adapter: the first 12 hexadecimal digits of the map's fingerprint, None when nothing was mapped.
    """

    embedding: np.ndarray
    recogniser: str | None = None
    adapter: str | None = None

    def provenance(self) -> dict[str, Any]:
        """What results say about where they come from; no number of the template is in it."""
        return {"recogniser": self.recogniser, "adapter": self.adapter}


def checked(values: Any, *, field: str = "template", dimensions: int = DIMENSIONS) -> np.ndarray:
    """One template as (dimensions,) float32.

    values: anything numpy reads as numbers; axes of length 1 are dropped.

    Raises RequestError for several vectors, another length (WrongWidth), something that is no number, NaN, infinity and
    zero.
    """
    cure = f"Give the {dimensions} numbers of one face."
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise RequestError("The template is no array of numbers.", field=field, cure=cure) from error
    if array.dtype.kind not in "fiu":
        raise RequestError("The template is no array of numbers.", field=field, cure=cure)
    vector = array.reshape([side for side in array.shape if side != 1] or [1])
    if vector.ndim > 1 and vector.shape[-1] == dimensions:
        raise RequestError(f"There are {array.size // dimensions} vectors, not one.", field=field, cure=cure)
    if vector.shape != (dimensions,):
        shape = " x ".join(map(str, array.shape))
        raise (WrongWidth if vector.ndim == 1 else RequestError)(
            f"The template has {shape or 'no'} numbers, not {dimensions}.", field=field, cure=cure
        )
    with np.errstate(over="ignore", invalid="ignore"):
        vector = vector.astype(np.float32)
    length = np.linalg.norm(vector.astype(np.float64))
    if not length <= np.finfo(np.float32).max:
        raise RequestError("The template holds NaN or infinite numbers.", field=field, cure=cure)
    if not length > 1e-6:
        raise RequestError("The template is zero everywhere: no face was kept in it.", field=field, cure=cure)
    return vector


def at_raw_length(vector: np.ndarray) -> tuple[np.ndarray, str | None]:
    """A vector of the length that networks are conditioned with, and a note when it had to be brought to it."""
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if SHORTEST_RAW <= length <= LONGEST_RAW:
        return vector, None
    note = f"The template had the length {length:.2g}; it was brought to {USUAL_LENGTH:.1f}, that of a raw embedding."
    return (vector.astype(np.float64) * (USUAL_LENGTH / length)).astype(np.float32), note
