"""LoRA files for one request: put on, checked, taken off without a trace."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from errors import RequestError
from generation.checkpoints import BASES, lora_base, shapes_in
from generation.lora_choice import Lora
from generation.memory import is_memory_error

_DOWN = re.compile(r"(lora_A|lora\.down|lora_linear_layer\.down|lora_down)(\.\w+)?\.weight$")
"""The first of the two matrices of a low-rank pair, as diffusers, peft and kohya name it."""

_UP = {
    "lora_A": "lora_B",
    "lora.down": "lora.up",
    "lora_linear_layer.down": "lora_linear_layer.up",
    "lora_down": "lora_up",
}
"""How the second matrix is named after the first."""

_DORA = ("lora_magnitude_vector", "dora_scale")

_PARTS = ("unet", "text_encoder", "text_encoder_2")


@contextmanager
def applied(pipeline: Any, loras: Sequence[Lora], files: Sequence[Path]) -> Iterator[tuple[str, ...]]:
    """Within the block the LoRAs act; afterwards the pipeline is bit for bit what it was.

    Args:
        files: of each LoRA, where it lies.

    Yields notes on parts of a file that belong to no layer of these weights.

    Raises RequestError for a file of which nothing fits, and for compiled networks that were exported without it.
    """
    fused = getattr(pipeline.unet, "fused_loras", None)
    if fused is not None:
        yield _built_in(fused, loras)
        return
    if not loras:
        yield ()
        return
    try:
        told = [_load(pipeline, file, f"lora_{number}") for number, file in enumerate(files)]
        pipeline.set_adapters([f"lora_{number}" for number in range(len(loras))], [lora.weight for lora in loras])
        yield tuple(note for note in told if note)
    finally:
        pipeline.unload_lora_weights()


def check_fit(pipeline: Any, files: Sequence[Path]) -> tuple[str, ...]:
    """Notes on parts of LoRA files that belong to no layer of a pipeline.

    Raises RequestError for what `applied` refuses; its networks may be without weights, on the meta device.
    """
    try:
        told = [_load(pipeline, file, f"lora_{number}") for number, file in enumerate(files)]
        return tuple(note for note in told if note)
    finally:
        pipeline.unload_lora_weights()


def _built_in(fused: Sequence[tuple[str, float]], loras: Sequence[Lora]) -> tuple[str, ...]:
    """Notes on the LoRAs that compiled networks were exported with; nothing can be put on them or taken off."""
    wanted = [(lora.path, lora.weight) for lora in loras]
    if foreign := [name for name, weight in wanted if (name, weight) not in fused]:
        raise RequestError(
            f"The LoRA {Path(foreign[0]).name[:80]} is not part of the exported networks, which take no other.",
            field="loras",
            cure="Export again with: python cli.py openvino export --lora NAME:WEIGHT, or use the torch backend.",
        )
    return tuple(
        f"The exported networks have the LoRA {Path(name).name[:80]} at weight {weight:g} in them, asked for or not."
        for name, weight in fused
        if (name, weight) not in wanted
    )


def _load(pipeline: Any, path: Path, name: str) -> str | None:
    file = path.name
    misfit = RequestError(
        f"The LoRA file {file} does not fit these weights.",
        field="loras",
        cure="Choose a LoRA that was trained for this base model (SDXL for the photographic profiles).",
    )
    _check_file(pipeline, path)
    try:
        state, _ = pipeline.lora_state_dict(path, unet_config=pipeline.unet.config, local_files_only=True)
        wanted = sum(1 for key in state if _DOWN.search(key))
        pipeline.load_lora_weights(path, adapter_name=name, local_files_only=True)
    except (ValueError, RuntimeError, KeyError, OSError, NotImplementedError, SafetensorError) as error:
        if is_memory_error(error):
            raise
        raise misfit from error
    landed = sum(_layers(getattr(pipeline, part, None), name) for part in _PARTS)
    if landed == 0:
        raise misfit
    if landed < wanted:
        return f"LoRA {file}: {wanted - landed} of its {wanted} parts belong to no layer here and had no effect."
    return None


def _check_file(pipeline: Any, path: Path) -> None:
    """Raises RequestError for a file that is no safetensors, says itself that it is for another base, is a DoRA, or
    lacks halves, which would otherwise be drawn at random."""
    shapes = shapes_in(path, "loras")
    base = lora_base(shapes)
    if base is not None and BASES.get(base) != pipeline.unet.config.cross_attention_dim:
        raise RequestError(
            f"The LoRA file {path.name} was trained for {base}, not for these weights.",
            field="loras",
            cure="Choose a LoRA that was trained for this base model (SDXL for the photographic profiles).",
        )
    if any(sign in name for sign in _DORA for name in shapes):
        raise RequestError(
            f"The file {path.name} is a DoRA, which cannot be put on here.", field="loras", cure="Choose a plain LoRA."
        )
    pairs = [(name, found.group(1)) for name in shapes if (found := _DOWN.search(name))]
    ups = {f"{name[: name.rindex(half)]}{_UP[half]}{name[name.rindex(half) + len(half) :]}" for name, half in pairs}
    if lacking := len(ups - shapes.keys()):
        raise RequestError(
            f"The LoRA file {path.name} lacks the second half of {lacking} of its {len(pairs)} parts.",
            field="loras",
            cure="Download it again, or ask who made it.",
        )


def _layers(model: Any, name: str) -> int:
    if model is None:
        return 0
    return sum(1 for module in model.modules() if name in (getattr(module, "lora_A", None) or ()))
