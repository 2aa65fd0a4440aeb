"""One step of a UNet and an IdentityNet of SDXL's size with random weights, on torch and on OpenVINO.

`python -m benchmarks.openvino_sdxl [--side 512 768] [--steps 2] [--networks identity_net unet]` prints seconds a step,
by the clock and of all cores together, and peak memory, of which OpenVINO's holds the file of the weights that is
mapped into it. Each way runs in a process of its own; at most one network is in memory. The weights have no meaning.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, UNet2DConditionModel

from ip_adapter.attention import load_face
from ip_adapter.checkpoint import adapter_shapes

SHARED: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
UNET: dict[str, Any] = {"up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), **SHARED}
POOLED, TEXT, FACE = 1280, 77, 16
Times = list[tuple[float, float]]


def filled(network: Any, dtype: torch.dtype) -> Any:
    """A network of the meta device with small random weights: one block of numbers, repeated, but begun elsewhere in
    every tensor, for of equal ones OpenVINO keeps one."""
    network = network.to_empty(device="cpu").to(dtype) if dtype == torch.float32 else _empty(network, dtype)
    numbers = torch.randn(1 << 20, generator=torch.Generator().manual_seed(0)).to(dtype) * 0.02
    with torch.no_grad():
        for place, (name, parameter) in enumerate(network.named_parameters()):
            flat, block = parameter.view(-1), numbers.roll(101 * place)
            for start in range(0, len(flat), len(block)):
                part = flat[start : start + len(block)]
                part.copy_(block[: len(part)])
            if parameter.ndim == 1 and "norm" in name and name.endswith("weight"):
                parameter.add_(1)
    return network.eval()


def _empty(network: Any, dtype: torch.dtype) -> Any:
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            empty = torch.empty(parameter.shape, dtype=dtype)
            setattr(module, name, torch.nn.Parameter(empty, requires_grad=False))
    return network


def unet(dtype: torch.dtype) -> Any:
    """SDXL's UNet with InstantID's face attention."""
    with torch.device("meta"):
        network: Any = UNet2DConditionModel(sample_size=128, in_channels=4, out_channels=4, **UNET)
    shapes = adapter_shapes(network)
    network = filled(network, dtype)
    state = {
        group: {key: torch.full(shape, 0.01, dtype=dtype) for key, shape in table.items()}
        for group, table in shapes.items()
    }
    load_face(network, state)
    return network.to(dtype).eval()


def identity_net(dtype: torch.dtype) -> Any:
    with torch.device("meta"):
        network: Any = ControlNetModel(**SHARED)
    return filled(network, dtype)


NETWORKS: dict[str, Callable[[torch.dtype], Any]] = {"identity_net": identity_net, "unet": unet}


def inputs(name: str, side: int) -> dict[str, torch.Tensor]:
    """One row of a picture of `side` pixels, by the names of the exported graphs."""
    size = side // 8
    common = {
        "sample": torch.randn(1, 4, size, size),
        "timestep": torch.tensor([500.0]),
        "text_embeds": torch.randn(1, POOLED),
        "time_ids": torch.tensor([[side, side, 0, 0, side, side]]).float(),
    }
    if name == "identity_net":
        return {**common, "tokens": torch.randn(1, FACE, 2048), "condition": torch.rand(1, 3, side, side)}
    levels = [(320, size)] * 3 + [(320, size // 2)] + [(640, size // 2)] * 2 + [(640, size // 4)]
    levels += [(1280, size // 4)] * 3
    residuals = [torch.zeros(1, channels, each, each) for channels, each in levels]
    return {
        **common,
        "text": torch.randn(1, TEXT, 2048),
        "faces": torch.randn(1, 1, FACE, 2048),
        "strengths": torch.full((70,), 0.8),
        "mask_1": torch.ones(1, 1, 1, 1),
        "mask_2": torch.ones(1, 1, 1, 1),
        **{f"residual_{number}": one for number, one in enumerate(residuals[:-1])},
        "residual_mid": residuals[-1],
    }


def torch_steps(name: str, dtype: torch.dtype, layout: torch.memory_format, side: int, steps: int) -> Times:
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # OpenVINO takes all of them too
    network = NETWORKS[name](dtype).to(memory_format=layout)
    given = {key: value.to(dtype) for key, value in inputs(name, side).items()}
    added = {"text_embeds": given["text_embeds"], "time_ids": given["time_ids"]}

    def step() -> Any:
        if name == "identity_net":
            return network(
                given["sample"], given["timestep"], given["tokens"], given["condition"], added_cond_kwargs=added
            )
        return network(
            given["sample"],
            given["timestep"],
            given["text"],
            added_cond_kwargs={**added, "image_embeds": [given["faces"][0]]},
            down_block_additional_residuals=tuple(given[f"residual_{number}"] for number in range(9)),
            mid_block_additional_residual=given["residual_mid"],
        )

    with torch.inference_mode():
        return _timed(step, steps)


def export(name: str, folder: Path) -> Times:
    """FP16 from float16 weights."""
    from openvino_backend.export import write
    from openvino_backend.graphs import controlnet_graph, unet_graph

    graph = (unet_graph if name == "unet" else controlnet_graph)(NETWORKS[name](torch.float16))
    return _timed(lambda: write(graph, folder / f"{name}_fp16", "fp16"), warm_up=False)


def compress(name: str, folder: Path) -> Times:
    """INT8 weights from the FP16 files."""
    from openvino_backend.quantize import compress_file

    files = folder / f"{name}_fp16.xml", folder / f"{name}_int8"
    return _timed(lambda: compress_file(*files, "weights"), warm_up=False)


def compiled_steps(
    name: str, precision: str, dtype: str, group: int | None, folder: Path, side: int, steps: int
) -> Times:
    from openvino_backend.compiled import Device, Network

    network = Network(folder / f"{name}_{precision}.xml", Device("CPU", dtype, group=group))
    given = {key: value.numpy() for key, value in inputs(name, side).items()}
    return _timed(lambda: network.run(given), steps)


def files_of(stem: Path) -> int:
    """Bytes of an exported network."""
    return sum(stem.with_suffix(suffix).stat().st_size for suffix in (".xml", ".bin"))


def _timed(work: Callable[[], Any], times: int = 1, *, warm_up: bool = True) -> Times:
    """Seconds by the clock and on all cores together, of each time after one that is not counted."""
    if warm_up:
        work()
    found = []
    for _ in range(times):
        clock, cores = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - clock, time.process_time() - cores))
    return found


def _child(answer: Any, work: Callable[..., Times], arguments: tuple[Any, ...]) -> None:
    clocks, cores = zip(*work(*arguments), strict=True)
    answer.send((min(clocks), min(cores), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))


def told(title: str, work: Callable[..., Times], *arguments: Any) -> float | None:
    """Runs in a process of its own, prints a row of the table, and returns the least seconds by the clock."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(theirs, work, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        seconds, cores, peak = ours.recv()
        print(f"| {title} | {seconds:.2f} | {cores:.2f} | {peak:.2f} |", flush=True)
        return seconds
    except EOFError:
        process.join()
        print(f"| {title} | failed ({process.exitcode}) | | |", flush=True)
        return None


