"""What a saved picture says about itself: how it was made, how to make it again, and that a machine made it.

A PNG is written with three texts:

* `parameters`, the form that AUTOMATIC1111's web UI introduced and most galleries read;
* `instantid`, JSON with everything needed to make the picture again from the same photos;
* `XML:com.adobe.xmp`, XMP with IPTC's DigitalSourceType `trainedAlgorithmicMedia`.

Nothing of the reference photos is in it: pixels are copied into a new picture, and the settings hold no embedding, no
file name and no path.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.sax.saxutils import escape, quoteattr

from PIL import Image, PngImagePlugin

from errors import RequestError
from generation.people import carried
from generation.request import GeneratedImage, GenerationRequest, GenerationResult

if TYPE_CHECKING:
    from weights.registry import Profile

PARAMETERS = "parameters"
SETTINGS = "instantid"
XMP = "XML:com.adobe.xmp"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
TOOL = "InstantID studio"
OF_THE_WEIGHTS = (
    "width",
    "height",
    "mode",
    "steps",
    "guidance",
    "guidance_start",
    "guidance_end",
    "scheduler",
    "loras",
)
"""Settings that suit the weights a picture was made with, and no others."""

LONGEST_TEXT = 2**20
"""Bytes of JSON that are read back at most; a settings text is a few thousand long."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped (section 2.2 of the recommendation)."""

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool={tool}
    Iptc4xmpExt:DigitalSourceType={source}>
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{description}</rdf:li></rdf:Alt></dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def settings_of(result: GenerationResult, number: int) -> dict[str, Any]:
    """Settings of picture `number` of a result, alone: its own seed and a count of 1."""
    return {**result.settings, "seed": result.images[number].seed, "count": 1, "best_of": None}


def write_png(
    image: GeneratedImage | Image.Image, settings: Mapping[str, Any], target: str | os.PathLike[str] | BinaryIO
) -> None:
    """Write a picture with its settings.

    Args:
        image: RGB; of a GeneratedImage the seed takes the place of the settings' own and the scores are written too.
        settings: `GenerationResult.settings`, or `settings_of` one picture.
        target: path or open binary file; an existing file is replaced.
    """
    pixels, told = _parted(image, settings)
    _bare(pixels).save(target, format="PNG", pnginfo=_texts(told))


