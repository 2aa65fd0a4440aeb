"""A thousand requests to one service, and what its memory does: `python benchmarks/soak.py [--requests 1000]`.

Miniature pictures of mixed sizes, steps, schedulers and counts, each submitted, awaited and fetched over HTTP from a
service of its own on loopback. Memory is the resident set of its process, read after every request.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.serving import EXAMPLE, Service, wait_for  # noqa: E402

SIZES = ((96, 96), (128, 128), (128, 160), (160, 128))
SCHEDULERS = ("DDIM", "Euler", "DPM++ 2M", "UniPC")


def wish(number: int) -> dict[str, str]:
    """The settings of one request: every combination comes again and again."""
    width, height = SIZES[number % 4]
    return {
        "width": str(width),
        "height": str(height),
        "steps": str(1 + number % 3),
        "scheduler": SCHEDULERS[number // 4 % 4],
        "guidance": ("1", "2.5")[number // 16 % 2],
        "count": str(1 + (number % 10 == 0)),
        "seed": str(number),
        "view": "front",
    }


def slope(megabytes: list[float]) -> float:
    """MB per 1,000 requests, a line through the second half of the readings."""
    half = megabytes[len(megabytes) // 2 :]
    return float(np.polyfit(np.arange(len(half)), half, 1)[0] * 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    readings: list[float] = []
    failed: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder), kept="60") as service:
        began = time.perf_counter()
        for number in range(asked.requests):
            job = service.submit(wish(number), EXAMPLE)
            job = wait_for(service, job["id"])
            if job["state"] == "done":
                for image in job["result"]["images"]:
                    service.client.get(image["url"]).raise_for_status()
            else:
                code = job["error"]["code"] if job["error"] else job["state"]
                failed[code] = failed.get(code, 0) + 1
            readings.append(service.megabytes())
            if number % 50 == 49:
                print(f"{number + 1} requests, {readings[-1]:.0f} MB, {time.perf_counter() - began:.0f} s", flush=True)
        seconds = time.perf_counter() - began
        store = sum(path.stat().st_size for path in Path(folder).glob("jobs.db*")) / 2**20
    tenth = max(1, len(readings) // 10)
    told = {
        "requests": asked.requests,
        "failed": failed,
        "seconds": round(seconds, 1),
        "first_tenth_mb": round(float(np.mean(readings[tenth : 2 * tenth])), 1),
        "last_tenth_mb": round(float(np.mean(readings[-tenth:])), 1),
        "peak_mb": round(max(readings), 1),
        "slope_mb_per_1000_second_half": round(slope(readings), 1),
        "store_mb_at_the_end": round(store, 1),
    }
    print(json.dumps(told, indent=1))
    if asked.out is not None:
        asked.out.write_text(
            json.dumps({**told, "megabytes": [round(one, 1) for one in readings]}) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
