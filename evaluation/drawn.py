"""People of the drawn world, whom the seed chooses among those kept for evaluation, and wishes in its own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from errors import RequestError, WeightsCorrupt
from evaluation.cases import Subject, Take, Wish
from face.views import VIEWS

if TYPE_CHECKING:
    from evaluation.making import Tell

PHOTOS = 4
SCENE_SHARE = 0.6
REFERENCE: dict[str, Any] = {"style": "photo", "yaw": 30.0, "pitch": 14.0, "roll": 15.0, "face_size": (0.55, 0.72)}
"""How a person is photographed: turned and with any expression, so that copying the photo can be told from likeness."""
TRUE_FACE_SIZE, TRUE_CENTRE = 0.66, (0.5, 0.48)


@dataclass(frozen=True, eq=False)
class DrawnWorld:
    """See `evaluation.cases.World`. people: everybody's seeds, the subjects' first; shots: what each wish asks for,
    fields of a Shot."""

    subjects: tuple[Subject, ...]
    gallery: tuple[Image.Image, ...]
    wishes: tuple[Wish, ...]
    reader: Any
    people: tuple[int, ...]
    shots: tuple[dict[str, Any], ...]
    size: int
    bundle: Path
    drawn = True

    @property
    def left_out(self) -> Mapping[str, str]:
        """Drawings are never files, and one without a face is drawn again."""
        return {}

    @property
    def nobody(self) -> Sequence[str]:
        """Everybody can be drawn."""
        return ()

    @property
    def megabytes(self) -> float:
        return sum(file.stat().st_size for file in self.bundle.rglob("*") if file.is_file()) / 1e6

    def true_picture(self, take: Take) -> Image.Image:
        """The person drawn in the style, place, clothes, expression and direction that the take asks for."""
        from training.miniature.draw import render
        from training.miniature.person import Person
        from training.miniature.shot import Shot

        view = VIEWS[take.view]
        pose: dict[str, Any] = {"yaw": view.yaw, "pitch": view.pitch, "roll": view.roll}
        where: dict[str, Any] = {"face_size": TRUE_FACE_SIZE, "centre": TRUE_CENTRE}
        shot = Shot(**self.shots[take.wish], **pose, **where, texture=take.seed)
        return Image.fromarray(render(Person.from_seed(self.people[take.subject]), shot, self.size).image)

    def marked(self) -> list[tuple[Image.Image, np.ndarray]]:
        """Everybody's first photo, whether or not a face is found in it."""
        drawings = (_drawing(person, 0, self.size)[0] for person in self.people)
        return [(Image.fromarray(drawing.image), drawing.keypoints) for drawing in drawings]

    def through_autoencoder(self, pictures: Sequence[Image.Image]) -> list[Image.Image]:
        """The pictures encoded and decoded again by the bundle's autoencoder."""
        from diffusers import AutoencoderKL

        from training.miniature.attribute_training import softened

        autoencoder = AutoencoderKL.from_pretrained(self.bundle / "base" / "vae").float().eval()
        copies = softened(np.stack([np.asarray(picture) for picture in pictures]), autoencoder, 0, noise=0.0)
        return [Image.fromarray(copy) for copy in copies]


