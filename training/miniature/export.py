"""Torch module to ONNX file, and the proof that both say the same."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

OPSET = 17
SMALLEST_HALVED = 1024  # numbers; biases and normalisations stay as they are


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


def store_half(path: Path) -> None:
    """Keep a file's weights in half precision and widen them when it is opened: half the size, the same graph.

    Each weight's Cast stands right before its first use, as insightface looks at a recogniser's first nodes.
    """
    model = onnx.load(str(path))
    large = {
        each.name: onnx.numpy_helper.to_array(each)
        for each in model.graph.initializer
        if each.data_type == onnx.TensorProto.FLOAT and np.prod(each.dims) >= SMALLEST_HALVED
    }
    for each in model.graph.initializer:
        if each.name in large:
            each.CopyFrom(onnx.numpy_helper.from_array(large[each.name].astype(np.float16), f"{each.name}_half"))
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        for name in node.input:
            if name in large:
                del large[name]
                nodes.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_bytes(model.SerializeToString(deterministic=True))
    unfinished.replace(path)
