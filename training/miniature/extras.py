"""What is trained on the finished base: nets that follow edges and depth, the annotator of depth, a style."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from safetensors.torch import save_file

from training.miniature import bundle as bundles
from training.miniature import loop, style_lora
from training.miniature.base import new_unet
from training.miniature.claims import fingerprint, once
from training.miniature.control_nets import ControlStage, EyeStage, Maps, save_control_net
from training.miniature.dataset import load
from training.miniature.depth import draw_depths
from training.miniature.depth_estimator import EstimatorStage, save_estimator
from training.miniature.rows import Rows
from weights.bundle import write_sums

STEPS = {"eye": 100, "control": 340, "depth_estimator": 440, "style_lora": 200}
"""About what the shipped ones had, in batches of the usual size in two processes."""
DEPTHS = 12000  # pictures whose depth is drawn
LOOKS = 4000  # pictures of the style

Data = Annotated[Path, typer.Option(help="Folder of the drawings.")]
Out = Annotated[Path, typer.Option(help="Folder of checkpoints and of what is computed once.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Minutes = Annotated[float | None, typer.Option(help="Length of each stage by the clock instead.")]
Steps = Annotated[int | None, typer.Option(help="Length of each stage in steps; by default the shipped one's.")]
Workers = Annotated[int, typer.Option(help="Single-thread processes.")]
Batch = Annotated[int, typer.Option(help="Samples of one process and step.")]
Face = Annotated[
    Path | None, typer.Option(help="Weights of resampler, face attention and IdentityNet; by default OUT's newest.")
]
Only = Annotated[str | None, typer.Option(help="One of canny, depth, depth_estimator; all without it.")]


def controls(
    data: Data, out: Out, seed: Seed = 0, minutes: Minutes = None, steps: Steps = None, workers: Workers = 2,
    batch: Batch = 32, face: Face = None, only: Only = None,
) -> None:  # fmt: skip
    """Train the nets that follow edges and depth, and the annotator of depth."""
    folder, pictures = out / "controls", data / "pictures" / "images.npy"
    depths = folder / "depth.npy"
    if only != "canny":
        drawings = load(data / "pictures")
        once(depths, {"pictures": drawings.digest}, lambda: draw_depths(drawings, depths, DEPTHS))

    def plan(stage: str, **rest: Any) -> loop.Plan:
        return _plan(stage, steps, minutes, workers=workers, **rest)

    if only in (None, "depth_estimator"):
        stage = EstimatorStage(pictures, depths, seed)
        learning = plan("depth_estimator", batch=16, lr=2e-3, muon=4e-3, warmup=30, hold=0.4, ema=0.99, log_steps=25)
        weights = loop.train(stage, learning, folder / "estimator", log=folder / "depth_estimator.log")
        save_estimator(weights, folder / "depth_estimator", side=np.load(depths, mmap_mode="r").shape[-1])
    for kind, maps in (("canny", Maps(pictures)), ("depth", Maps(pictures, depths))):
        if only in (None, kind):
            eye = folder / f"{kind}_eye.safetensors"
            looking = plan("eye", batch=48, lr=3e-3, warmup=20, hold=0.4, ema=0.99, log_steps=25)
            stage = EyeStage(maps, out / "prepared" / "latents.npy", seed=seed)
            save_file(loop.train(stage, looking, folder / f"{kind}_eye", log=folder / f"{kind}_eye.log"), eye)
            rows = _rows(out, face)
            learning = plan("control", batch=batch, muon=1.3e-3, warmup=30, hold=0.4, ema=0.995)
            net = ControlStage(rows, maps, eye, seed)
            weights = loop.train(net, learning, folder / f"{kind}_run", log=folder / f"{kind}.log")
            channels = np.load(rows.prepared / "latents.npy", mmap_mode="r").shape[1]
            save_control_net(weights, new_unet(rows.blocks, channels), folder / kind)


def style(
    data: Data, out: Out, seed: Seed = 0, minutes: Minutes = None, steps: Steps = None, workers: Workers = 2,
    batch: Batch = 32, face: Face = None,
) -> None:  # fmt: skip
    """Train the LoRA of a look that the base does not know."""
    rows, looks = _rows(out, face), out / "style"
    drawings, components = load(data / "pictures"), out / "components.npz"
    made_of = {"pictures": drawings.digest, "base": fingerprint(rows.base), "components": fingerprint(components)}
    once(looks / "rows.npy", made_of, lambda: style_lora.prepare(drawings, rows, components, looks, LOOKS))
    plan = _plan(
        "style_lora", steps, minutes, workers=workers, batch=batch, lr=3e-3, warmup=20, hold=0.4, ema=0.99,
        weight_decay=0.0,
    )  # fmt: skip
    weights = loop.train(style_lora.StyleStage(rows, looks, seed=seed), plan, looks / "run", log=out / "style.log")
    style_lora.save_lora(weights, out / "loras" / f"{style_lora.TRIGGER}.safetensors")


def ship(out: Out, to: Path) -> None:
    """Copy what was trained on the base into a bundle, and renew its list of hashes."""
    bundles.copy_extras(out, to)
    write_sums(to)


def _plan(stage: str, steps: int | None, minutes: float | None, **rest: Any) -> loop.Plan:
    if steps is None and minutes is None:
        steps = STEPS[stage]
    return loop.Plan(steps=steps, minutes=None if steps is not None else minutes, **rest)


def _rows(out: Path, face: Path | None) -> Rows:
    if face is None:
        _, learnt = bundles.newest(out)
        face = out / "controls" / "face.safetensors"
        face.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in learnt.items()}, face)
    return Rows(out / "prepared", bundles.base_file(out), face)
