"""Everything about a request that needs no accelerator: checks, faces, landmarks, region, prompt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from errors import InputError
from face.keypoints import draw_keypoints
from face.photo import open_photo
from face.references import Identity, identify
from face.region import face_region
from face.views import frontal_interocular
from generation.controls import ReadyControl, ready
from generation.people import Person, left_to_right, masks_of
from generation.prompt import PromptReader
from generation.request import GenerationRequest
from generation.scene import Scene, scene_of
from generation.sources import Sources
from generation.windows import idle
from style_presets import Style, apply_style

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer
    from weights.registry import Profile

SMALL_FACE = 0.06
"""Frontal inter-ocular distance over the short side of the picture below which little of a likeness can be drawn."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A request ready for the pipeline.

    Attributes:
        request: resolved.
        identities: who they are, left to right in the picture, and the report on each photo.
        scene: where the faces go, and what the picture starts from.
        landmarks: the landmark picture, RGB, of the size to be made.
        region: (height, width) float32 in 0..1, where the face acts, or None for everywhere; of several people
            (people, height, width).
        prompt, negative_prompt: with the style applied.
        notes: in plain words.
        lora_files: of each LoRA of the request, where it lies.
        controls: of each control of the request, what its net reads, and where that lies.
    """

    request: GenerationRequest
    identities: tuple[Identity, ...]
    scene: Scene
    landmarks: Image.Image
    region: np.ndarray | None
    prompt: str
    negative_prompt: str
    notes: tuple[str, ...]
    lora_files: tuple[Path, ...] = ()
    controls: tuple[ReadyControl, ...] = ()

    @property
    def first(self) -> int:
        """Where the person of `photos` stands, from the left."""
        order = self.request.assignment
        return 0 if order is None else order.index(0)

    @property
    def identity(self) -> Identity:
        """The person of `photos`."""
        return self.identities[self.first]

    @property
    def keypoints(self) -> np.ndarray:
        """(5, 2) float32 x, y px wanted of that person in the finished picture."""
        return self.places[self.first]

    @property
    def places(self) -> np.ndarray:
        """(people, 5, 2) float32 x, y px wanted in the finished picture, of which the one made may be a part."""
        points, frame = self.scene.keypoints, self.scene.frame
        return points if frame is None else frame.crop.back(points)

    def finished(self, made: Image.Image) -> Image.Image:
        """The finished picture: the one that was made, or the larger one with it in its place."""
        return made if self.scene.frame is None else self.scene.frame.put_back(made)

    def settings(self) -> dict[str, Any]:
        """JSON-able; enough to make the pictures again from the same photos or template, without the pose picture."""
        wanted = self.request.to_settings()
        if self.request.pose is not None:
            points = self.scene.keypoints
            wanted["keypoints"] = (points[0] if len(points) == 1 else points).astype(float).tolist()
            wanted["pose_face"] = None
        return {**wanted, "styled_prompt": self.prompt, "styled_negative_prompt": self.negative_prompt}


def prepare(
    request: GenerationRequest,
    profile: Profile,
    analyzer: FaceAnalyzer,
    reader: PromptReader,
    styles: Mapping[str, Style],
    sources: Sources,
) -> Prepared:
    """Raises RequestError, PhotoError, NoFaceFound; WeightsMissing and WeightsCorrupt for a LoRA of elsewhere."""
    wish = request.resolved(profile, styles)
    photos = tuple(open_photo(photo, field="photos") for photo in wish.photos)
    identities = [_identity(wish, photos, analyzer)]
    identities += [_other(number, other, analyzer) for number, other in enumerate(wish.others)]
    standing = left_to_right(identities, wish.assignment)
    scene = scene_of(wish, standing, analyzer, profile)
    controls, borders = ready(wish, scene, profile, sources)
    prompt, negative_prompt = apply_style(wish.style, wish.prompt, wish.negative_prompt, styles)
    notes = [
        *dict.fromkeys((*request.notes, *wish.notes)),
        reader.note("prompt", prompt),
        reader.note("negative_prompt", negative_prompt),
        *_left_out(identities),
        *borders,
        *scene.notes,
        *idle(wish, _steps(wish, scene)),
        None if wish.refine != "never" else _small_face_note(scene),
    ]
    return Prepared(
        request=replace(wish, photos=photos),
        identities=standing,
        scene=scene,
        landmarks=draw_keypoints(scene.keypoints, scene.size, scale=profile.keypoint_base_side / 1024),
        region=region_of(scene, face_region_only=wish.face_region),
        prompt=prompt,
        negative_prompt=negative_prompt,
        notes=tuple(note for note in notes if note),
        controls=controls,
        lora_files=tuple(sources.lora(lora.path) for lora in wish.loras),
    )


def _identity(wish: GenerationRequest, photos: Sequence[Image.Image], analyzer: FaceAnalyzer) -> Identity:
    if wish.template is not None:
        return Identity(wish.template.embedding, None, ())
    return identify(photos, analyzer, choices=wish.face_choices)


def _other(number: int, other: Person, analyzer: FaceAnalyzer) -> Identity:
    """A further person; errors say which, and name the field of this person's."""
    try:
        pictures = [open_photo(photo, field=f"photos[{place}]") for place, photo in enumerate(other.photos)]
        return identify(pictures, analyzer, choices=other.face_choices)
    except InputError as error:
        raise type(error)(
            f"Person {number + 2}: {error.message}", field=f"others[{number}].{error.field}", cure=error.cure
        ) from error


def region_of(scene: Scene, *, face_region_only: bool) -> np.ndarray | None:
    """Where the faces of a scene act, see `Prepared.region`."""
    if len(scene.keypoints) > 1:
        return masks_of(scene.keypoints, scene.size, face_region_only=face_region_only)
    return face_region(scene.keypoints, scene.size) if face_region_only else None


def _steps(wish: GenerationRequest, scene: Scene) -> int:
    """Steps that a settled request goes through; a run from a picture leaves out its first ones."""
    steps = wish.steps or 1
    if scene.canvas is None:
        return steps
    return max(1, int(max(steps, math.ceil(1 / scene.canvas.strength)) * scene.canvas.strength))


def _left_out(identities: Sequence[Identity]) -> list[str]:
    """Of the second and later people, what came of photos that were not used; the first's are told by their reports."""
    return [
        f"Person {number + 2}: {report.verdict}"
        for number, identity in enumerate(identities[1:])
        for report in identity.reports
        if not report.used
    ]


def _small_face_note(scene: Scene) -> str | None:
    smallest = min(frontal_interocular(points) for points in scene.keypoints)
    if smallest >= SMALL_FACE * min(scene.size):
        return None
    return (
        "The face will be small in the picture, so little of the likeness fits in. "
        "A view or a closer pose helps, and so does refining small faces."
    )
