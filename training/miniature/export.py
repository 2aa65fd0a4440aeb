"""Torch module to ONNX file, and the proof that both say the same."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

OPSET = 17


def export_onnx(
    module: nn.Module,
    example: torch.Tensor,
    path: Path,
    *,
    input_name: str,
    output_names: Sequence[str],
    dynamic_axes: Mapping[str, Mapping[int, str]],
) -> None:
    """Write `module` (in eval mode) to `path`, whole or not at all.

    The tracing exporter is used on purpose: its graphs keep dynamic sizes as shape arithmetic, which insightface
    needs when it rewrites a detector to a fixed size.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    with warnings.catch_warnings():
        # torch announces its other exporter on every call.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            module.eval(),
            (example,),
            str(unfinished),
            input_names=[input_name],
            output_names=list(output_names),
            dynamic_axes={name: dict(axes) for name, axes in dynamic_axes.items()},
            opset_version=OPSET,
            dynamo=False,
        )
    unfinished.replace(path)


def open_session(path: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """A CPU session of a file with a fixed number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@torch.no_grad()
def largest_difference(module: nn.Module, path: Path, example: torch.Tensor) -> float:
    """Largest absolute difference between the outputs of a module and of its file."""
    expected = module.eval()(example)
    expected = expected if isinstance(expected, tuple) else (expected,)
    session = open_session(path)
    found = session.run(None, {session.get_inputs()[0].name: example.numpy()})
    return max(float(np.abs(e.numpy() - np.asarray(f)).max()) for e, f in zip(expected, found, strict=True))
