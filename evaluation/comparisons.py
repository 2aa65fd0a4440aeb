"""What settings of a sweep differ by, paired: a picture counts where it has a face with both settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from evaluation.cases import Setting, Take
from evaluation.gallery import Gallery
from evaluation.measure import Look, Sample
from evaluation.spread import Values, error_of_ratio, mean_of, standard_error
from evaluation.suite import Point

Figures = dict[str, Any]
Tell = Callable[[str, Sequence[tuple[int, Look | None]]], Values]


def compare(sweeps: Mapping[str, Sequence[Point]], samples: Mapping[Take, Sample], gallery: Gallery) -> Figures:
    """Differences and shares by the neutral recogniser, with the errors of `evaluation.spread`.

    adapter_alone, identity_net_alone: what each strength gains over the one before it, in likeness to the photo
    given. references: what the largest number of photos gains over the smallest, to a photo that was not given.
    few_steps: what each number of steps keeps of the likeness of all steps, the last point, to such a photo.
    """

    def each(point: Point, tell: Tell) -> dict[Take, tuple[int, float]]:
        seen = ((take, tell("neutral", [(take.subject, samples[take].look)])) for take in point.takes)
        return {replace(take, setting=Setting()): values[0] for take, values in seen if values}

    def gain(low: Point, high: Point, tell: Tell) -> Figures:
        before, after = each(low, tell), each(high, tell)
        gains = [(after[take][0], after[take][1] - before[take][1]) for take in after if take in before]
        return {
            "from": low.label,
            "to": high.label,
            "pictures": len(gains),
            "gain": mean_of(gains),
            "error": standard_error(gains),
        }

    def share(few: Point, whole: Point, tell: Tell) -> Figures:
        above, below = each(few, tell), each(whole, tell)
        both = [take for take in above if take in below]
        one, other = [above[take] for take in both], [below[take] for take in both]
        kept, base = mean_of(one), mean_of(other)
        return {
            "steps": few.setting.steps,
            "pictures": len(both),
            "share": kept / base if kept is not None and base else None,
            "error": error_of_ratio(one, other),
        }

    found: Figures = {
        name: [gain(low, high, gallery.to_given) for low, high in pairwise(sweeps.get(name, ()))]
        for name in ("adapter_alone", "identity_net_alone")
    }
    if len(photos := sweeps.get("references", ())) > 1:
        found["references"] = gain(photos[0], photos[-1], gallery.to_held_out)
    *few, whole = sweeps.get("few_steps", ()) or (None,)
    found["few_steps"] = [share(point, whole, gallery.to_held_out) for point in few if point and whole]
    return found
