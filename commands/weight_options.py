"""Options that name weights, the same in every command that takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from weights.registry import PROFILES

ProfileName = Annotated[str | None, typer.Option(help=f"One of: auto, {', '.join(PROFILES)}.")]
Base = Annotated[
    str | None, typer.Option(help="SDXL checkpoint: FILE.safetensors or OWNER/REPO.", show_default="by profile")
]
Decoder = Annotated[str | None, typer.Option(help="Decoder: own, or OWNER/REPO.", show_default="by profile")]
OwnAdapter = Annotated[
    Path | None, typer.Option(help="Face adapter: FILE, as training writes it.", show_default="by profile")
]
OwnIdentityNet = Annotated[
    Path | None, typer.Option(help="IdentityNet: FOLDER, as training writes it.", show_default="by profile")
]
ModelsDir = Annotated[
    Path | None, typer.Option(help="Where downloaded weights lie.", envvar="INSTANTID_MODELS_DIR", show_default=False)
]
