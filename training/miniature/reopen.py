"""An exported convolutional network back in its trainable form, so that training goes on from a shipped file.

The export folds every batch norm into the convolution before it. Here each norm is set so that, on the pictures given,
it does nothing but add the folded bias: in training and in use the network then starts as the file left it.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from torch import nn


def convolutions(path: Path) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """Weight and bias, float32, of a file's convolutions in the order in which they run."""
    graph = onnx.load(str(path)).graph
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in stored:
            stored[node.output[0]] = stored[node.input[0]]
    return [
        (
            torch.from_numpy(stored[node.input[1]].astype("float32")),
            torch.from_numpy(stored[node.input[2]].astype("float32")) if len(node.input) > 2 else None,
        )
        for node in graph.node
        if node.op_type == "Conv"
    ]


@torch.no_grad()
def reopen(network: nn.Module, path: Path, pictures: torch.Tensor) -> None:
    """Put a file's weights into the network that it was exported from.

    Args:
        network: called with `pictures`, it runs the file's convolutions in the file's order.
        pictures: as in training, enough of them for the statistics of the batch norms.

    Raises:
        ValueError: the file's convolutions are not the network's.
    """
    waiting = convolutions(path)
    folded: list[torch.Tensor | None] = [None]

    def convolution(module: nn.Conv2d, _: tuple[torch.Tensor, ...]) -> None:
        weight, bias = waiting.pop(0) if waiting else (torch.empty(0), None)
        if weight.shape != module.weight.shape:
            raise ValueError(f"{path.name} is of another network: {tuple(weight.shape)} for {module}")
        module.weight.copy_(weight)
        if module.bias is not None and bias is not None:
            module.bias.copy_(bias)
        folded[0] = bias

    def norm(module: nn.BatchNorm2d, inputs: tuple[torch.Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0].float(), (0, 2, 3), correction=0)
        assert module.running_mean is not None and module.running_var is not None and folded[0] is not None
        module.running_mean.copy_(mean)
        module.running_var.copy_(variance)
        module.weight.copy_((variance + module.eps).sqrt())
        module.bias.copy_(folded[0] + mean)

    hooks = [
        module.register_forward_pre_hook(convolution if isinstance(module, nn.Conv2d) else norm)
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d)
    ]
    try:
        network.eval()(pictures)
    finally:
        for hook in hooks:
            hook.remove()
    if waiting:
        raise ValueError(f"{path.name} is of another network: {len(waiting)} convolutions are left over")
