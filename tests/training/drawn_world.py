"""A handful of drawn people as shards, and a run on them small enough for a test."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from training.config import Config, Data, Optimizer, Start, Validation
from training.drawn import write_drawn
from training.miniature.dataset import draw
from training.run import Outcome, run
from training.task import FaceTask
from weights.store import Store

SIDE = 64
STORE = Store(None, True)


def drawn_shards(folder: Path, people: int = 4, shots: int = 3, per_shard: int = 5) -> Path:
    """Folder of shards with people * shots pictures of 64 px."""
    drawings = draw(people, shots, 0, folder / "drawings", SIDE, processes=1, face_size=(0.6, 0.75))
    write_drawn(drawings, folder / "shards", per_shard=per_shard)
    return folder / "shards"


def small_run(shards: Path, output: Path, **changes: Any) -> Config:
    """The shipped base at 64 px in full precision, with a fresh adapter and IdentityNet."""
    config = Config(
        profile="miniature",
        output=output,
        data=Data((shards,), buckets=((SIDE, SIDE),), held_out=0.25, workers=0),
        steps=6,
        batch=2,
        precision="no",
        log_every=1,
        save_every=100,
        start=Start(resampler_width=64, tokens=4, conditioning_channels=(8, 8, 8, 8, 8)),
        optimizer=Optimizer(rate=1e-3, adapter_rate=2e-3, betas=(0.9, 0.99), warmup=2),
        validation=Validation(every=0, samples=3, pictures=0, steps=2),
    )
    return replace(config, **changes)


def learn(config: Config, **options: Any) -> Outcome:
    return run(config, FaceTask, store=STORE, **options)


def weights_at(output: Path, step: int) -> dict[str, torch.Tensor]:
    """What a run's checkpoint of a step holds."""
    return load_file(output / "checkpoints" / f"step-{step:08d}" / "trained.safetensors")
