"""One exported network on a device: arrays in, arrays out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from errors import RequestError

HINTS = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}


@dataclass(frozen=True)
class Device:
    """Where and how networks run.

    Attributes:
        name: "CPU", "GPU", "GPU.1", "NPU", "AUTO", or "AUTO:GPU,CPU".
        dtype: precision of the arithmetic: "auto" leaves it to the device, else one of HINTS.
        cache: folder of compiled networks, which shortens later starts; None for none.
        streams: how many inferences run beside each other; one gives all cores to each.
        threads: of the processor; None for all.
        group: of the processor, where weights have 8 bits or fewer: how many numbers going into a product share the
            scale at which they are rounded to 8 bits too; 0 rounds none, None leaves it to OpenVINO.
    """

    name: str = "CPU"
    dtype: str = "auto"
    cache: Path | None = None
    streams: int = 1
    threads: int | None = None
    group: int | None = None

    def properties(self, dtype: str | None = None) -> dict[str, Any]:
        """As OpenVINO takes them. dtype: in the place of the device's own."""
        told = dtype or self.dtype
        if told != "auto" and told not in HINTS:
            raise RequestError(
                f"There is no precision {told!r}.", field="dtype", cure=f"Choose one of: auto, {', '.join(HINTS)}."
            )
        found: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if self.name == "CPU":
            found |= {"NUM_STREAMS": str(self.streams)}
            found |= {} if self.threads is None else {"INFERENCE_NUM_THREADS": self.threads}
            found |= {} if self.group is None else {"DYNAMIC_QUANTIZATION_GROUP_SIZE": str(self.group)}
        if told != "auto":
            found["INFERENCE_PRECISION_HINT"] = HINTS[told]
        if self.cache is not None:
            found["CACHE_DIR"] = str(self.cache)
        return found


class Network:
    """A compiled network. Not re-entrant.

    Args:
        file: its .xml.
        dtype: precision of its arithmetic in the place of the device's.

    Attributes:
        devices: that it runs on. arithmetic: precision that was truly taken, "f32", "f16" or "bf16".
        watch: told the inputs of each call, for calibration.
        calls, seconds: so far.
    """

    def __init__(self, file: Path, device: Device, dtype: str | None = None) -> None:
        import openvino

        try:
            compiled = openvino.Core().compile_model(file, device.name, device.properties(dtype))
        except RuntimeError as error:
            raise RequestError(
                f"{file.stem} does not run on {device.name}: {str(error).strip().splitlines()[-1][:200]}",
                field="device",
                cure="Choose another device, or --device cpu.",
            ) from error
        self.inputs = [port.get_any_name() for port in compiled.inputs]
        self.outputs = [port.get_any_name() for port in compiled.outputs]
        self.shapes = {port.get_any_name(): port.get_partial_shape() for port in (*compiled.inputs, *compiled.outputs)}
        self.devices = list(compiled.get_property("EXECUTION_DEVICES"))
        self.arithmetic = str(compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
        self.watch: Callable[[Mapping[str, np.ndarray]], None] | None = None
        self.calls, self.seconds = 0, 0.0
        self._request = compiled.create_infer_request()

    def __call__(self, **inputs: torch.Tensor) -> list[torch.Tensor]:
        """Outputs in the network's order, each a copy of its own; float tensors on the CPU."""
        arrays = {name: np.ascontiguousarray(value.detach().numpy()) for name, value in inputs.items()}
        return [torch.from_numpy(array.copy()) for array in self.run(arrays)]

    def run(self, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Outputs in the network's order, which hold until the next call."""
        if self.watch is not None:
            self.watch(arrays)
        began = time.perf_counter()
        answer = self._request.infer(dict(arrays), share_inputs=True, share_outputs=True)
        self.calls += 1
        self.seconds += time.perf_counter() - began
        return [answer[number] for number in range(len(self.outputs))]
