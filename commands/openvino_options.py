"""Options that the `openvino` commands share, and the weights that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from generation.bases import with_base
from generation.loading import pick_profile
from generation.settings import Settings
from weights.registry import Profile
from weights.store import Store

Out = Annotated[Path | None, typer.Option(help="Folder of a folder for each precision.", show_default="by profile")]
Exports = Annotated[Path | None, typer.Option(help="Folder of the exports.", show_default="by profile")]
DeviceName = Annotated[str | None, typer.Option(help="Device of OpenVINO: auto, CPU, GPU, NPU, AUTO.")]
Streams = Annotated[int | None, typer.Option(help="Rows beside each other on the CPU.", show_default="1")]
ActivationGroup = Annotated[
    int | None,
    typer.Option(help="CPU: numbers that share a scale when rounded to 8 bits.", show_default="OpenVINO's own"),
]


def opened(**options: Any) -> tuple[Settings, Store, Profile]:
    """Settings with these options, the store, and the profile that they name. Raises RequestError, WeightsError."""
    settings = Settings.from_environment(**options)
    store = Store(settings.models_dir, settings.offline or None)
    return settings, store, with_base(pick_profile(settings.profile), settings.base, settings.vae, store)
