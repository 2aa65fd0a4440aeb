"""From a job to what the engine is asked, and from its answer to what the store keeps."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from PIL import Image

from api.analysis import Analyse, guess, method_of
from api.body import FACES, BodyOptions, below, figure_request
from api.figure_below import Below
from api.job import Job
from api.options import Options
from api.pictures import opened, request_of, weigh
from api.settings import ServiceSettings
from api.studio import INSTANTID, Studio
from api.templates import NOT_ANOTHERS, TEMPLATE, load_adapters, template_of
from generation.request import GeneratedImage, GenerationRequest, GenerationResult
from outputs.metadata import png_bytes, settings_of

GENERATE = "generate"
BODY = "identity-body"

DRAWN = "These weights make heads alone: the figure below the head is drawn by rule from what the request says."

CHECKED_SIDE = 1600
"""Pixels of the long side of photos when they are only looked at for a face, before they enter the queue."""
CHECKED_PHOTOS = 4
"""Photos of a person that are looked at then; where there are more, the run itself tells whether one has a face."""


@dataclass(frozen=True)
class Outcome:
    """result: JSON-able. images: each as PNG with its settings inside."""

    result: dict[str, Any]
    images: list[bytes]


@dataclass(frozen=True)
class Recipe:
    """A job as the engine's request.

    notes: what the caller should know beside the engine's own notes.
    extra: goes into the result as it is.
    below: draws the figure below each portrait; None where the pictures are whole.
    """

    request: GenerationRequest
    method: str
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    below: Below | None = None

    def outcome(self, made: GenerationResult) -> Outcome:
        if self.below is not None:
            made = replace(made, images=tuple(replace(one, image=self.below(one.image)) for one in made.images))
        reports = [{"photo": one.index, "used": one.used, "verdict": one.verdict} for one in made.references]
        result = {
            "method": self.method,
            "profile": made.profile,
            "seconds": round(made.seconds, 3),
            "images": [_told(image) for image in made.images],
            "notes": list(dict.fromkeys((*self.notes, *made.notes))),
            "references": reports,
            "candidates": [asdict(one) for one in made.candidates],
            "settings": made.settings,
            **self.extra,
        }
        pngs = [png_bytes(image, settings_of(made, number)) for number, image in enumerate(made.images)]
        return Outcome(result, pngs)


class Recipes:
    """How jobs of each kind are made.

    gemini: analysis of a photo by Gemini, None without a key.

    Raises WeightsError, RequestError for an adapter of the settings that cannot be used.
    """

    def __init__(self, studio: Studio, settings: ServiceSettings, gemini: Analyse | None) -> None:
        self._studio = studio
        self._settings = settings
        self._gemini = gemini
        self._adapters = load_adapters(settings.template_adapters, studio.profile)

    def of(self, job: Job, cancel: threading.Event | None = None) -> Recipe:
        """cancel: once set, no analysis is waited for.

        Raises InputError of any kind: nothing in the store is trusted more than what came in.
        """
        notes = []
        if (reason := self._studio.reason) is not None:
            notes.append(f"Made by plain SDXL, without the person's face: {reason}")
        recipe = self._body(job, cancel) if job.kind == BODY else self._general(job)
        recipe = replace(recipe, method=self._studio.method, notes=(*notes, *recipe.notes))
        if recipe.below is None:
            return recipe
        # plain SDXL puts a head anywhere, so nothing can be drawn below it
        fits = recipe.method == INSTANTID
        return replace(recipe, notes=(*recipe.notes, DRAWN)) if fits else replace(recipe, below=None)

    def check(self, kind: str, document: Mapping[str, Any], photos: Mapping[str, bytes]) -> None:
        """Refuses what could not be made, before it enters the queue.

        Raises InputError of any kind, NoFaceFound among them when faces can be looked for already.
        """
        weigh(photos)
        profile, styles = self._studio.profile, self._studio.styles
        if kind == BODY:
            options = BodyOptions.model_validate(document)
            request, _ = figure_request(options, options.stated, opened(photos, FACES, CHECKED_SIDE), profile)
        else:
            request = self._request(Options.model_validate(document), photos, CHECKED_SIDE)
        request.resolved(profile, styles)
        analyzer = self._studio.analyzer
        if analyzer is not None and request.template is None:
            people = [request.photos, *(other.photos for other in request.others)]
            for number, pictures in enumerate(people):
                name = (FACES if kind == BODY else "photos") if number == 0 else f"person_{number + 1}"
                _require_a_face(pictures, analyzer, name)

    def _request(self, options: Options, photos: Mapping[str, bytes], longest: int | None = None) -> GenerationRequest:
        template = template_of(photos, options.adapter, self._adapters, self._studio.profile)
        return request_of(options, photos, template=template, hub_loras=self._settings.hub_loras, longest=longest)

    def _general(self, job: Job) -> Recipe:
        request = self._request(Options.model_validate(dict(job.request)), job.photos)
        template = request.template
        if template is None:
            return Recipe(request, "")
        return Recipe(
            request, "", (NOT_ANOTHERS,) if template.adapter is None else (), {TEMPLATE: template.provenance()}
        )

    def _body(self, job: Job, cancel: threading.Event | None) -> Recipe:
        options = BodyOptions.model_validate(dict(job.request))
        photos = opened(job.photos, FACES)
        method = method_of(options.asked_analysis)
        guessed, notes = guess(method, photos, self._studio.analyzer, self._gemini, cancel)
        known = options.stated.over(guessed)
        request, told = figure_request(options, known, photos, self._studio.profile)
        figure = below(options, known, request, self._studio.profile)
        return Recipe(request, "", (*notes, *told), {"analysis": asdict(known)}, figure)


def _require_a_face(pictures: Sequence[Image.Image], analyzer: Any, field_name: str) -> None:
    if 0 < len(pictures) <= CHECKED_PHOTOS and not any(analyzer.find(picture) for picture in pictures):
        raise analyzer.no_face(field_name)


def _told(image: GeneratedImage) -> dict[str, Any]:
    return {
        "seed": image.seed,
        "width": image.image.width,
        "height": image.image.height,
        "identity_score": image.identity,
        "keypoint_error": image.keypoint_error,
        "people": [asdict(score) for score in image.people],
        "swapped": image.swapped,
        "colours": None if image.colours is None else asdict(image.colours),
        "before_refining": None if image.before is None else image.before.identity,
    }
