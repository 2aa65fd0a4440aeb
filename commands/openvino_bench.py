"""`cli.py openvino bench`: where the time of a picture goes, network by network."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.openvino_making import calibration_requests
from commands.openvino_options import (
    ActivationGroup,
    DeviceName,
    Exports,
    Streams,
    opened,
)
from commands.watching import bar
from commands.weight_options import Base, Decoder, ModelsDir, ProfileName
from generation import compiled
from openvino_backend import installed


def bench(
    profile: ProfileName = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp16, int8, hybrid, int4 or fp32.")] = None,
    device: DeviceName = None,
    dtype: Annotated[str | None, typer.Option(help="Arithmetic: auto, float32, float16, bfloat16.")] = None,
    streams: Streams = None,
    activation_group: ActivationGroup = None,
    pictures: Annotated[int, typer.Option(help="Pictures after one that is not counted.", min=1, max=100)] = 1,
    out: Annotated[Path | None, typer.Option("--json", help="JSON file for the same figures.")] = None,
    exports: Exports = None,
    base: Base = None,
    vae: Decoder = None,
    models_dir: ModelsDir = None,
) -> None:
    """Time each network of an export while pictures of the profile's own size are made."""
    installed.require()
    settings, store, chosen = opened(
        profile=profile,
        precision=precision,
        device=device,
        dtype=dtype,
        streams=streams,
        activation_group=activation_group,
        exports=exports,
        models_dir=models_dir,
        base=base,
        vae=vae,
    )
    compiled.pick_precision(chosen, settings)
    from generation.engine import Engine

    began = time.perf_counter()
    parts = compiled.load(chosen, store, settings)
    loaded = time.perf_counter() - began
    engine = Engine(parts.pipeline, parts.analyzer, chosen, load_net=parts.load_net)
    request = calibration_requests(chosen, None, 1)[0]
    with bar() as tell:
        before: dict[str, tuple[int, float]] = {}
        for number in range(pictures + 1):
            tell("making", number, pictures + 1)
            if number == 1:
                before = {name: (one.calls, one.seconds) for name, one in parts.export.opened.items()}
                began = time.perf_counter()
            for _ in engine.generate(request):
                pass
    whole = (time.perf_counter() - began) / pictures
    found: dict[str, Any] = {
        **{"profile": chosen.name, "precision": parts.provenance["precision"], "device": parts.export.device.name},
        **{"load_seconds": loaded, "seconds_a_picture": whole, "networks": {}},
    }
    for name, one in parts.export.opened.items():
        calls, seconds = one.calls - before[name][0], one.seconds - before[name][1]
        found["networks"][name] = {
            "calls": calls / pictures,
            "seconds_a_call": seconds / calls if calls else None,
            "share": seconds / pictures / whole,
            "devices": one.devices,
        }
    from evaluation.tables import table

    rows = [
        [name, f"{one['calls']:g}", one["seconds_a_call"], f"{one['share']:.0%}", ", ".join(one["devices"])]
        for name, one in found["networks"].items()
    ]
    print(table(("network", "calls a picture", "seconds a call", "of a picture", "runs on"), rows))
    print(f"\n{chosen.name} at {found['precision']}: loaded in {loaded:.1f} s, {whole:.2f} s a picture")
    if out is not None:
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
