"""Ask the official pipelines for the latents that ours must reproduce: tests/golden/latents.npz.

    python scripts/make_golden.py path/to/InstantID [--out latents.npz]

The checkout (github.com/InstantID/InstantID) is only imported. Both sides are given the weights of tests/tiny_sdxl.py.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.controlnets import multicontrolnet

HOME = Path(__file__).resolve().parent.parent
MODULES = {
    "plain": ("pipeline_stable_diffusion_xl_instantid", "StableDiffusionXLInstantIDPipeline"),
    "full": ("pipeline_stable_diffusion_xl_instantid_full", "StableDiffusionXLInstantIDPipeline"),
    "img2img": ("pipeline_stable_diffusion_xl_instantid_img2img", "StableDiffusionXLInstantIDImg2ImgPipeline"),
}


def official_pipeline(variant: str, nets: int) -> Any:
    """The official pipeline around the tiny weights, adapter loaded."""
    from tests import tiny_sdxl

    name, class_name = MODULES[variant]
    module = importlib.import_module(name)
    pipe = getattr(module, class_name)(**tiny_sdxl.components(nets))
    pipe.set_progress_bar_config(disable=True)

    resampler = module.Resampler
    heads = tiny_sdxl.WIDTH // 64
    module.Resampler = lambda **sizes: resampler(**{**sizes, "dim": tiny_sdxl.WIDTH, "heads": heads})
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/ip-adapter.bin"
        torch.save(_adapter_state(pipe, module), file)
        pipe.load_ip_adapter_instantid(file)
    module.Resampler = resampler
    return pipe


def _adapter_state(pipe: Any, module: Any) -> dict[str, dict[str, torch.Tensor]]:
    """Weights for the tensors that the official code itself expects."""
    from tests import tiny_sdxl

    resampler = module.Resampler(
        depth=4, dim_head=64, num_queries=16, embedding_dim=512, output_dim=tiny_sdxl.DIM, ff_mult=4
    )
    unet, shapes = pipe.unet, {"image_proj": resampler.state_dict(), "ip_adapter": {}}
    for index, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            hidden = unet.get_submodule(name.removesuffix(".processor")).inner_dim
            shapes["ip_adapter"] |= {
                f"{index}.to_{each}_ip.weight": torch.empty(hidden, tiny_sdxl.DIM) for each in "kv"
            }
    return tiny_sdxl.adapter_state(
        {group: {key: tuple(tensor.shape) for key, tensor in table.items()} for group, table in shapes.items()}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--out", type=Path, default=HOME / "tests" / "golden" / "latents.npz")
    options = parser.parse_args()

    # The module was moved after the official code was written; nothing else stands in the way of importing it.
    sys.modules["diffusers.pipelines.controlnet.multicontrolnet"] = multicontrolnet
    sys.path.insert(0, str(options.checkout.resolve()))
    attention = importlib.import_module("ip_adapter.attention_processor")
    for module, _ in MODULES.values():
        importlib.import_module(module)
    sys.path.append(str(HOME))  # only now, for its ip_adapter has the same name as theirs
    from tests.golden.cases import CASES

    latents = {}
    for case in CASES:
        attention.region_control.prompt_image_conditioning = []  # the mask of an earlier call would still act
        pipe = official_pipeline(case.variant, case.nets)
        pipe.scheduler = case.make_scheduler()
        pipe.set_ip_adapter_scale(case.adapter)
        latents[case.name] = pipe(**case.arguments()).images.numpy()
        print(f"{case.name}: {latents[case.name].shape}, std {latents[case.name].std():.3f}")
    np.savez_compressed(options.out, **latents)


if __name__ == "__main__":
    main()
