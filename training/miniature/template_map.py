"""The map from the foreign recogniser's templates to the miniature's own, fitted on people whom neither learnt from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from template_adapter.fit import fit
from template_adapter.pairs import Pairs
from template_adapter.people import people_of
from template_adapter.vectors import Array
from training.miniature.claims import fingerprint, once
from training.miniature.dataset import draw
from training.miniature.face_pack import ASSETS, RECOGNISER_FILE, Recogniser
from training.miniature.sets import LIMITS, REFERENCE_STYLES
from training.miniature.telling import say
from weights.bundle import write_sums

PEOPLE = 11_000
HELD_OUT = 1 / 11
FIRST_PERSON = 1_000_000
"""Nobody from here on is in the pictures that either recogniser learnt from, nor in those of the generator."""

SOURCE, TARGET = "face_other", "face"
MAP_FILE = "adapter.safetensors"
NAMES: dict[str, Any] = {"source": SOURCE, "target": "miniature"}


def embeddings(data: Path, bundle: Path, people: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, 512) float32 of both recognisers of a bundle, and whose each row is.

    Drawn people, one shot each, at their true keypoints. The drawings and the embeddings are kept in ``data``.
    """
    file = data / f"templates-{people}.npz"

    def make() -> None:
        drawn = draw(people, 1, 5, data / f"templates-{people}", first_person=FIRST_PERSON, **_SHOTS)
        found = {
            name: Recogniser(bundle / name).embed_faces(map(np.asarray, drawn.images), drawn.keypoints)
            for name in (SOURCE, TARGET)
        }
        np.savez(file, people=drawn.people, source=found[SOURCE], target=found[TARGET])

    once(file, {name: fingerprint(bundle / name / RECOGNISER_FILE) for name in (SOURCE, TARGET)}, make)
    with np.load(file) as kept:
        return kept["source"], kept["target"], kept["people"]


_SHOTS: dict[str, Any] = {"style_shares": REFERENCE_STYLES, **LIMITS}


def fitted_pairs(data: Path, bundle: Path, people: int = PEOPLE) -> Pairs:
    """What the map is fitted on; a part of the people is held out."""
    source, target, whose = embeddings(data, bundle, people)
    return Pairs(Array(source), Array(target), codes=people_of(whose, of="the drawings").codes, held_out=HELD_OUT)


def template_map(
    data: Annotated[Path, typer.Option(help="Folder of the drawings.")],
    to: Annotated[Path, typer.Option(help="The bundle whose recognisers are taken, and that gets the map.")] = (
        ASSETS.parent
    ),
    people: Annotated[int, typer.Option(min=22, help="People to fit on, one in eleven held out.")] = PEOPLE,
) -> None:
    """Fit the map from the foreign recogniser's templates to the miniature's own, and put it into the bundle."""
    found = fit(fitted_pairs(data, to, people), **NAMES)
    found.save(to / SOURCE / MAP_FILE)
    write_sums(to)
    say(f"template-map: {people} people, cosine {found.about.cosine:.3f}, held out {found.about.held_out_cosine:.3f}")
