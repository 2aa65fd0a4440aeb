"""Figures over many pictures: likeness, pose, copying and prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from evaluation.cases import Reader, Wish, World
from evaluation.measure import JUDGES, Eyes, Look, Sample
from face.keypoints import keypoint_error
from face.views import VIEWS, head_angles

Figures = dict[str, Any]
PROMPTED = ("style", "place", "clothes")
NEAR = 0.05


class Gallery:
    """Everybody's first photo as both recognisers see it: the subjects in their order, then the rest.

    Args:
        references: of the subjects' first photos and of the gallery's, all with a face.
        held_out: of each subject's photo that is never given, None where there is none.
    """

    def __init__(self, references: Sequence[Look], held_out: Sequence[Look | None]) -> None:
        self.looks = list(references)
        self.held_out = list(held_out)
        self.vectors = {judge: np.stack([_unit(look.embeddings[judge]) for look in references]) for judge in JUDGES}

    def __len__(self) -> int:
        return len(self.looks)

    def different(self, judge: str) -> float:
        """Mean cosine of two different people."""
        cosine = self.vectors[judge] @ self.vectors[judge].T
        count = len(cosine)
        return float((cosine.sum() - np.trace(cosine)) / (count * (count - 1)))

    def pairs(self, judge: str) -> list[float]:
        """Cosines of two photos of one person."""
        return [
            float(self.vectors[judge][index] @ _unit(other.embeddings[judge]))
            for index, other in enumerate(self.held_out)
            if other is not None
        ]

    def of_one(self, subject: int, look: Look | None) -> tuple[float, bool] | None:
        """A face by the neutral recogniser: cosine to its subject's first photo, and whether that is the nearest."""
        if look is None:
            return None
        row = self.vectors["neutral"] @ _unit(look.embeddings["neutral"])
        return float(row[subject]), int(row.argmax()) == subject

    def likeness(self, seen: Iterable[tuple[int, Look | None]]) -> Figures:
        """Of faces and the subjects whom they should show: share found, and for each judge the mean cosine to the
        subject's first photo, its quartiles, the mean cosine to the photo that was never given, and rank-1: the share
        nearest to the right person among all. A picture without a face counts as not recognised."""
        seen = list(seen)
        found = [(subject, look) for subject, look in seen if look is not None]
        figures: Figures = {"pictures": len(seen), "found": len(found) / max(1, len(seen))}
        for judge in JUDGES:
            cosines = np.array([self.vectors[judge] @ _unit(look.embeddings[judge]) for _, look in found])
            own = [row[subject] for row, (subject, _) in zip(cosines, found, strict=True)]
            right = sum(int(row.argmax()) == subject for row, (subject, _) in zip(cosines, found, strict=True))
            held_out = [
                float(_unit(look.embeddings[judge]) @ _unit(other.embeddings[judge]))
                for subject, look in found
                if (other := self.held_out[subject]) is not None
            ]
            figures[judge] = {
                "mean": mean(own),
                "quartiles": [float(value) for value in np.percentile(own, (25, 50, 75))] if own else [],
                "rank1": right / max(1, len(seen)),
                "held_out_mean": mean(held_out),
            }
        return figures


def identity(samples: Sequence[Sample], gallery: Gallery) -> Figures:
    """The headline by the neutral recogniser, and beside it everything by both, made and true."""
    made = gallery.likeness((sample.take.subject, sample.look) for sample in samples)
    each = [(sample.take.subject, gallery.of_one(sample.take.subject, sample.look)) for sample in samples]
    true = [(sample.take.subject, sample.true_look) for sample in samples if sample.true is not None]
    return {
        "neutral_mean": made["neutral"]["mean"],
        "true_pair_mean": mean(gallery.pairs("neutral")),
        "different_mean": gallery.different("neutral"),
        "rank1": made["neutral"]["rank1"],
        "found": made["found"],
        "among": len(gallery),
        "spread": {
            "neutral_mean": standard_error([(subject, seen[0]) for subject, seen in each if seen is not None]),
            "rank1": standard_error([(subject, float(seen is not None and seen[1])) for subject, seen in each]),
        },
        "made": made,
        "true_as_asked": gallery.likeness(true) if true else None,
        "true_pairs": {judge: _spread(gallery.pairs(judge)) for judge in JUDGES},
        "different": {judge: gallery.different(judge) for judge in JUDGES},
    }


