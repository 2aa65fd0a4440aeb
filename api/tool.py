"""Generating as one plain function: what gradio's own clients and language models (over MCP) call."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable

from api.keys import ANYBODY
from api.options import Options, validated
from api.pictures import LONGEST_PHOTO
from api.recipes import GENERATE
from api.service import Service
from errors import InstantIDError, PhotoError

POLL = 0.1

Tool = Callable[..., bytes]


def generate_tool(service: Service) -> Tool:
    """The function; its docstring is what a language model reads."""

    def generate_picture(
        photo: str,
        prompt: str = "",
        style: str = "",
        view: str = "",
        negative_prompt: str = "",
        seed: int = -1,
    ) -> bytes:
        """Make a new picture of the person in a photo. Use photos of people who agree to it.

        Args:
            photo: the photo of one face as base64, or as a data URL. Web addresses and file paths are not followed.
            prompt: what to see, such as: a woman in a red coat, in a garden.
            style: name of a style preset, such as Watercolor. Empty for none.
            view: where the head looks, such as front, three_quarter_left or profile_right. Empty to keep the photo's.
            negative_prompt: what not to see.
            seed: the same seed gives the same picture; -1 draws one.

        Returns:
            The picture as PNG; its settings and how like the person it is (identity, a cosine) are inside.
        """
        values = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "style": style or None,
            "view": view or None,
            "seed": None if seed == -1 else seed,
        }
        options = validated(Options, values)
        document = options.model_dump(mode="json", exclude_defaults=True)
        job, _ = service.submit(ANYBODY, GENERATE, document, {"photos.0": decoded(photo)}, key=None, deadline=None)
        while not job.over:
            time.sleep(POLL)
            job = service.job(job.id, job.owner)
        picture = service.store.image(job.id, job.owner, 0)
        if job.result is None or picture is None:
            raise InstantIDError(job.message or "The job was canceled.")
        return picture

    return generate_picture


def decoded(photo: str) -> bytes:
    """The bytes of base64 text or of a data URL. Raises PhotoError."""
    head, comma, data = photo.partition(",")
    text = data if comma and head.startswith("data:") and head.endswith(";base64") else photo
    if len(text) > LONGEST_PHOTO * 4 // 3 + 4:
        raise PhotoError("The photo is too large.", field="photo", cure=f"Send at most {LONGEST_PHOTO >> 20} MB.")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise PhotoError(
            "The photo is no base64; addresses and paths are not followed.", field="photo", cure="Send its bytes."
        ) from error
