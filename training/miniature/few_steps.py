"""The LoRA of few steps, distilled from a written bundle by the training room's own program."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from training.config import load_config
from training.distil import LORA_FILE, DistilTask
from training.drawn import write_drawn
from training.miniature.dataset import load
from training.miniature.extras import ship
from training.run import run
from weights.published import ASSETS, MINIATURE, Part, Weight
from weights.store import Store

BUNDLE = ASSETS / "miniature"
CONFIG = Path(__file__).parents[1] / "configs" / "miniature_lcm.toml"
DRAWINGS = 2000  # pictures that it learns from
NAME = "lcm.safetensors"


class BundleStore(Store):
    """The store in which the miniature is the bundle of a folder of one's own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(None, offline=True)
        self._folder = folder

    def path(self, wanted: Weight | Part, *, alone: bool = False) -> Path:
        part = wanted if isinstance(wanted, Part) else Part(wanted)
        if part.weight != MINIATURE:
            return super().path(wanted, alone=alone)
        return super().path(replace(part, weight=replace(MINIATURE, folder=self._folder)), alone=alone)


def few_steps(
    data: Annotated[Path, typer.Option(help="Folder of the drawings.")],
    out: Annotated[Path, typer.Option(help="Folder of checkpoints and of what is computed once.")],
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Length in steps; by default the shipped one's.")] = None,
    to: Annotated[Path, typer.Option(help="The bundle that it is distilled from and goes into.")] = BUNDLE,
) -> None:
    """Distil the LoRA with which few steps without guidance do, and put it into the bundle.

    Goes on from its newest checkpoint, like `cli.py distil`.
    """
    shards = out / "drawn"
    write_drawn(load(data / "pictures").first(DRAWINGS), shards, pack=to / "face")
    config = load_config(CONFIG)
    config = replace(
        config, output=out / "few_steps", seed=seed, steps=steps or config.steps,
        data=replace(config.data, shards=(shards,)),
    )  # fmt: skip
    run(config, DistilTask, what="distil", store=BundleStore(to))
    loras = out / "loras"
    loras.mkdir(exist_ok=True)
    shutil.copyfile(config.output / LORA_FILE, loras / NAME)
    ship(out, to)
