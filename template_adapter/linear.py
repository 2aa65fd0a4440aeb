"""The map itself: a matrix, perhaps a bias, and what is known of how they were found."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from errors import RequestError, WeightsCorrupt, WeightsMissing
from template_adapter.template import DIMENSIONS, Template, checked

FORMAT = "template-adapter 1"
"""The one key of the file's metadata: several would be written in an order of their own each time."""
MAX_BYTES = 2**28
CURE = "Fit it again: python cli.py template fit."


@dataclass(frozen=True)
class About:
    """How a map was found; kept in the file's metadata.

    Attributes:
        source, target: names of the two recognisers.
        method: "ols", "ridge" or "procrustes".
        unit: both sides were brought to length 1 before the fit.
        target_length: mean length of the target's vectors as they were given.
        pairs, people: what the fit saw, held-out people not counted.
        rank: of the source's vectors; condition: largest over smallest singular value of them.
        mse: mean squared error of one number, over the pairs of the fit; cosine: mean over them (or a sample).
        held_out_cosine: mean over pairs of people whom the fit did not see, None when nobody was held out.
        created: date, YYYY-MM-DD.
    """

    source: str
    target: str
    method: str = "ols"
    unit: bool = True
    target_length: float = 0.0
    pairs: int = 0
    people: int = 0
    rank: int = 0
    condition: float = 0.0
    mse: float = 0.0
    cosine: float = 0.0
    held_out_cosine: float | None = None
    created: str = ""


@dataclass(frozen=True, eq=False)
class LinearMap:
    """matrix: (source width, target width) float32; bias: (target width,) float32 or None."""

    matrix: np.ndarray
    bias: np.ndarray | None
    about: About

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits of all that `apply` goes by, by which results name the map that made them."""
        length = float(self.about.target_length) if self.about.unit else None
        digest = hashlib.sha256(json.dumps([self.matrix.shape, self.bias is None, length]).encode())
        digest.update(self.matrix.tobytes())
        digest.update(b"" if self.bias is None else self.bias.tobytes())
        return digest.hexdigest()[:12]

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (..., source width) into the target's space, (..., target width) float32.

        After a fit of unit vectors the length that comes in does not matter, and what goes out has the length that
        the target's raw embeddings have on average. Raises RequestError for another width.
        """
        vectors = np.asarray(vectors, np.float32)
        if vectors.shape[-1] != self.matrix.shape[0]:
            raise RequestError(
                f"The vectors have {vectors.shape[-1]} numbers, the adapter reads {self.matrix.shape[0]}.",
                field="input",
                cure=f"Give templates of {self.about.source}.",
            )
        mapped = (unit(vectors) if self.about.unit else vectors) @ self.matrix
        if self.bias is not None:
            mapped = mapped + self.bias
        return unit(mapped) * np.float32(self.about.target_length) if self.about.unit else mapped

    def check_for_weights(self) -> LinearMap:
        """Itself, for pictures. Raises RequestError when what comes out is not as wide as the weights' embeddings."""
        width = self.matrix.shape[1]
        if width != DIMENSIONS:
            raise RequestError(
                f"The adapter maps into a space of {width} numbers, the weights read {DIMENSIONS}.",
                field="adapter",
                cure="Fit one whose target is the weights' own recogniser.",
            )
        return self

    def map_template(self, values: Any, *, recogniser: str | None = None, field: str = "template") -> Template:
        """One template of the source as one of the target. Raises RequestError."""
        if recogniser is not None and recogniser != self.about.source:
            raise RequestError(
                f"The template is of {recogniser}, the adapter reads {self.about.source}.",
                field=field,
                cure="Take the adapter that was fitted on this recogniser.",
            )
        self.check_for_weights()
        vector = checked(values, field=field, dimensions=self.matrix.shape[0])
        return Template(self.apply(vector), self.about.source, self.fingerprint)

    def save(self, path: Path) -> None:
        """A safetensors file, whole or not at all. The same map gives the same bytes. Raises RequestError."""
        tensors = {"matrix": np.ascontiguousarray(self.matrix, np.float32)}
        if self.bias is not None:
            tensors["bias"] = np.ascontiguousarray(self.bias, np.float32)
        partial = path.with_name(f"{path.name}.partial")
        try:
            partial.write_bytes(save(tensors, metadata={FORMAT: json.dumps(asdict(self.about))}))
            partial.replace(path)
        except OSError as error:
            raise RequestError(f"{path} cannot be written.", field="out", cure="Choose another place.") from error
        finally:
            if partial.is_file():
                partial.unlink()


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1, in their own precision; a row of zeros stays what it is."""
    lengths = np.sqrt(np.einsum("...i,...i->...", vectors, vectors, dtype=np.float64))[..., None]
    return vectors / np.where(lengths > 0, lengths, 1).astype(vectors.dtype)


def load_map(path: Path) -> LinearMap:
    """A file that `LinearMap.save` wrote.

    Raises WeightsMissing when it is not there, WeightsCorrupt when it is not exactly that.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsMissing(f"There is no adapter {path.name}.", field="adapter", cure=CURE)
    if path.stat().st_size > MAX_BYTES:
        raise _corrupt(path.name, "is far too large for a template adapter")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _corrupt(path.name, "cannot be read") from error
    return load_map_bytes(data, name=path.name)


def load_map_bytes(data: bytes, *, name: str = "The adapter") -> LinearMap:
    """The same from a file's bytes. name: of the file, for errors."""
    if len(data) > MAX_BYTES:
        raise _corrupt(name, "is far too large for a template adapter")
    try:
        tensors = load(data)
        about = _about(_metadata(data)[FORMAT])
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _corrupt(name, "is damaged or is no template adapter") from error
    matrix, bias = tensors.pop("matrix", None), tensors.pop("bias", None)
    if matrix is None or tensors or matrix.dtype != np.float32 or matrix.ndim != 2 or 0 in matrix.shape:
        raise _corrupt(name, "does not hold one matrix")
    if bias is not None and (bias.dtype != np.float32 or bias.shape != matrix.shape[1:]):
        raise _corrupt(name, "has a bias of another form")
    if not np.isfinite(matrix).all() or (bias is not None and not np.isfinite(bias).all()):
        raise _corrupt(name, "holds numbers that are not finite")
    if about.unit and not (np.isfinite(about.target_length) and about.target_length > 0):
        raise _corrupt(name, "does not say how long its vectors shall be")
    return LinearMap(matrix, bias, about)


def _metadata(data: bytes) -> dict[str, str]:
    """safetensors' header: eight bytes of length, then JSON, of which `load` has checked the form."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length])["__metadata__"]


def _about(text: str) -> About:
    kept = json.loads(text)
    return About(**{field.name: kept[field.name] for field in fields(About) if field.name in kept})


def _corrupt(name: str, what: str) -> WeightsCorrupt:
    return WeightsCorrupt(f"{name} {what}.", field="adapter", cure=CURE)