def pose(samples: Sequence[Sample]) -> Figures:
    """Keypoint error in inter-ocular distances and yaw error in degrees, over all and for each view."""
    views = {}
    for name, view in VIEWS.items():
        of_view = [sample for sample in samples if sample.take.view == name]
        if of_view:
            views[name] = {"label": view.label, "yaw_asked": view.yaw, **_posed(of_view)}
    true = [sample for sample in samples if sample.true_look is not None]
    floor = [abs(sample.true_look.angles[0] - VIEWS[sample.take.view].yaw) for sample in true if sample.true_look]
    errors = [(one.take.subject, error) for one in samples if (error := one.keypoint_error) is not None]
    faces = [(one.take, one.look) for one in samples if one.look is not None]
    turns = [(take.subject, abs(look.angles[0] - VIEWS[take.view].yaw)) for take, look in faces]
    spread = {"keypoint_error": standard_error(errors), "yaw_error": standard_error(turns)}
    return {**_posed(samples), "spread": spread, "true_yaw_error": mean(floor), "views": views}


def _posed(samples: Sequence[Sample]) -> Figures:
    seen = [(sample, sample.look.angles[0]) for sample in samples if sample.look is not None]
    return {
        "keypoint_error": mean([sample.keypoint_error for sample, _ in seen]),
        "yaw_error": mean([abs(yaw - VIEWS[sample.take.view].yaw) for sample, yaw in seen]),
        "yaw_got": mean([yaw for _, yaw in seen]),
        "found": len(seen) / max(1, len(samples)),
    }


def detector(marked: Sequence[tuple[Image.Image, np.ndarray]], eyes: Eyes) -> Figures | None:
    """How near the detector's points are to the true ones, in inter-ocular distances: share of pictures within `NEAR`
    on average over the five points, and the mean of those found; None where no true points are known."""
    looks = [(eyes.look(image, true), true) for image, true in marked]
    errors = [keypoint_error(look.keypoints, true) for look, true in looks if look is not None]
    if not looks:
        return None
    return {"near": sum(error <= NEAR for error in errors) / len(looks), "error": mean(errors), "pictures": len(looks)}


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
    figures: Figures = share_right(reader, [(sample.image, sample.wish) for sample in samples])
    true = [(sample.true, sample.wish) for sample in samples if sample.true is not None]
    figures["true"] = share_right(reader, true) if true else None
    similarity = getattr(reader, "similarity", None)
    if similarity is not None:
        pictures = [np.asarray(sample.image) for sample in samples]
        figures["similarity"] = float(similarity(pictures, [sample.wish.prompt for sample in samples]).mean())
    return figures


def share_right(reader: Reader, shown: Sequence[tuple[Image.Image, Wish]]) -> Figures:
    """Attribute -> share of pictures that show the wished option, of those whose wish can be seen at all."""
    chances = reader.read([np.asarray(image) for image, _ in shown])
    return {
        name: mean(
            [
                options[int(row.argmax())] == wish.wanted[name]
                for row, (_, wish) in zip(chances[name], shown, strict=True)
                if name in wish.wanted
            ]
        )
        for name, options in reader.options.items()
    }


def mean(values: Sequence[Any]) -> float | None:
    """None of nothing."""
    return float(np.mean(values)) if len(values) else None


def standard_error(values: Sequence[tuple[int, float]]) -> float | None:
    """Of the mean of (person, value) pairs, over people: pictures of one person are no independent witnesses. None for
    fewer than two people."""
    of_person: dict[int, list[float]] = {}
    for person, value in values:
        of_person.setdefault(person, []).append(value)
    means = [float(np.mean(each)) for each in of_person.values()]
    return float(np.std(means, ddof=1) / np.sqrt(len(means))) if len(means) > 1 else None


def median(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return float(np.median(values)) if len(values) else None


def _spread(values: Sequence[float]) -> Figures:
    quartiles = [float(value) for value in np.percentile(values, (25, 50, 75))] if values else []
    return {"mean": mean(values), "quartiles": quartiles}


def _unit(vector: np.ndarray) -> np.ndarray:
    vector = np.asarray(vector, np.float64)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
