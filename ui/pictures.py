"""Pictures inside HTML: data URLs, and frames around faces as SVG."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from face.face import Face


def data_url(image: Image.Image, longest: int, *, quality: int = 82) -> str:
    """A JPEG of at most `longest` px a side as a data URL; nothing of the picture's metadata goes along."""
    small = image.convert("RGB")
    if max(small.size) > longest:
        small.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def face_marks(faces: tuple[Face, ...], chosen: int, size: tuple[int, int]) -> str:
    """An SVG over the whole photo: a frame around each face and the five points of the chosen one."""
    width, height = size
    stroke = max(width, height) / 90
    marks = []
    for index, face in enumerate(faces):
        x0, y0, x1, y1 = (float(value) for value in face.box)
        kind = "chosen" if index == chosen else "other"
        marks.append(
            f'<rect class="{kind}" x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}" '
            f'rx="{stroke * 2:.1f}" stroke-width="{stroke:.1f}"/>'
        )
        if index == chosen:
            marks += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{stroke * 0.8:.1f}"/>' for x, y in face.keypoints]
    return f'<svg class="marks" viewBox="0 0 {width} {height}" aria-hidden="true">{"".join(marks)}</svg>'
