"""The pipelines against the official ones, against themselves with savings off, and after things were taken out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ip_adapter.checkpoint import adapter_shapes, save_adapter
from pipeline_instantid import StableDiffusionXLInstantIDImg2ImgPipeline, StableDiffusionXLInstantIDPipeline
from tests import tiny_sdxl
from tests.golden.cases import CASES, Case

GOLDEN = np.load(Path(__file__).parent / "golden" / "latents.npz")


def relative_error(ours: torch.Tensor | np.ndarray, theirs: torch.Tensor | np.ndarray) -> float:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


@pytest.fixture(scope="module")
def adapter_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapter") / "ip-adapter.safetensors"
    save_adapter(tiny_sdxl.adapter_state(adapter_shapes(tiny_sdxl.unet(), width=tiny_sdxl.WIDTH)), path)
    return path


@pytest.fixture(scope="module")
def pipelines(adapter_file: Path) -> Any:
    """A pipeline by variant and number of nets; every variant around the same UNet."""
    made: dict[tuple[bool, int], Any] = {}

    def get(variant: str = "plain", nets: int = 1) -> Any:
        key = (variant == "img2img", nets)
        if key not in made:
            kind = StableDiffusionXLInstantIDImg2ImgPipeline if key[0] else StableDiffusionXLInstantIDPipeline
            made[key] = kind(**tiny_sdxl.components(nets))
            made[key].set_progress_bar_config(disable=True)
            made[key].load_ip_adapter_instantid(adapter_file)
        return made[key]

    return get


def run(pipe: Any, case: Case, **changes: Any) -> torch.Tensor:
    pipe.scheduler = case.make_scheduler()
    return pipe(**case.arguments() | {"ip_adapter_scale": case.adapter} | changes).images


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_official_latents(pipelines: Any, case: Case) -> None:
    error = relative_error(run(pipelines(case.variant, case.nets), case), GOLDEN[case.name])
    print(f"{case.name}: {error:.1e}")
    assert error < 1e-3
