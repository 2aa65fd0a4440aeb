"""Face models on OpenVINO, in the form in which insightface takes a session of onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from errors import WeightsMissing
from openvino_backend.compiled import Network
from openvino_backend.runtime import Export

FACES = ("face_detector", "face_recogniser")


class Port(NamedTuple):
    """An input or an output; a side that is not fixed is the string "?"."""

    name: str
    shape: list[int | str]


class Session:
    """What insightface asks of an onnxruntime.InferenceSession."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def get_inputs(self) -> list[Port]:
        return [self._port(name) for name in self._network.inputs]

    def get_outputs(self) -> list[Port]:
        return [self._port(name) for name in self._network.outputs]

    def get_providers(self) -> list[str]:
        return [f"OpenVINO {device}" for device in self._network.devices]

    def run(self, names: Sequence[str], feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Copies of the outputs with these names."""
        outputs = dict(zip(self._network.outputs, self._network.run(feed), strict=True))
        return [outputs[name].copy() for name in names]

    def _port(self, name: str) -> Port:
        shape = self._network.shapes[name]
        return Port(name, ["?" if side.is_dynamic else side.get_length() for side in shape])


def session_of(export: Export, file: Path) -> Session:
    """A session for one of the ONNX files that an export was made of; computed at 32 bits, as onnxruntime does.

    Raises WeightsMissing when the file was not exported.
    """
    for name in FACES:
        if export.config(name)["file"] == file.name:
            return Session(export.network(name, "float32"))
    raise WeightsMissing(
        f"The face model {file.name} was not exported.", field=file.name, cure="Run: python cli.py openvino export"
    )
