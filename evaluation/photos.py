"""People from photographs, a folder a person, and wishes for photographic weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from errors import PhotoError, RequestError
from evaluation.cases import Reader, Subject, Take, Wish
from face.folders import files_below
from face.photo import ENDINGS, open_photo
from training.photos import OTHERS

if TYPE_CHECKING:
    from evaluation.making import Tell

PHOTOS = 4
WORDS: dict[str, dict[str, str]] = {
    "style": {
        "photo": "a portrait photo",
        "watercolor": "a watercolor painting",
        "line art": "a black and white line drawing",
        "film noir": "a black and white film noir photo",
        "neon": "a portrait in neon light",
        "cartoon": "a cartoon",
        "oil painting": "an oil painting",
    },
    "place": {
        "beach": "on a beach by the sea",
        "snow": "in a snowy landscape",
        "jungle": "in a green jungle",
        "night city": "in a city at night",
        "library": "in a library with books",
        "desert": "in a desert at sunset",
        "garden": "in a flower garden",
        "studio": "in front of a plain grey wall",
    },
    "clothes": {
        "t-shirt": "wearing a t-shirt",
        "suit": "wearing a suit and tie",
        "hoodie": "wearing a hoodie",
        "coat": "wearing a winter coat",
        "dress": "wearing an elegant dress",
    },
    "expression": {
        "neutral": "with a neutral face",
        "smile": "smiling",
        "open mouth": "laughing with open mouth",
        "frown": "frowning",
        "surprised": "looking surprised",
    },
}
"""Attribute -> option -> words, of the prompts and of what CLIP compares the pictures with."""


@dataclass(frozen=True, eq=False)
class PhotoWorld:
    """See `evaluation.cases.World`."""

    subjects: tuple[Subject, ...]
    gallery: tuple[Image.Image, ...]
    wishes: tuple[Wish, ...]
    reader: Reader | None
    left_out: Mapping[str, str] = field(default_factory=dict)
    nobody: Sequence[str] = ()
    drawn = False

    def true_picture(self, take: Take) -> Image.Image | None:
        """None: nobody took a photograph of the person as the wish asks."""
        return None

    @property
    def megabytes(self) -> None:
        return None

    def marked(self) -> list[tuple[Image.Image, np.ndarray]]:
        """None: nobody marked the photographs."""
        return []

    def through_autoencoder(self, pictures: Sequence[Image.Image]) -> list[Image.Image]:
        """None: an autoencoder for photographs costs likeness next to nothing."""
        return []


def photo_world(
    folder: Path,
    people: int,
    wishes: int,
    seed: int,
    *,
    gallery: int = 100,
    reader: Reader | None,
    accept: Callable[[Image.Image], bool],
    tell: Tell = lambda what, done, total: None,
) -> PhotoWorld:
    """The people of a folder, in an order that the seed gives; those beyond `people` only stand among the others.

    Args:
        folder: one folder a person with at least one photo each, in it or in folders and links below it. Of several
            photos the last half, and what is beyond the fourth, is never given to the engine.
        gallery: people to be told apart, the subjects among them; further folders are not opened.
        reader: tells what pictures show; None leaves the prompt figures out.
        accept: whether a photo has a face; the others are left out, files that cannot be read among them, and so is a
            person without any. Both stand in the world's lists.

    Raises RequestError when the folder holds fewer than two people.
    """
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    names = [path for path in inside if path.is_dir()]
    loose = [path for path in inside if not path.is_dir() and _is_picture(path)]
    random = np.random.default_rng([seed, 47])
    subjects: list[Subject] = []
    nobody: list[str] = []
    left_out = {path.name: "in no person's folder" for path in loose}
    for done, index in enumerate(random.permutation(len(names))):
        if len(subjects) >= max(people, gallery):
            break
        tell("looking at people", done, len(names))
        faces = _faces(names[index], accept, left_out)
        if pictures := list(faces if len(subjects) < people else islice(faces, 1)):
            given = min(PHOTOS, -(-len(pictures) // 2))
            name = f"person {len(subjects) + 1}"
            subjects.append(Subject(name, tuple(pictures[:given]), tuple(pictures[given : given + 1])))
        else:
            nobody.append(names[index].name)
    if len(subjects) < 2:
        raise RequestError(
            f"{folder} has photos with a face of {len(subjects)} people; likeness needs others to be told from.",
            field="people",
            cure="Give a folder with one folder of photos for each person, two people at least.",
        )
    if reader is not None:
        subjects = [_with_expression(subject, reader) for subject in subjects]
    return PhotoWorld(
        subjects=tuple(subjects[:people]),
        gallery=tuple(subject.photos[0] for subject in subjects[people:]),
        wishes=tuple(_wish(random) for _ in range(wishes)),
        reader=reader,
        left_out=left_out,
        nobody=tuple(nobody),
    )


def _faces(person: Path, accept: Callable[[Image.Image], bool], left_out: dict[str, str]) -> Iterator[Image.Image]:
    """Photos of a person with a face, of the first that there are; a line in `left_out` for each of the others."""
    names = {path: path.relative_to(person.parent).as_posix() for path in _photos_in(person)}
    for path, name in names.items():
        if path.suffix.lower() in OTHERS:
            left_out[name] = f"pictures of the kind {path.suffix.lower()} are not read"
    for path in [path for path in names if names[path] not in left_out][: 2 * PHOTOS]:
        name = names[path]
        try:
            picture = open_photo(path, field="people")
        except PhotoError as error:
            left_out[name] = error.message
            continue
        if accept(picture):
            yield picture
        else:
            left_out[name] = "no face was found"


def _photos_in(person: Path) -> list[Path]:
    """Pictures at any depth by their names."""
    return sorted(filter(_is_picture, files_below(person)))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS + OTHERS


def _with_expression(subject: Subject, reader: Reader) -> Subject:
    seen = reader.read([np.asarray(subject.photos[0])])["expression"][0]
    return Subject(subject.name, subject.photos, subject.others, reader.options["expression"][int(seen.argmax())])


def _wish(random: np.random.Generator) -> Wish:
    wanted = {name: str(random.choice(list(options))) for name, options in WORDS.items()}
    style, place, clothes, face = (WORDS[name][wanted[name]] for name in ("style", "place", "clothes", "expression"))
    return Wish(f"{style} of a person {place}, {clothes}, {face}", wanted)
