"""Everything about a request that needs no accelerator: checks, faces, landmarks, region, prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from errors import RequestError
from face.analyzer import pick_face
from face.keypoints import carry_keypoints, draw_keypoints
from face.photo import open_photo
from face.references import Identity, identify
from face.region import face_region
from face.views import frontal_interocular, view_keypoints
from generation.prompt import PromptReader
from generation.request import GenerationRequest
from generation.sources import Sources
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
        identity: who it is, and the report on each photo.
        keypoints: (5, 2) float32 x, y px wanted in the picture to be made.
        landmarks: the landmark picture, RGB, of the size to be made.
        region: (height, width) float32 in 0..1, where the IdentityNet acts, or None for everywhere.
        prompt, negative_prompt: with the style applied.
        notes: in plain words.
        lora_files: of each LoRA of the request, where it lies.
    """

    request: GenerationRequest
    identity: Identity
    keypoints: np.ndarray
    landmarks: Image.Image
    region: np.ndarray | None
    prompt: str
    negative_prompt: str
    notes: tuple[str, ...]
    lora_files: tuple[Path, ...] = ()

    def settings(self) -> dict[str, Any]:
        """JSON-able; enough to make the pictures again from the same photos or template, without the pose picture."""
        wanted = self.request.to_settings()
        if self.request.pose is not None:
            wanted["keypoints"] = [[float(x), float(y)] for x, y in self.keypoints]
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
    identity = _identity(wish, photos, analyzer)
    size = (_known(wish.width), _known(wish.height))
    keypoints = _keypoints(wish, identity, analyzer, size)
    prompt, negative_prompt = apply_style(wish.style, wish.prompt, wish.negative_prompt, styles)
    notes = [
        *dict.fromkeys((*request.notes, *wish.notes)),
        reader.note("prompt", prompt),
        reader.note("negative_prompt", negative_prompt),
        _small_face_note(keypoints, size),
    ]
    return Prepared(
        request=replace(wish, photos=photos),
        identity=identity,
        keypoints=keypoints,
        landmarks=draw_keypoints(keypoints, size, scale=profile.keypoint_base_side / 1024),
        region=face_region(keypoints, size) if wish.face_region else None,
        prompt=prompt,
        negative_prompt=negative_prompt,
        notes=tuple(note for note in notes if note),
        lora_files=tuple(sources.lora(lora.path) for lora in wish.loras),
    )


def _identity(wish: GenerationRequest, photos: Sequence[Image.Image], analyzer: FaceAnalyzer) -> Identity:
    if wish.template is not None:
        return Identity(wish.template.embedding, None, ())
    return identify(photos, analyzer, choices=wish.face_choices)


def _known(side: int | None) -> int:
    if side is None:
        raise RequestError("The size is not settled yet.", field="width", cure="Resolve the request first.")
    return side


def _keypoints(wish: GenerationRequest, identity: Identity, analyzer: FaceAnalyzer, size: Sequence[int]) -> np.ndarray:
    width, height = size
    if wish.keypoints is not None:
        return np.asarray(wish.keypoints, np.float32)
    if wish.view is not None:
        where = {} if wish.view_centre is None else {"centre": wish.view_centre}
        return view_keypoints(wish.view, (width, height), face_size=wish.view_size, **where)
    face = identity.face
    if wish.pose is not None or face is None:
        pose = open_photo(wish.pose, field="pose")
        face = pick_face(analyzer.faces(pose, field="pose"), wish.pose_face, field="pose_face")
    return carry_keypoints(face.keypoints, face.size, (width, height))


def _small_face_note(keypoints: np.ndarray, size: Sequence[int]) -> str | None:
    if frontal_interocular(keypoints) >= SMALL_FACE * min(size):
        return None
    return "The face will be small in the picture, so little of the likeness fits in. A view or a closer pose helps."