def draw_world(
    people: int,
    gallery: int,
    wishes: int,
    seed: int,
    *,
    size: int,
    bundle: Path,
    accept: Callable[[Image.Image], bool],
    tell: Tell = lambda what, done, total: None,
) -> DrawnWorld:
    """Draw the people and choose the wishes.

    Args:
        people: subjects. gallery: people to be told apart, the subjects among them.
        size: side of the drawings in pixels.
        bundle: folder with the autoencoder and the weights of the attribute reader.
        accept: whether a photo has a face that can be found; one without is taken again.

    Raises RequestError when the drawing library is not installed.
    """
    try:
        import skia  # noqa: F401
    except ImportError as error:
        raise RequestError(
            "The drawn world cannot be drawn: skia-python is not installed.",
            field="profile",
            cure="Run: pip install -r requirements-dev.txt -c constraints.txt",
        ) from error
    from training.miniature.attributes import FILE, AttributeReader
    from training.miniature.person import EVALUATION_SEEDS

    random = np.random.default_rng([seed, 41])
    chosen = random.choice(len(EVALUATION_SEEDS), max(people, gallery), replace=False) + EVALUATION_SEEDS.start
    seeds = [int(number) for number in chosen]
    shots = _wishes(wishes, random)

    def in_turn() -> Iterator[tuple[int, int]]:
        for number, person in enumerate(seeds):
            tell("drawing people", number, len(seeds))
            yield number, person

    numbered = in_turn()
    return DrawnWorld(
        subjects=tuple(_subject(number, person, size, accept) for number, person in islice(numbered, people)),
        gallery=tuple(_photos(person, 1, size, accept)[0][0] for _, person in numbered),
        wishes=tuple(_said(fields) for fields in shots),
        reader=AttributeReader(bundle / FILE),
        people=tuple(seeds),
        shots=tuple(shots),
        size=size,
        bundle=bundle,
    )


def _photos(person: int, count: int, size: int, accept: Callable[[Image.Image], bool]) -> list[tuple[Image.Image, str]]:
    """Photos of a person, and the expression in each."""
    photos: list[tuple[Image.Image, str]] = []
    for number in range(4 * count + 8):
        drawing, expression = _drawing(person, number, size)
        picture = Image.fromarray(drawing.image)
        if accept(picture):
            photos.append((picture, expression))
        if len(photos) == count:
            return photos
    raise WeightsCorrupt(
        "The detector finds no face in drawings.", field="face_pack", cure="Run: python cli.py doctor --deep"
    )


def _drawing(person: int, number: int, size: int) -> tuple[Any, str]:
    """A photo of a person, as rendered, and the expression in it."""
    from training.miniature.draw import render
    from training.miniature.person import Person
    from training.miniature.shot import Shot

    shot = Shot.sample(np.random.default_rng([person, number, 43]), **REFERENCE)
    return render(Person.from_seed(person), shot, size), shot.expression


def _subject(number: int, person: int, size: int, accept: Callable[[Image.Image], bool]) -> Subject:
    photos = _photos(person, PHOTOS + 1, size, accept)
    pictures = tuple(picture for picture, _ in photos)
    return Subject(f"person {number + 1}", pictures[:PHOTOS], pictures[PHOTOS:], photos[0][1])


def _wishes(count: int, random: np.random.Generator) -> list[dict[str, Any]]:
    """Styles, clothes and expressions in turn, so that each comes equally often; places and colours at random."""
    from training.miniature.attributes import COLOURLESS
    from training.miniature.shot import CLOTHES_COLOURS, EXPRESSIONS, GARMENTS, PLAIN_COLOURS, SCENES, STYLES

    def in_turn(options: tuple[str, ...]) -> list[str]:
        order: list[str] = []
        while len(order) < count:
            order += [str(option) for option in random.permutation(options)]
        return order

    shots = []
    for style, clothes, expression in zip(in_turn(STYLES), in_turn(GARMENTS), in_turn(EXPRESSIONS), strict=False):
        if len(shots) == count:
            break
        scene = style in COLOURLESS or random.random() < SCENE_SHARE
        place = random.choice(SCENES) if scene else f"plain {random.choice(list(PLAIN_COLOURS))}"
        colour = str(random.choice(list(CLOTHES_COLOURS)))
        shots.append(
            {
                "style": style,
                "place": str(place),
                "clothes": clothes,
                "clothes_colour": colour,
                "expression": expression,
            }
        )
    return shots


def _said(fields: dict[str, Any]) -> Wish:
    from training.miniature.attributes import ATTRIBUTES, tellable
    from training.miniature.caption import description
    from training.miniature.shot import Shot

    shot = Shot(**fields)
    return Wish(description(shot), {name: fields[name] for name in ATTRIBUTES if tellable(name, shot)})
