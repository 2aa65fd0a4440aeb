"""Sets the bars of the shipped miniature's tests anew, after its weights were replaced: `python -m scripts.set_bars`.

It measures the path as it is and with each of some faults put into it. A bar lies a fixed slack below the intact
figure; which faults fall below which bars is printed and kept beside them. A fault that no bar sees has to show in the
recorded pictures, whose tolerance is a third of the least difference that a fault makes. `--check` writes nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

import generation.prepare
from generation.loading import load_engine
from generation.settings import Settings
from pipeline_instantid import StableDiffusionXLInstantIDPipeline
from tests.evaluation import shipped

SLACK = {
    "likeness": 0.05, "neutral": 0.05, "few_steps": 0.05, "known": 0.15, "placement": 0.05, "turn": 0.15, "yaw": 3.0,
    "found": 0.15, "stranger": 0.05, "style": 0.15, "place": 0.15, "clothes": 0.15, "detector": 0.1,
}  # fmt: skip
"""How far eight pictures may fall before it counts, in the figure's own unit. Their seeds are fixed, so that another
machine's rounding is all that may move them; one picture of eight may change its mind."""
SWAPPED = [1, 0, 2, 4, 3]


@contextmanager
def replaced(owner: Any, name: str, made: Callable[[Any], Any]) -> Iterator[None]:
    """An attribute made from the old one, for a while."""
    before = getattr(owner, name)
    setattr(owner, name, made(before))
    try:
        yield
    finally:
        setattr(owner, name, before)


def mirrored(draw: Any) -> Any:
    def faulty(keypoints: Any, size: tuple[int, int], **rest: Any) -> Any:
        turned = np.asarray(keypoints)[..., SWAPPED, :] * [-1, 1] + [size[0] - 1, 0]
        return draw(turned, size, **rest)

    return faulty


def embedding_normalised(tokens_of: Any) -> Any:
    def faulty(pipeline: Any, embeddings: Any, *rest: Any) -> Any:
        return tokens_of(pipeline, embeddings / embeddings.norm(dim=-1, keepdim=True), *rest)

    return faulty


def unconditional_tokens_zeroed(tokens_of: Any) -> Any:
    def faulty(pipeline: Any, embeddings: Any, device: Any, rows: int, guided: bool) -> Any:
        tokens = tokens_of(pipeline, embeddings, device, rows, guided)
        return torch.cat([torch.zeros_like(tokens[:rows]), tokens[rows:]]) if guided else tokens

    return faulty


TOKENS = (StableDiffusionXLInstantIDPipeline, "_tokens")
FAULTS: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "keypoints mirrored": (generation.prepare, "draw_keypoints", mirrored),
    "embedding normalised": (*TOKENS, embedding_normalised),
    "unconditional tokens zeroed": (*TOKENS, unconditional_tokens_zeroed),
}


def main() -> None:
    engine = load_engine("miniature", Settings(device="cpu"))
    intact = shipped.measure(engine)
    print("intact", rounded(intact.figures), flush=True)
    faulty = {}
    for name, (owner, attribute, made) in FAULTS.items():
        with replaced(owner, attribute, made):
            faulty[name] = shipped.measure(engine)
        apart = np.abs(faulty[name].pictures.astype(float) - intact.pictures).mean(axis=(1, 2, 3))
        print(name, rounded(faulty[name].figures), f"pictures differ by {apart.mean():.2f} levels", flush=True)
    bars: dict[str, Any] = {
        "figures": {name: round(value - SLACK[name], 3) for name, value in intact.figures.items()},
        "measured": rounded(intact.figures),
    }
    bars["below"] = {
        fault: [name for name, bar in bars["figures"].items() if one.figures[name] < bar]
        for fault, one in faulty.items()
    }
    nearest = min(
        np.abs(one.pictures.astype(float) - intact.pictures).mean(axis=(1, 2, 3)).mean() for one in faulty.values()
    )
    bars["levels"] = round(float(nearest) / 3, 2)
    print("bars", bars)
    if "--check" not in sys.argv:
        shipped.BARS.write_text(json.dumps(bars, indent=1) + "\n", encoding="utf-8")
        shipped.record(intact.pictures)


def rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}


if __name__ == "__main__":
    main()
