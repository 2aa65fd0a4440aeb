"""One evaluation from weights to figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from evaluation import figures
from evaluation.cases import Take, World
from evaluation.comparisons import compare
from evaluation.drawn import draw_world
from evaluation.figures import Figures
from evaluation.gallery import Gallery
from evaluation.making import Made, Shelf, Tell, make
from evaluation.measure import Eyes, Look, Sample
from evaluation.photos import photo_world
from evaluation.suite import Plan, Point, Suite, plan
from face.keypoints import view_keypoints

if TYPE_CHECKING:
    from generation.engine import Engine
    from weights.registry import Profile


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What came out.

    Attributes:
        figures: JSON-able.
        samples: every picture with what was seen in it.
    """

    figures: Figures
    samples: Mapping[Take, Sample]
    plan: Plan
    world: World


def evaluate(
    engine: Engine,
    world: World,
    suite: Suite,
    seed: int,
    eyes: Eyes,
    *,
    weights: Mapping[str, str],
    shelf: Shelf | None = None,
    tell: Tell = lambda what, done, total: None,
) -> Evaluation:
    """Make the pictures of a suite and measure them.

    Args:
        weights: fingerprints of what makes the pictures.
        shelf: keeps the pictures, so that a stopped run goes on.
    """
    planned = plan(suite, engine.profile, seed, [len(subject.photos) for subject in world.subjects])
    takes = planned.takes()
    made = make(engine, world, takes, weights, shelf, tell)
    samples: dict[Take, Sample] = {}
    true = set(planned.main)
    for number, take in enumerate(takes):
        tell("measuring", number, len(takes))
        samples[take] = sample_of(engine.profile, world, take, made[take], eyes, with_true=take in true)
    gallery = gallery_of(world, eyes)
    main = [samples[take] for take in planned.main]
    of_views = [samples[take] for take in dict.fromkeys((*planned.main, *planned.views))]
    found: Figures = {
        "profile": engine.profile.name,
        "title": engine.profile.title,
        "drawn": world.drawn,
        "suite": suite.name,
        "seed": seed,
        "weights": dict(weights),
        "people": len({take.subject for take in planned.main}),
        "pictures": len(takes),
        "photos_left_out": len(world.left_out),
        "people_left_out": len(world.nobody),
        "defaults": {
            name: getattr(engine.profile, name)
            for name in ("steps", "guidance", "scheduler", "adapter_scale", "identity_net_scale", "view_size")
        },
        "identity": figures.identity(main, gallery),
        "pose": figures.pose(of_views),
        "copying": figures.copying(main, gallery, world),
        "prompt": figures.prompt(main, world.reader),
        "bundle_megabytes": world.megabytes,
        "detector": figures.detector(world.marked(), eyes),
        "seconds_per_picture": figures.median([sample.seconds for sample in main]),
        "sweeps": {
            name: [_point(point, samples, gallery, world) for point in points]
            for name, points in planned.sweeps.items()
        },
        "comparisons": compare(planned.sweeps, samples, gallery),
    }
    _add_copies(found, world, main, gallery, eyes)
    return Evaluation(_plain(found), samples, planned, world)


def gather(
    engine: Engine,
    suite: Suite,
    seed: int,
    eyes: Eyes,
    *,
    people: Path | None,
    bundle: Path | None,
    reader: Any = None,
    tell: Tell = lambda what, done, total: None,
) -> World:
    """The people of an evaluation: of a folder of photographs where one is given, else drawn.

    Args:
        bundle: folder of the miniature's weights, for drawn people.
        reader: tells what photographs show, see `evaluation.photos.photo_world`.
    """

    def accept(photo: Image.Image) -> bool:
        return eyes.look(photo) is not None

    if people is not None:
        return photo_world(
            people, suite.people, suite.pictures, seed, gallery=suite.gallery, reader=reader, accept=accept, tell=tell
        )
    assert bundle is not None
    return draw_world(
        suite.people,
        suite.gallery,
        suite.pictures,
        seed,
        size=engine.profile.size[0],
        bundle=bundle,
        accept=accept,
        tell=tell,
    )


def sample_of(profile: Profile, world: World, take: Take, made: Made, eyes: Eyes, *, with_true: bool) -> Sample:
    """A made picture with everything that is seen in it."""
    wanted = view_keypoints(take.view, profile.size, face_size=profile.view_size, centre=profile.view_centre)
    true = world.true_picture(take) if with_true else None
    return Sample(
        take=take,
        wish=world.wishes[take.wish],
        image=made.image,
        seconds=made.seconds,
        wanted=wanted,
        look=eyes.look(made.image, wanted),
        true=true,
        true_look=None if true is None else eyes.look(true),
    )


def gallery_of(world: World, eyes: Eyes) -> Gallery:
    """Everybody of a world as the recognisers see them."""

    def seen(photo: Image.Image) -> Look:
        look = eyes.look(photo)
        assert look is not None, "photos without a face were left out before"
        return look

    references = [seen(photo) for photo in (*(subject.photos[0] for subject in world.subjects), *world.gallery)]
    held_out = [seen(subject.others[0]) if subject.others else None for subject in world.subjects]
    return Gallery(references, held_out)


def _add_copies(found: Figures, world: World, main: Sequence[Sample], gallery: Gallery, eyes: Eyes) -> None:
    """True pictures through the autoencoder: what is left of their likeness and of what they show."""
    true = [sample for sample in main if sample.true is not None]
    copies = world.through_autoencoder([sample.true for sample in true if sample.true is not None]) if true else []
    if not copies:
        return
    looks = [eyes.look(copy) for copy in copies]
    subjects = [sample.take.subject for sample in true]
    found["identity"]["through_autoencoder"] = gallery.likeness(zip(subjects, looks, strict=True))
    if world.reader is not None:
        shown = [(copy, sample.wish) for copy, sample in zip(copies, true, strict=True)]
        found["prompt"]["through_autoencoder"] = figures.share_right(world.reader, shown)


def _point(point: Point, samples: Mapping[Take, Sample], gallery: Gallery, world: World) -> Figures:
    here = [samples[take] for take in point.takes]
    made = gallery.likeness((sample.take.subject, sample.look) for sample in here)
    posed = figures.pose(here)
    told = figures.prompt(here, world.reader)
    return {
        "label": point.label,
        "setting": asdict(point.setting),
        "pictures": len(here),
        "neutral_mean": made["neutral"]["mean"],
        "held_out_mean": made["neutral"]["held_out_mean"],
        "conditioning_mean": made["conditioning"]["mean"],
        "spread": {name: made["neutral"]["spread"][name] for name in ("mean", "held_out_mean")},
        "rank1": made["neutral"]["rank1"],
        "found": made["found"],
        "keypoint_error": posed["keypoint_error"],
        "yaw_error": posed["yaw_error"],
        **{name: told[name] for name in figures.PROMPTED},
        "seconds": figures.median([sample.seconds for sample in here]),
    }


def _plain(value: Any) -> Any:
    """The same with every number rounded, and None for what is none."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value
