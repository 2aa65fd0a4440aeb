"""A hand-made face pack whose 'face' is a flag that can be placed exactly: magenta, a green hat above, white below."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

MAGENTA, GREEN, WHITE = (255, 0, 255), (0, 255, 0), (255, 255, 255)
# Keypoints and box of a flag in units of its cell, from the upper left corner of the magenta cell.
FLAG_POINTS = np.array([[0.2, 0.1], [0.8, 0.15], [0.55, 0.4], [0.3, 0.8], [0.7, 0.75]], np.float32)
FLAG_BOX = np.array([0.0, -1.0, 1.0, 1.0], np.float32)


def flag_picture(size: tuple[int, int], *flags: tuple[int, int, int], background: Any = WHITE) -> Image.Image:
    """A picture (width, height) with flags (x, y, cell): the magenta cell's corner and its side in pixels.

    background: a colour, or pixels (height, width, 3).
    """
    pixels = np.full((size[1], size[0], 3), background, np.uint8)
    for x, y, cell in flags:
        pixels[y - cell : y, x : x + cell] = GREEN
        pixels[y : y + cell, x : x + cell] = MAGENTA
        pixels[y + cell : y + 2 * cell, x : x + cell] = WHITE
    return Image.fromarray(pixels)


def save_detector(path: Path, side: int | None = None) -> None:
    """Sees a flag whose cell fills one cell of 16 or 32 px; `side` bakes one input size in."""
    nodes, weights, outputs = [], [], {}
    spatial = ("height", "width") if side is None else (side, side)

    def add(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=f"node_{output}", **attributes))
        return output

    def constant(name, values):
        weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    for stride in (8, 16, 32):
        # Three cells above each other are compared with the wanted colours: 3 is a perfect flag, 2.33 the next best.
        kernel = np.zeros((2, 3, 3 * stride, stride), np.float32)
        if stride > 8:
            for row, colour in enumerate((GREEN, MAGENTA, WHITE)):
                wanted = np.array(colour, np.float32) / 127.5 - 1
                kernel[0, :, row * stride : (row + 1) * stride] = wanted[:, None, None] / (3 * stride**2)
        bias = np.array([-2.6, -9], np.float32) * 20
        convolved = add(
            "Conv",
            ["input.1", constant(f"kernel{stride}", kernel * 20), constant(f"bias{stride}", bias)],
            f"match{stride}",
            kernel_shape=[3 * stride, stride],
            strides=[stride, stride],
            pads=[stride, 0, stride, 0],
        )
        rows = add("Transpose", [convolved], f"rows{stride}", perm=[0, 2, 3, 1])
        flat = add("Reshape", [rows, constant(f"flat{stride}", np.array([-1, 1]))], f"logit{stride}")
        outputs[f"score_{stride}"] = (add("Sigmoid", [flat], f"score_{stride}"), 1)
        for name, values in (("bbox", FLAG_BOX * [-1, -1, 1, 1]), ("kps", FLAG_POINTS.ravel())):
            nothing = add("Mul", [flat, constant(f"nothing_{name}{stride}", np.float32(0))], f"nought_{name}{stride}")
            fixed = constant(f"{name}_values{stride}", values.astype(np.float32)[None])
            outputs[f"{name}_{stride}"] = (add("Add", [nothing, fixed], f"{name}_{stride}"), len(values))
    names = [f"{kind}_{stride}" for kind in ("score", "bbox", "kps") for stride in (8, 16, 32)]
    infos = [helper.make_tensor_value_info(outputs[n][0], TensorProto.FLOAT, [f"n_{n}", outputs[n][1]]) for n in names]
    entry = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, *spatial])
    _save(path, helper.make_graph(nodes, "flags", [entry], infos, weights))


def save_recogniser(path: Path) -> None:
    """512 random projections of what stands left and right of the flag, in an 8 x 8 picture of the face."""
    projection = np.random.default_rng(5).normal(size=(3, 8, 8, 512))
    projection[:, :, 1:7] = 0
    projection = projection.reshape(192, 512).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["data"], ["pooled"], name="pool", kernel_shape=[14, 14], strides=[14, 14]),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "projection"], ["embedding"], name="project"),
    ]
    entry = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["batch", 3, 112, 112])
    answer = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 512])
    _save(path, helper.make_graph(nodes, "rec", [entry], [answer], [numpy_helper.from_array(projection, "projection")]))


def _save(path: Path, graph: onnx.GraphProto) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def surroundings(person: int, noise: float = 0, seed: int = 0, side: int = 128) -> np.ndarray:
    """A background that makes one person: coloured blocks that stay, and noise that changes from photo to photo."""
    blocks = np.random.default_rng(person).uniform(0, 255, (side // 8, side // 8, 3))
    pixels = np.kron(blocks, np.ones((8, 8, 1)))
    pixels += np.random.default_rng([person, seed]).normal(0, noise, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)
