"""One exported network on a device: arrays in, arrays out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from errors import BrokenPicture, RequestError
from openvino_backend.installed import core

logger = logging.getLogger(__name__)

HINTS = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
FULL = "float32"
ROWLESS = ("timestep", "strengths", "mask_")
"""How the names of those inputs begin that are the same for every row of a batch; in the others rows come first, but
in `faces` people do."""
VARIED = ("noise", "pixels")
"""Outputs that are never the same everywhere: where a device turns what overflows into nought, they are."""


@dataclass(frozen=True)
class Device:
    """Where and how networks run.

    Attributes:
        name: "CPU", "GPU", "GPU.1", "NPU", "AUTO", or "AUTO:GPU,CPU".
        dtype: precision of the arithmetic: "auto" leaves it to the device, else one of HINTS.
        cache: folder of compiled networks, which shortens later starts; None for none.
        streams: of the processor: rows of a batch that UNet and ControlNets compute beside each other, each on its
            share of the cores; one gives all cores to one after another.
        group: of the processor, where weights have 8 bits or fewer: how many numbers going into a product share the
            scale at which they are rounded to 8 bits too; 0 rounds none, None leaves it to OpenVINO.
    """

    name: str = "CPU"
    dtype: str = "auto"
    cache: Path | None = None
    streams: int = 1
    group: int | None = None

    def properties(self, dtype: str | None = None, streams: int = 1) -> dict[str, Any]:
        """As OpenVINO takes them. dtype: in the place of the device's own."""
        told = dtype or self.dtype
        if told != "auto" and told not in HINTS:
            raise RequestError(
                f"There is no precision {told!r}.", field="dtype", cure=f"Choose one of: auto, {', '.join(HINTS)}."
            )
        found: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if self.name == "CPU":
            found |= {"NUM_STREAMS": str(streams)}
            found |= {} if self.group is None else {"DYNAMIC_QUANTIZATION_GROUP_SIZE": str(self.group)}
        if told != "auto":
            found["INFERENCE_PRECISION_HINT"] = HINTS[told]
        if self.cache is not None:
            found["CACHE_DIR"] = str(self.cache)
        return found


