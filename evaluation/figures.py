"""Figures over many pictures: likeness, pose, copying and prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from evaluation.cases import Reader, Wish, World
from evaluation.gallery import Gallery
from evaluation.measure import JUDGES, Eyes, Sample
from evaluation.spread import Values, error_of_ratio, mean_of, standard_error, stratified_error
from face.keypoints import keypoint_error
from face.views import VIEWS, head_angles

Figures = dict[str, Any]
PROMPTED = ("style", "place", "clothes")
NEAR = 0.05


def identity(samples: Sequence[Sample], gallery: Gallery) -> Figures:
    """The headline by the neutral recogniser, and beside it everything by both, made and true."""
    seen = [(sample.take.subject, sample.look) for sample in samples]
    made = gallery.likeness(seen)
    true = [(sample.take.subject, sample.true_look) for sample in samples if sample.true is not None]
    pairs = gallery.pairs("neutral")
    return {
        "neutral_mean": made["neutral"]["mean"],
        "true_pair_mean": mean_of(pairs),
        "different_mean": gallery.different("neutral"),
        "rank1": made["neutral"]["rank1"],
        "found": made["found"],
        "among": len(gallery),
        "spread": {
            "neutral_mean": made["neutral"]["spread"]["mean"],
            "share_of_true_pairs": error_of_ratio(gallery.to_given("neutral", seen), pairs),
            "rank1": made["neutral"]["spread"]["rank1"],
            "found": made["spread"]["found"],
        },
        "made": made,
        "true_as_asked": gallery.likeness(true) if true else None,
        "true_pairs": {judge: gallery.true_pairs(judge) for judge in JUDGES},
        "different": {judge: gallery.different(judge) for judge in JUDGES},
    }


def pose(samples: Sequence[Sample]) -> Figures:
    """Keypoint error in inter-ocular distances and yaw error in degrees, over all and for each view.

    `spread` has the standard errors of `evaluation.spread`, over all pictures with the views as kinds: how many
    pictures each view has is chosen, and what views differ by is no difference between people.
    """
    views = {}
    for name, view in VIEWS.items():
        of_view = [sample for sample in samples if sample.take.view == name]
        if of_view:
            spread = {figure: standard_error(values) for figure, values in _errors(of_view).items()}
            views[name] = {"label": view.label, "yaw_asked": view.yaw, **_posed(of_view), "spread": spread}
    true = [sample for sample in samples if sample.true_look is not None]
    floor = [abs(sample.true_look.angles[0] - VIEWS[sample.take.view].yaw) for sample in true if sample.true_look]
    asked = [sample.take.view for sample in samples if sample.look is not None]
    spread = {
        figure: stratified_error([(person, view, value) for (person, value), view in zip(values, asked, strict=True)])
        for figure, values in _errors(samples).items()
    }
    return {**_posed(samples), "spread": spread, "true_yaw_error": mean(floor), "views": views}


def _errors(samples: Sequence[Sample]) -> dict[str, Values]:
    """Of the samples with a face, in their order."""
    seen = [
        (sample.take, float(sample.look.angles[0]), sample.keypoint_error)
        for sample in samples
        if sample.look is not None
    ]
    return {
        "keypoint_error": [(take.subject, error) for take, _, error in seen if error is not None],
        "yaw_error": [(take.subject, abs(yaw - VIEWS[take.view].yaw)) for take, yaw, _ in seen],
        "yaw_got": [(take.subject, yaw) for take, yaw, _ in seen],
    }


def _posed(samples: Sequence[Sample]) -> Figures:
    told = {figure: mean_of(values) for figure, values in _errors(samples).items()}
    return {
        **told,
        "pictures": len(samples),
        "found": sum(sample.look is not None for sample in samples) / max(1, len(samples)),
    }


def detector(marked: Sequence[tuple[Image.Image, np.ndarray]], eyes: Eyes) -> Figures | None:
    """How near the detector's points are to the true ones, in inter-ocular distances: share of pictures within `NEAR`
    on average over the five points, and the mean of those found; None where no true points are known.

    Args:
        marked: a picture of each person with its true keypoints (5, 2).
    """
    if not marked:
        return None
    looks = [(eyes.look(image, true), true) for image, true in marked]
    errors = [None if look is None else keypoint_error(look.keypoints, true) for look, true in looks]
    near = [(number, float(error is not None and error <= NEAR)) for number, error in enumerate(errors)]
    return {
        "near": mean_of(near),
        "error": mean([error for error in errors if error is not None]),
        "pictures": len(looks),
        "spread": {"near": standard_error(near)},
    }


def copying(samples: Sequence[Sample], gallery: Gallery, world: World) -> Figures:
    """How much of the reference photo's pose and expression comes along when another is asked for.

    pose: share of the way from the asked angles back to those of the reference photo, least squares over all pictures
    and yaw, pitch and roll: 0 follows the wish, 1 copies the photo. expression: of the pictures that were asked for
    another expression than the photo's, the share that shows the asked one and the share that shows the photo's.
    """
    towards, moved = 0.0, 0.0
    for sample in samples:
        if sample.look is None:
            continue
        asked = np.array(head_angles(sample.wanted))
        photo = gallery.looks[sample.take.subject].angles - asked
        moved += float((sample.look.angles - asked) @ photo)
        towards += float(photo @ photo)
    figures: Figures = {"pose": moved / towards if towards else None}
    other = [
        sample
        for sample in samples
        if (shown := world.subjects[sample.take.subject].expression) is not None
        and sample.wish.wanted.get("expression", shown) != shown
    ]
    if world.reader is None or not other:
        return figures
    chances = world.reader.read([np.asarray(sample.image) for sample in other])["expression"]
    seen = [world.reader.options["expression"][int(index)] for index in chances.argmax(1)]
    photos = [world.subjects[sample.take.subject].expression for sample in other]
    figures["expression_asked"] = mean([a == s.wish.wanted["expression"] for a, s in zip(seen, other, strict=True)])
    figures["expression_of_photo"] = mean([a == b for a, b in zip(seen, photos, strict=True)])
    return figures


def prompt(samples: Sequence[Sample], reader: Reader | None) -> Figures:
    """Share of pictures that show the asked style, place, clothes and so on, made and true ones; for a reader that
    compares with whole texts, the mean cosine to the prompt too."""
    if reader is None:
        return dict.fromkeys(PROMPTED)
    right = _right(reader, [(sample.image, sample.wish) for sample in samples])
    figures: Figures = {name: mean(list(values.values())) for name, values in right.items()}
    figures["spread"] = {
        name: standard_error([(samples[place].take.subject, float(value)) for place, value in values.items()])
        for name, values in right.items()
    }
    true = [(sample.true, sample.wish) for sample in samples if sample.true is not None]
    figures["true"] = share_right(reader, true) if true else None
    similarity = getattr(reader, "similarity", None)
    if similarity is not None:
        pictures = [np.asarray(sample.image) for sample in samples]
        figures["similarity"] = float(similarity(pictures, [sample.wish.prompt for sample in samples]).mean())
    return figures


def share_right(reader: Reader, shown: Sequence[tuple[Image.Image, Wish]]) -> Figures:
    """Attribute -> share of pictures that show the wished option, of those whose wish can be seen at all."""
    return {name: mean(list(values.values())) for name, values in _right(reader, shown).items()}


def _right(reader: Reader, shown: Sequence[tuple[Image.Image, Wish]]) -> dict[str, dict[int, bool]]:
    """Attribute -> place of each picture whose wish can be seen -> whether it shows the wished option."""
    chances = reader.read([np.asarray(image) for image, _ in shown])
    return {
        name: {
            place: options[int(row.argmax())] == wish.wanted[name]
            for place, (row, (_, wish)) in enumerate(zip(chances[name], shown, strict=True))
            if name in wish.wanted
        }
        for name, options in reader.options.items()
    }


def mean(values: Sequence[Any]) -> float | None:
    """None of nothing."""
    return float(np.mean(values)) if len(values) else None


def median(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return float(np.median(values)) if len(values) else None
