"""Figures of the controls on the miniature: speed modes, strength presets, several people, into a photo, small faces.

`python -m benchmarks.control modes --people 8` prints one table; parts: modes, strengths, people, into, refine, best,
edges, depths, look. `--report docs/CONTROL.md` writes them down, with the command.
The people were never seen in training; times are of this machine and whatever else it is doing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import following
from benchmarks.following import likeness
from face.face import similarity
from face.references import SAME_PERSON
from generation.engine import Engine
from generation.loading import load_engine
from generation.modes import modes_of
from generation.people import Person
from generation.request import GenerationRequest, GenerationResult
from generation.settings import Settings
from generation.strengths import STRENGTHS
from training.miniature.draw import render
from training.miniature.person import Person as Drawn
from training.miniature.shot import Shot

FIRST_UNSEEN = 9_000_000
CLOSE = {"view": "front"}
PROMPT = "a portrait, photo, grey background"


def photos(count: int) -> list[Image.Image]:
    """Reference pictures of unseen people."""
    return [Image.fromarray(render(Drawn.from_seed(FIRST_UNSEEN + number), Shot()).image) for number in range(count)]


def made(engine: Engine, photo: Image.Image, seed: int, **wish: Any) -> GenerationResult:
    """The result of one request."""
    *_, result = engine.generate(GenerationRequest(photos=(photo,), prompt=PROMPT, seed=seed, **wish))
    assert isinstance(result, GenerationResult)
    return result


def mean(values: list[float | None]) -> str:
    """Mean of what was measurable."""
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.3f}" if known else "-"


def modes(engine: Engine, count: int) -> Iterator[str]:
    yield "| mode | steps | seconds a picture | likeness | keypoint error |\n|---|---|---|---|---|"
    for mode in modes_of(engine.profile)[:-1]:  # the last, turbo, is another name of one of them
        began = time.perf_counter()
        results = [made(engine, photo, seed, mode=mode, **CLOSE) for seed, photo in enumerate(photos(count))]
        seconds = (time.perf_counter() - began) / count
        images = [result.images[0] for result in results]
        error = mean([one.keypoint_error for one in images])
        told = likeness([one.identity for one in images])
        named = f"{mode} (turbo)" if mode == engine.profile.turbo else mode
        yield f"| {named} | {results[0].settings['steps']} | {seconds:.2f} | {told} | {error} |"


def strengths(engine: Engine, count: int) -> Iterator[str]:
    yield "| preset | likeness | saturation to plain | contrast to plain |\n|---|---|---|---|"
    for name in STRENGTHS:
        wish = {"strengths": name, "compare_colours": True, **CLOSE}
        images = [made(engine, photo, seed, **wish).images[0] for seed, photo in enumerate(photos(count))]
        colours = [one.colours for one in images if one.colours is not None]
        yield (
            f"| {name} | {likeness([one.identity for one in images])} | {mean([one.saturation for one in colours])} "
            f"| {mean([one.contrast for one in colours])} |"
        )


def people(engine: Engine, count: int) -> Iterator[str]:
    yield f"Two people of {count} pairs, each face about as large as one of a close portrait.\n"
    pairs = photos(2 * count)
    wide = {"width": 256, "height": 128}
    images = [
        made(engine, first, seed, others=(Person((second,)),), **wide).images[0]
        for seed, (first, second) in enumerate(zip(pairs[::2], pairs[1::2], strict=True))
    ]
    both = [one.identity is not None and one.identity >= SAME_PERSON for one in images]
    alone = [made(engine, photo, seed, **CLOSE).images[0].identity for seed, photo in enumerate(pairs)]
    yield f"| | likeness of each | both at or above {SAME_PERSON} | swapped |\n|---|---|---|---|"
    scores = [score.identity for one in images for score in one.people]
    swapped = np.mean([one.swapped for one in images])
    yield f"| two in one picture | {likeness(scores)} | {np.mean(both):.2f} | {swapped:.2f} |"
    yield f"| each alone | {likeness(alone)} | {np.mean([(one or 0) >= SAME_PERSON for one in alone]):.2f} | |"


def into(engine: Engine, count: int) -> Iterator[str]:
    yield "| strength | likeness to the person | to whom the photo showed | pixels changed |\n|---|---|---|---|"
    everybody = photos(count + 1)
    for strength in (0.6, 0.8, 1.0):
        own, rest, changed = [], [], []
        for seed, (photo, ground) in enumerate(pairwise(everybody)):
            result = made(engine, photo, seed, into=ground, strength=strength)
            image = result.images[0].image
            own.append(result.images[0].identity)
            faces = (engine.analyzer.find(image), engine.analyzer.find(ground))
            rest.append(similarity(faces[0][0].embedding, faces[1][0].embedding) if all(faces) else None)
            changed.append(float((np.asarray(image) != np.asarray(ground)).any(axis=-1).mean()))
        yield f"| {strength} | {likeness(own)} | {likeness(rest)} | {mean(changed)} |"


def refine(engine: Engine, count: int) -> Iterator[str]:
    yield "| face over the short side | likeness before | after |\n|---|---|---|"
    for size in (0.3, 0.4):
        wish = {"view": "front", "view_size": size, "width": 192, "height": 160, "refine": "always"}
        images = [made(engine, photo, seed, **wish).images[0] for seed, photo in enumerate(photos(count))]
        before = likeness([one.identity if one.before is None else one.before.identity for one in images])
        yield f"| {size} | {before} | {likeness([one.identity for one in images])} |"


def best(engine: Engine, count: int) -> Iterator[str]:
    yield "| kept | likeness |\n|---|---|"
    for tries in (None, 4):
        wish = {"best_of": tries, **CLOSE}
        images = [made(engine, photo, 10 * number, **wish).images[0] for number, photo in enumerate(photos(count))]
        name = "the first" if tries is None else f"the best of {tries}"
        yield f"| {name} | {likeness([one.identity for one in images])} |"


PARTS: dict[str, Callable[[Engine, int], Iterator[str]]] = {
    "modes": modes,
    "strengths": strengths,
    "people": people,
    "into": into,
    "refine": refine,
    "best": best,
    "edges": following.edges,
    "depths": following.depths,
    "look": following.look,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="+", choices=[*PARTS], help="which tables")
    parser.add_argument("--people", type=int, default=8, help="people, or pairs of people, in each row")
    parser.add_argument("--report", type=Path, help="write the tables to this file, with the command above them")
    chosen = parser.parse_args()
    lines = ["# Control, measured", "", f"`python -m benchmarks.control {' '.join(sys.argv[1:])}`", ""]
    lines += [
        "Likeness is the cosine by the miniature's own recogniser, which the pictures are made from too; what a second "
        "one says is in [RESULTS.md](RESULTS.md). A face that was not found counts as 0.",
        "",
    ]
    engine = load_engine("miniature", Settings.from_environment(device="cpu"))
    for part in chosen.parts:
        table = [f"## {part}, {chosen.people} people", ""]
        print(f"\n{table[0]}\n")
        for line in PARTS[part](engine, chosen.people):
            print(line, flush=True)
            table.append(line)
        lines += [*table, ""]
    if chosen.report is not None:
        chosen.report.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
