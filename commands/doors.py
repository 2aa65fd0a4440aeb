"""Face recognisers as the template commands use them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from errors import NoFaceFound, RequestError
from face.photo import open_photo
from template_adapter.photos import Embed

if TYPE_CHECKING:
    from face.analyzer import FaceAnalyzer
    from weights.registry import Profile


def open_analyzer(pack: Path, profile: Profile | None, *, detector_of: Path) -> FaceAnalyzer:
    """The analyzer of a face pack; it detects at the size that suits the profile's pictures.

    detector_of: the pack that lends its detector to a recogniser that comes alone.
    """
    from face.analyzer import FaceAnalyzer

    return FaceAnalyzer(pack, det_size=640 if profile is None else profile.det_size, detector_of=detector_of)


def embedder(analyzer: FaceAnalyzer) -> Embed:
    """Photo file to raw embedding of its largest face. Raises PhotoError."""

    def embed(photo: Path) -> np.ndarray | None:
        try:
            return analyzer.faces(open_photo(photo))[0].embedding
        except NoFaceFound:
            return None

    return embed


def needed(pack: Path | None) -> Path:
    """Raises RequestError without a pack."""
    if pack is None:
        raise RequestError(
            "A photo needs a recogniser to be read with.", field="source_pack", cure="Give its face pack's folder."
        )
    return pack
