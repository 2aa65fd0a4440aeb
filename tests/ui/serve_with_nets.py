"""Starts the app with random ControlNets where the shipped miniature has none: `serve_with_nets.py FOLDER ...`."""

import os
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from app import main
from ui.followed import kinds_of
from weights.bundle import write_sums
from weights.registry import ASSETS, PROFILES, Part, Weight

KINDS = ("canny", "depth")


def random_nets(folder: Path) -> Weight:
    """Nets of the miniature's shapes without attention, which were never trained."""
    import torch
    from diffusers import ControlNetModel

    config = dict(ControlNetModel.load_config(ASSETS / "miniature" / "ControlNetModel"))
    config |= {"down_block_types": ["DownBlock2D"] * 2, "mid_block_type": "UNetMidBlock2D"}
    for number, kind in enumerate(KINDS):
        torch.manual_seed(number)
        net = ControlNetModel.from_config(config)
        for name, tensor in net.named_parameters():
            if name.startswith("controlnet_"):
                torch.nn.init.normal_(tensor, std=0.02)
        net.save_pretrained(folder / kind)
    write_sums(folder)
    return Weight("nets", "", None, (), "Apache-2.0", "", "tests", folder=folder)


if __name__ == "__main__":
    miniature = PROFILES["miniature"]
    if not set(KINDS) <= set(kinds_of(miniature)):
        nets = random_nets(Path(sys.argv[1]))
        PROFILES["miniature"] = replace(miniature, controls=tuple((kind, Part(nets, kind)) for kind in KINDS))
    sys.exit(main(sys.argv[2:]))