class Network:
    """A compiled network. Not re-entrant.

    What is lost at a shorter precision is computed once more at 32 bits, and so is everything after it.

    Args:
        file: its .xml.
        dtype: precision of its arithmetic in the place of the device's.
        streams: rows of a batch computed beside each other; more than one only for networks with rows, see ROWLESS.

    Attributes:
        name: of the file.
        lost_at: the precision at which an answer was lost, None as long as none was.
        watch: told the inputs of each call, for calibration.
        calls, seconds: so far.
    """

    def __init__(self, file: Path, device: Device, dtype: str | None = None, streams: int = 1) -> None:
        self.name = file.stem
        self._file, self._device, self._streams = file, device, streams
        compiled = self._compile(dtype or device.dtype)
        self.inputs = [port.get_any_name() for port in compiled.inputs]
        self.outputs = [port.get_any_name() for port in compiled.outputs]
        self.shapes = {port.get_any_name(): port.get_partial_shape() for port in (*compiled.inputs, *compiled.outputs)}
        self.lost_at: str | None = None
        self.watch: Callable[[Mapping[str, np.ndarray]], None] | None = None
        self.calls, self.seconds = 0, 0.0

    @property
    def devices(self) -> list[str]:
        """That it runs on now; AUTO may change them while it warms up."""
        return list(self._compiled.get_property("EXECUTION_DEVICES"))

    @property
    def arithmetic(self) -> str:
        """Precision that is truly taken, "f32", "f16" or "bf16"; "auto" of a device that does not tell."""
        wanted = "INFERENCE_PRECISION_HINT"
        supported = self._compiled.get_property("SUPPORTED_PROPERTIES")
        if wanted in supported:
            return str(self._compiled.get_property(wanted).get_type_name())
        # AUTO has none of its own; those of the devices behind it count.
        behind = self._compiled.get_property("DEVICE_PROPERTIES") if "DEVICE_PROPERTIES" in supported else {}
        told = {str(one[wanted].get_type_name()) for one in behind.values() if wanted in one}
        return ", ".join(sorted(told)) or HINTS.get(self._dtype, "auto")

    def _compile(self, dtype: str) -> Any:
        properties = self._device.properties(dtype, self._streams)
        try:
            compiled = core().compile_model(self._file, self._device.name, properties)
        except RuntimeError as error:
            raise RequestError(
                f"{self.name} does not run on {self._device.name}: {str(error).strip().splitlines()[-1][:200]}",
                field="device",
                cure="Choose another device, or --device cpu.",
            ) from error
        self._compiled, self._dtype = compiled, dtype
        self._requests = [compiled.create_infer_request() for _ in range(self._streams)]
        return compiled

    def __call__(self, **inputs: torch.Tensor) -> list[torch.Tensor]:
        """Outputs in the network's order, each a copy of its own; float tensors on the CPU. Raises BrokenPicture."""
        arrays = {name: np.ascontiguousarray(value.detach().numpy()) for name, value in inputs.items()}
        return [torch.from_numpy(array.copy()) for array in self.run(arrays)]

    def run(self, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Outputs in the network's order, which hold until the next call.

        Raises BrokenPicture when they are no numbers at 32 bits either.
        """
        if self.watch is not None:
            self.watch(arrays)
        began = time.perf_counter()
        answer = self._infer(arrays)
        if not self._whole(answer) and self.arithmetic != HINTS[FULL]:
            self.lost_at = self.arithmetic
            logger.warning("%s lost the picture at %s and is computed at 32 bits from now on", self.name, self.lost_at)
            self._compile(FULL)
            answer = self._infer(arrays)
        self.calls += 1
        self.seconds += time.perf_counter() - began
        if not self._whole(answer):
            raise BrokenPicture(
                f"{self.name} lost the picture on {', '.join(self.devices)}, at 32 bits too.",
                cure="Lower guidance and the two strengths, choose another device, or run: python cli.py doctor",
            )
        return answer

    def _whole(self, answer: Sequence[np.ndarray]) -> bool:
        """Whether there are numbers everywhere, and a picture in every row where one is due."""
        return all(
            bool(np.isfinite(array).all())
            and (name not in VARIED or bool((np.ptp(array.reshape(len(array), -1), axis=1) > 0).all()))
            for name, array in zip(self.outputs, answer, strict=True)
        )

    def _infer(self, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        shares = _shares(arrays, len(self._requests)) if len(self._requests) > 1 else [dict(arrays)]
        if len(shares) == 1:
            answer = self._requests[0].infer(shares[0], share_inputs=True, share_outputs=True)
            return [answer[number] for number in range(len(self.outputs))]
        running = self._requests[: len(shares)]
        for request, share in zip(running, shares, strict=True):
            request.start_async(share, share_inputs=True)
        for request in running:
            request.wait()
        return [
            np.concatenate([request.get_output_tensor(number).data for request in running])
            for number in range(len(self.outputs))
        ]


def _shares(arrays: Mapping[str, np.ndarray], most: int) -> list[dict[str, np.ndarray]]:
    """The rows of a batch, dealt out evenly."""
    axes = {name: None if name.startswith(ROWLESS) else int(name == "faces") for name in arrays}
    rows = max(arrays[name].shape[axis] for name, axis in axes.items() if axis is not None)
    shares = []
    for part in np.array_split(np.arange(rows), min(rows, most)):
        chosen = slice(part[0], part[-1] + 1)
        cut = {None: ..., 0: chosen, 1: (slice(None), chosen)}
        shares.append({name: np.ascontiguousarray(array[cut[axes[name]]]) for name, array in arrays.items()})
    return shares
