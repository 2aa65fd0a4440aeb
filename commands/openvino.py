"""`cli.py openvino ...`: the networks in OpenVINO's format, with fewer bits where asked, compared and timed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands import openvino_making as making
from commands.openvino_bench import bench
from commands.openvino_compare import compare
from commands.openvino_options import Out, opened
from commands.weight_options import Base, Decoder, ModelsDir, ProfileName
from generation import compiled
from openvino_backend import installed

app = typer.Typer(help="The networks on OpenVINO, for processors and graphics of Intel.", no_args_is_help=True)


@app.command()
def export(
    profile: ProfileName = None,
    precision: Annotated[str, typer.Option(help="Of the stored weights: fp16 or fp32.")] = "fp16",
    base: Base = None,
    vae: Decoder = None,
    control: Annotated[
        list[str] | None,
        typer.Option(
            help="A further ControlNet: pose, canny or depth. May be repeated.", show_default="those that are here"
        ),
    ] = None,
    lora: Annotated[
        list[str] | None, typer.Option(help="NAME:WEIGHT that becomes part of the networks. May be repeated.")
    ] = None,
    out: Out = None,
    models_dir: ModelsDir = None,
) -> None:
    """Convert every network of a profile, one after another. What is there and unchanged stays."""
    installed.require()
    settings, store, chosen = opened(profile=profile, models_dir=models_dir, base=base, vae=vae, exports=out)
    loras = [_lora(text) for text in lora or ()]
    controls = compiled.controls_here(chosen, store) if control is None else control
    manifest, folder = making.exported(chosen, store, settings, precision, controls=controls, loras=loras)
    for name, entry in manifest.networks.items():
        print(f"{name}: {entry.bytes / 2**20:.1f} MiB")
    print(folder)


@app.command()
def quantize(
    profile: ProfileName = None,
    precision: Annotated[str, typer.Option(help="int8, hybrid or int4.")] = "int8",
    subset_size: Annotated[int, typer.Option(help="Calibration samples of each network.", min=1, max=4096)] = 64,
    group_size: Annotated[
        int | None, typer.Option(help="INT4 weights that share a scale; -1 a row.", show_default="largest that fits")
    ] = None,
    ratio: Annotated[float | None, typer.Option(help="INT4: share of 4-bit matrices.", show_default="0.8")] = None,
    people: Annotated[
        Path | None, typer.Option(help="Folder of photos to calibrate on.", show_default="the examples")
    ] = None,
    base: Base = None,
    vae: Decoder = None,
    source: Annotated[str | None, typer.Option("--from", help="Export to start from: fp16 or fp32.")] = None,
    out: Out = None,
    models_dir: ModelsDir = None,
) -> None:
    """Compress an export; what needs calibration is calibrated on pictures made of example faces and prompts."""
    installed.require("nncf")
    settings, store, chosen = opened(profile=profile, models_dir=models_dir, base=base, vae=vae, exports=out)
    ((manifest, folder),) = making.quantised(
        chosen,
        store,
        settings,
        (precision,),
        begin=source,
        subset=subset_size,
        group_size=group_size,
        ratio=ratio,
        people=people,
    )
    for name, entry in manifest.networks.items():
        print(f"{name}: {entry.bytes / 2**20:.1f} MiB, {entry.made['recipe']}")
    print(folder)


app.command()(compare)
app.command()(bench)


def _lora(text: str) -> tuple[str, float]:
    """NAME:WEIGHT, or NAME at weight 1."""
    name, _, weight = text.rpartition(":")
    try:
        return (name, float(weight)) if name else (text, 1.0)
    except ValueError:
        return text, 1.0