TORCH = {
    "torch bfloat16": (torch.bfloat16, torch.contiguous_format),
    "torch bfloat16, channels last": (torch.bfloat16, torch.channels_last),
    "torch float32": (torch.float32, torch.contiguous_format),
}
OPENVINO = {"FP16": ("fp16", None), "INT8": ("int8", None)}


def compared(name: str, side: int, folder: Path, chosen: argparse.Namespace) -> None:
    """A row for each way of running a network, and how the best of both sides compare."""
    where = f"{name}, {side} px"
    size = side, chosen.steps
    ours = [
        told(f"{where}: {title}", torch_steps, name, *how, *size)
        for title, how in TORCH.items()
        if not (chosen.without_float32 and how[0] == torch.float32)
    ]
    ways = OPENVINO | {f"INT8, activations in groups of {group}": ("int8", group) for group in chosen.groups}
    theirs = [
        told(f"{where}: OpenVINO {title}", compiled_steps, name, precision, chosen.dtype, group, folder, *size)
        for title, (precision, group) in ways.items()
    ]
    best = [min((one for one in them if one is not None), default=None) for them in (ours, theirs)]
    if best[0] is not None and best[1] is not None:
        print(f"\n{where}: OpenVINO is {best[0] / best[1]:.2f} times as fast as torch, the best of each.\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--side", type=int, nargs="+", default=[512, 768], help="pixels, one size after another")
    parser.add_argument("--steps", type=int, default=2, help="steps that are timed")
    parser.add_argument("--networks", nargs="+", choices=[*NETWORKS], default=[*NETWORKS])
    parser.add_argument("--dtype", default="auto", help="arithmetic of OpenVINO: auto, float32 or bfloat16")
    parser.add_argument(
        "--groups", type=int, nargs="*", default=[64, 320], help="of activations, beside OpenVINO's own"
    )
    parser.add_argument("--without-float32", action="store_true", help="leave torch float32 out, 13 GB for the UNet")
    parser.add_argument("--folder", type=Path, help="keeps the files, up to 12 GB")
    chosen = parser.parse_args()
    print("| one row | best seconds a step | of all cores | peak GiB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="sdxl-") as temporary:
        folder = chosen.folder or Path(temporary)
        for name in chosen.networks:
            told(f"{name}: export to FP16", export, name, folder)
            if told(f"{name}: compression to INT8", compress, name, folder) is not None:
                whole, small = (files_of(folder / f"{name}_{precision}") for precision in ("fp16", "int8"))
                print(f"\n{name}: INT8 has {small / whole:.1%} of the {whole / 2**30:.2f} GiB of FP16.\n", flush=True)
            for side in chosen.side:
                compared(name, side, folder, chosen)


if __name__ == "__main__":
    main()
