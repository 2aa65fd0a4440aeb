"""A decoder of SDXL's size with random weights on the processor, its channels apart and its channels last.

`python -m benchmarks.vae_layout [--side 512] [--times 3]` decodes in both layouts by turns and prints seconds, by the
clock and of all cores together, and their ratio.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

import torch
from diffusers import AutoencoderKL

SDXL: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
LAYOUTS = {"channels apart": torch.contiguous_format, "channels last": torch.channels_last}
NEAR = 1e-3
"""Of the largest value; the layouts add in another order."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--side", type=int, default=512, help="pixels")
    parser.add_argument("--times", type=int, default=3, help="decodings that are timed in each layout")
    chosen = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    vae: Any = AutoencoderKL(**SDXL).eval()
    latents = torch.randn(1, 4, chosen.side // 8, chosen.side // 8)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in LAYOUTS}
    pixels = {}
    with torch.inference_mode():
        for number in range(chosen.times + 1):
            for name, layout in LAYOUTS.items():
                vae.to(memory_format=layout)
                clock, cores = time.perf_counter(), time.process_time()
                pixels[name] = vae.decode(latents).sample
                if number:
                    taken[name].append((time.perf_counter() - clock, time.process_time() - cores))
    error = (pixels["channels apart"] - pixels["channels last"]).abs().max() / pixels["channels apart"].abs().max()
    assert error < NEAR, f"the layouts differ by {error:.1e}"
    best = {name: [min(each) for each in zip(*times, strict=True)] for name, times in taken.items()}
    for name, (clock, cores) in best.items():
        print(f"{name}: {clock:.2f} s, {cores:.2f} s of all cores, to {chosen.side} px at float32")
    ratios = [ours / theirs for ours, theirs in zip(best["channels apart"], best["channels last"], strict=True)]
    print(f"channels last is {ratios[0]:.2f} times as fast by the clock, {ratios[1]:.2f} times by the cores")


if __name__ == "__main__":
    main()
