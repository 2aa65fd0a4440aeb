"""The examples that ship with the app: photos of drawn people whom no training has seen, and a template of one of them.

``python -m training.miniature.examples`` writes them to assets/examples. The template is the foreign recogniser's,
which the shipped adapter maps: where that recogniser is trained anew, ``--only-template`` writes it anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from face.analyzer import FaceAnalyzer
from face.photo import open_photo
from training.miniature.draw import render, render_group, render_place
from training.miniature.face_pack import ASSETS, OTHER_ASSETS
from training.miniature.person import EXAMPLE_SEEDS, Person
from training.miniature.shot import Shot
from weights.registry import PROFILES

FOLDER = Path(__file__).parents[2] / "assets" / "examples"
SIDE = 512
TEMPLATE, TEMPLATE_OF = "template.npy", "person_1.jpg"

_PEOPLE = (
    (26, Shot(yaw=-8, expression="smile", place="plain teal", clothes="jumper", clothes_colour="yellow", light=60)),
    (
        77,
        Shot(
            yaw=12, pitch=3, expression="smile", place="plain grey", clothes="shirt", clothes_colour="white", light=130
        ),
    ),
    (
        72,
        Shot(
            yaw=-14, roll=4, expression="smile", place="plain yellow", clothes="dress", clothes_colour="red", light=110
        ),
    ),
    (
        75,
        Shot(
            yaw=6, pitch=-4, expression="smile", place="plain purple", clothes="coat", clothes_colour="blue", light=70
        ),
    ),
    (30, Shot(yaw=-10, roll=-4, place="plain orange", clothes="hoodie", clothes_colour="grey", light=120)),
    (49, Shot(yaw=9, expression="smile", place="plain blue", clothes="suit", clothes_colour="black", light=50)),
)
_POSES = (
    (7, Shot(yaw=-35, face_size=0.55, place="plain green", clothes="t-shirt", clothes_colour="white")),
    (70, Shot(yaw=24, pitch=18, roll=8, face_size=0.52, place="plain pink", clothes="shirt", clothes_colour="teal")),
)
_GROUP = (
    (
        64,
        Shot(yaw=6, face_size=0.36, centre=(0.5, 0.3), place="garden", expression="smile", clothes="shirt", texture=3),
    ),
    (
        83,
        Shot(
            yaw=16,
            roll=4,
            face_size=0.34,
            centre=(0.21, 0.5),
            expression="smile",
            clothes="coat",
            clothes_colour="purple",
        ),
    ),
    (
        73,
        Shot(
            yaw=-14,
            roll=-3,
            face_size=0.33,
            centre=(0.79, 0.52),
            expression="smile",
            clothes="hoodie",
            clothes_colour="orange",
        ),
    ),
)
_NOBODY = Shot(place="beach", texture=4)


def _person(number: int) -> Person:
    return Person.from_seed(EXAMPLE_SEEDS.start + number)


def example_pictures(side: int = SIDE) -> dict[str, np.ndarray]:
    """File name -> (side, side, 3) uint8 RGB, the same at every run."""
    pictures = {f"person_{i}.jpg": render(_person(n), shot, side).image for i, (n, shot) in enumerate(_PEOPLE, 1)}
    pictures |= {f"pose_{i}.jpg": render(_person(n), shot, side).image for i, (n, shot) in enumerate(_POSES, 1)}
    pictures["group.jpg"] = render_group([(_person(n), shot) for n, shot in _GROUP], side)[0].image
    pictures["no_face.jpg"] = render_place(_NOBODY, side)
    return pictures


def example_template(folder: Path = FOLDER) -> np.ndarray:
    """(512,) float32: what the foreign recogniser keeps of the first example photo."""
    analyzer = FaceAnalyzer(OTHER_ASSETS, det_size=PROFILES["miniature"].det_size, detector_of=ASSETS)
    return analyzer.faces(open_photo(folder / TEMPLATE_OF))[0].embedding


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the example photos of the app, and keep a template of one.")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--only-template", action="store_true", help="leave the photos as they are")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, picture in ({} if options.only_template else example_pictures()).items():
        Image.fromarray(picture).save(options.out / name, quality=92)
    np.save(options.out / TEMPLATE, example_template(options.out))


if __name__ == "__main__":
    main()