def write_picture(
    image: GeneratedImage | Image.Image, settings: Mapping[str, Any], path: str | os.PathLike[str]
) -> None:
    """Write a picture as its ending says: PNG as `write_png` does, or JPEG with the same XMP and the settings as its
    comment. Raises RequestError when the file cannot be written.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".png":
            write_png(image, settings, path)
            return
        pixels, told = _parted(image, settings)
        comment = json.dumps({SETTINGS: told}, allow_nan=False).encode("ascii")
        _bare(pixels).save(path, "JPEG", quality=95, xmp=_xmp(told).encode(), comment=comment)
    except OSError as error:
        raise RequestError(
            f"{path} could not be written ({error.strerror}).", field="output", cure="Choose a place with free room."
        ) from error


def png_bytes(image: GeneratedImage | Image.Image, settings: Mapping[str, Any]) -> bytes:
    """The same, in memory."""
    buffer = io.BytesIO()
    write_png(image, settings, buffer)
    return buffer.getvalue()


def read_settings(source: str | os.PathLike[str] | bytes | BinaryIO | Image.Image) -> dict[str, Any] | None:
    """The settings in a PNG that `write_png` wrote; None for any other picture, or when the text is damaged."""
    if isinstance(source, Image.Image):
        text = source.info.get(SETTINGS)
    else:
        try:
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=["PNG"]) as picture:
                text = picture.info.get(SETTINGS)  # chunks before the pixels, which nobody decodes
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        return None
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return settings if isinstance(settings, dict) else None


def request_from_settings(
    settings: Mapping[str, Any], photos: tuple[Image.Image, ...], *, profile: Profile | None = None, **changes: Any
) -> GenerationRequest:
    """The request that makes the picture again from the same photos; `changes` are fields to set differently.

    Of settings that were made with another profile than `profile`, what belongs to the weights (size, speed, guidance,
    scheduler, LoRAs) is not taken over. Chosen faces are kept when there are as many photos as before. Kept keypoints
    are carried to another size without distortion.

    The settings are not trusted: `GenerationRequest.resolved` checks every value as if a stranger had typed it.

    Raises RequestError for kept keypoints without meaning.
    """
    kept = dict(settings)
    if profile is not None and kept.get("profile") != profile.name:
        kept |= dict.fromkeys(OF_THE_WEIGHTS)
    choices = kept.get("face_choices")
    if isinstance(choices, list | tuple) and len(choices) != len(photos):
        del kept["face_choices"]
    if kept.get("keypoints") is not None:
        before = _size(settings, None)
        after = _size({**kept, **changes}, profile)
        if before is not None and after is not None and before != after:
            kept["keypoints"] = carried(kept["keypoints"], before, after)
    return GenerationRequest.from_settings(kept, photos, **changes)


def _size(settings: Mapping[str, Any], profile: Profile | None) -> tuple[int, int] | None:
    """Width and height in px that settings ask for, None when they do not say or cannot mean it."""
    usual = (None, None) if profile is None else profile.size
    width, height = (
        otherwise if settings.get(name) is None else settings[name]
        for name, otherwise in zip(("width", "height"), usual, strict=True)
    )
    if not (isinstance(width, int) and isinstance(height, int)):
        return None
    return (width, height) if 0 < width < 10**5 and 0 < height < 10**5 else None


def parameters_text(settings: Mapping[str, Any]) -> str:
    """The text that image galleries know: prompt, negative prompt, then one line of `Name: value` pairs."""
    lines = [str(settings.get("styled_prompt", settings.get("prompt", ""))).replace("\n", " ")]
    negative = str(settings.get("styled_negative_prompt", settings.get("negative_prompt", ""))).replace("\n", " ")
    if negative:
        lines.append(f"Negative prompt: {negative}")
    pairs = {
        "Steps": settings.get("steps"),
        "Sampler": settings.get("scheduler"),
        "CFG scale": settings.get("guidance"),
        "Seed": settings.get("seed"),
        "Size": f"{settings.get('width')}x{settings.get('height')}",
        "Model": settings.get("profile"),
        "Mode": settings.get("mode"),
        "IdentityNet": settings.get("identity_net_scale"),
        "Face adapter": settings.get("adapter_scale"),
        "Style": settings.get("style"),
        "View": settings.get("view"),
        "Identity from": "a template" if settings.get("template") else None,
        "Lora": " ".join(f"{lora['name']} {lora['weight']:g}" for lora in settings.get("loras") or ()) or None,
    }
    lines.append(", ".join(f"{name}: {_value(value)}" for name, value in pairs.items() if value is not None))
    return "\n".join(lines)


def _value(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if any(char in text for char in ",:\n") else text


def _texts(settings: dict[str, Any]) -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    texts.add_text(PARAMETERS, parameters_text(settings))
    texts.add_itxt(SETTINGS, json.dumps(settings, ensure_ascii=False, allow_nan=False))
    texts.add_itxt(XMP, _xmp(settings))
    return texts


def _parted(image: GeneratedImage | Image.Image, settings: Mapping[str, Any]) -> tuple[Image.Image, dict[str, Any]]:
    """The picture alone and what is told of it."""
    if not isinstance(image, GeneratedImage):
        return image, dict(settings)
    scores = {"identity": image.identity, "keypoint_error": image.keypoint_error}
    return image.image, {**settings, "seed": image.seed, "count": 1, "best_of": None, **scores}


def _bare(image: Image.Image) -> Image.Image:
    """The pixels alone: nothing that the picture carries in its `info` comes along."""
    bare = Image.new("RGB", image.size)
    bare.paste(image.convert("RGB"))
    return bare


def _xmp(settings: Mapping[str, Any]) -> str:
    prompt = _NOT_XML.sub("", str(settings.get("styled_prompt", settings.get("prompt", ""))))
    return _XMP.format(tool=quoteattr(TOOL), source=quoteattr(SOURCE_TYPE), description=escape(prompt))
