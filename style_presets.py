"""Style presets: a name stands for words put around the visitor's prompt, and words to keep out."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from errors import RequestError

NO_STYLE = "(No style)"
LONGEST_NAME = 80
_PLACEHOLDER = "{prompt}"
_WEIGHT = re.compile(r"\([^()]*:\s*\d+(\.\d+)?\s*\)")


@dataclass(frozen=True)
class Style:
    """One preset. ``prompt`` holds ``{prompt}`` once, where the visitor's words go; ``negative`` may be empty."""

    name: str
    group: str
    prompt: str
    negative: str = ""


_FLAWS = "deformed face, extra fingers, blurry, watermark, text"
_NOT_PHOTO = "photo, photorealistic, 3d render, watermark, text"

_TABLE: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Places": (
        ("Mars",
         "photo of {prompt}, on mars, red desert and tall rocks, dusty orange sky, small pale sun, cinematic light",
         f"green plants, water, blue sky, {_FLAWS}"),
        ("Jungle",
         "photo of {prompt}, in the jungle, big green leaves all around, warm damp air, sunbeams through the canopy",
         f"city, snow, grey colours, {_FLAWS}"),
        ("Snow", "photo of {prompt}, in the snow, falling snowflakes, white hills and fir trees, cold soft daylight",
         f"summer, green grass, harsh sun, {_FLAWS}"),
        ("Beach", "photo of {prompt}, at the beach, blue sea and sand, palm tree, bright holiday sunlight",
         f"indoors, snow, night, {_FLAWS}"),
        ("Night City", "photo of {prompt}, in the city at night, lit windows, tall buildings, deep blue evening",
         f"daylight, countryside, {_FLAWS}"),
        ("Forest", "photo of {prompt}, in the forest, tall brown trees, soft green light, fine detail",
         f"city, desert, {_FLAWS}"),
        ("Desert Sunset", "photo of {prompt}, in the desert at sunset, cactus and dunes, purple and orange sky",
         f"rain, snow, indoors, {_FLAWS}"),
        ("Deep Space", "photo of {prompt}, in space, bright stars and a planet, violet nebula, epic scale",
         f"daylight, trees, houses, {_FLAWS}"),
        ("Old Library", "photo of {prompt}, in a library, shelves of old books, dark wood, quiet warm light",
         f"outdoors, neon, {_FLAWS}"),
        ("Flower Garden", "photo of {prompt}, in a flower garden, colorful flowers, green hedges, spring sunlight",
         f"desert, night, snow, {_FLAWS}"),
        ("Underwater", "photo of {prompt}, underwater, little fish and bubbles, rays of light in the blue sea",
         f"desert, fire, dry land, {_FLAWS}"),
    ),
    "Light": (
        ("Neon", "neon portrait of {prompt}, glowing cyan and magenta light, dark background, bright rims",
         f"daylight, pale colours, flat light, {_FLAWS}"),
        ("Film Noir", "film noir, black and white photo of {prompt}, hard light and deep shadow, 1940s mystery film",
         f"color, bright and cheerful, low contrast, {_FLAWS}"),
        ("Golden Light", "photo of {prompt}, warm golden light, late afternoon sun on the face, gentle shadows",
         f"cold colours, night, flash, {_FLAWS}"),
        ("Cold Morning", "photo of {prompt}, cool blue light, early morning, clear air, calm mood",
         f"warm colours, candles, {_FLAWS}"),
        ("Neon Night", "neon portrait of {prompt}, in the city at night, glowing signs, wet streets, purple haze",
         f"daylight, countryside, {_FLAWS}"),
        ("Neon Jungle", "neon portrait of {prompt}, in the jungle, leaves with glowing edges, dark and mysterious",
         f"daylight, white background, {_FLAWS}"),
        ("Deep Sea Glow", "neon portrait of {prompt}, underwater, glowing fish and plants in the dark sea",
         f"daylight, dry land, {_FLAWS}"),
    ),
    "Photography": (
        ("Studio Portrait", "photo of {prompt}, on a grey background, studio portrait, soft box light, sharp eyes",
         f"busy background, harsh shadow, {_FLAWS}"),
        ("Passport", "photo of {prompt}, on a white background, plain front light, clean and neutral",
         f"scenery, dramatic shadow, tilted head, {_FLAWS}"),
        ("Dark Backdrop", "photo of {prompt}, on a black background, one soft lamp, elegant portrait",
         f"bright background, scenery, {_FLAWS}"),
        ("Blue Backdrop", "photo of {prompt}, on a blue background, friendly company portrait, even light",
         f"scenery, dark mood, {_FLAWS}"),
        ("Candy Pink", "photo of {prompt}, on a pink background, playful fashion shoot, sweet pastel colours",
         f"gloomy, dark, scenery, {_FLAWS}"),
        ("Noir Street", "film noir, black and white photo of {prompt}, in the city at night, lamps and long shadows",
         f"color, daylight, {_FLAWS}"),
        ("Winter Mono", "film noir, black and white photo of {prompt}, in the snow, grainy film, silent mood",
         f"color, summer, {_FLAWS}"),
    ),
    "Art": (
        ("Line art", "line art, pencil drawing of {prompt}, clean dark lines on white paper, little shading",
         f"color, photo, photorealistic, 3d render, blurry, {_FLAWS}"),
        ("Watercolor",
         "watercolor painting of {prompt}, soft washes that run into each other, paper grain, light colours",
         f"{_NOT_PHOTO}, hard edges, deformed face"),
        ("Vibrant Color", "vibrant poster of {prompt}, bold saturated colors, strong contrast, joyful",
         f"dull, grey, faded, black and white, {_FLAWS}"),
        ("Cartoon", "cartoon of {prompt}, clean outlines, flat colors, friendly character design",
         f"{_NOT_PHOTO}, deformed face"),
        ("Garden Watercolor", "watercolor painting of {prompt}, in a flower garden, fresh petals, loose brush",
         f"{_NOT_PHOTO}, dark, deformed face"),
        ("Seaside Watercolor", "watercolor painting of {prompt}, at the beach, pale blue sea, airy holiday sketch",
         f"{_NOT_PHOTO}, dark, deformed face"),
        ("Winter Watercolor", "watercolor painting of {prompt}, in the snow, cool washes, quiet white paper",
         f"{_NOT_PHOTO}, summer, deformed face"),
        ("Botanical Sketch", "line art, pencil drawing of {prompt}, in a flower garden, fine botanical study",
         f"color, photo, blurry, {_FLAWS}"),
        ("City Sketch", "line art, pencil drawing of {prompt}, in the city at night, quick travel notebook",
         f"color, photo, blurry, {_FLAWS}"),
        ("Pop Poster", "vibrant poster of {prompt}, on a yellow background, pop art, thick outlines, screen print",
         f"dull, realistic photo, black and white, {_FLAWS}"),
    ),
    "Fantasy": (
        ("Enchanted Forest", "watercolor painting of {prompt}, in the forest, fairy tale illustration, misty and green",
         f"{_NOT_PHOTO}, city, deformed face"),
        ("Jungle Quest", "cartoon of {prompt}, in the jungle, adventure story, big leaves, lively colors",
         f"{_NOT_PHOTO}, city, deformed face"),
        ("Atlantis", "vibrant poster of {prompt}, underwater, lost kingdom, shining fish, jewel colors",
         f"dull, grey, dry land, {_FLAWS}"),
        ("Wizard School", "cartoon of {prompt}, in a library, spell books, candle glow, whimsical",
         f"{_NOT_PHOTO}, modern office, deformed face"),
        ("Snow Kingdom", "cartoon of {prompt}, in the snow, ice castle tale, sparkling blue and white",
         f"{_NOT_PHOTO}, summer, deformed face"),
        ("Star Dream", "watercolor painting of {prompt}, in space, dreamy galaxy, soft violet washes",
         f"{_NOT_PHOTO}, daylight, deformed face"),
    ),
    "Eras": (
        ("Space Age Poster", "vibrant poster of {prompt}, on mars, 1960s space travel print, bold shapes",
         f"dull, modern city, {_FLAWS}"),
        ("Retro Wave", "neon portrait of {prompt}, in the desert at sunset, 1980s retro wave, purple and pink",
         f"daylight, pale colours, {_FLAWS}"),
        ("Cyber Future", "neon portrait of {prompt}, in space, far future, glowing lines, dark chrome",
         f"daylight, old fashioned, {_FLAWS}"),
        ("Silent Film", "film noir, black and white photo of {prompt}, on a grey background, 1920s silent film still",
         f"color, modern, digital, {_FLAWS}"),
        ("Detective Tale", "film noir, black and white photo of {prompt}, in a library, 1930s detective story",
         f"color, cheerful, outdoors, {_FLAWS}"),
        ("Travel Poster", "vibrant poster of {prompt}, at the beach, 1950s travel print, sunny and simple",
         f"dull, night, {_FLAWS}"),
        ("Saturday Morning", "cartoon of {prompt}, on mars, 1990s television animation, silly space comedy",
         f"{_NOT_PHOTO}, gloomy, deformed face"),
        ("Western", "photo of {prompt}, in the desert at sunset, old western film, dust and warm light",
         f"city, neon, snow, {_FLAWS}"),
    ),
}  # fmt: skip

STYLES: dict[str, Style] = {NO_STYLE: Style(NO_STYLE, "None", _PLACEHOLDER)} | {
    name: Style(name, group, prompt, negative) for group, rows in _TABLE.items() for name, prompt, negative in rows
}


def apply_style(
    style_name: str, prompt: str, negative: str = "", styles: Mapping[str, Style] = STYLES
) -> tuple[str, str]:
    """Put a preset's words around a prompt.

    Args:
        style_name: a key of ``styles``; NO_STYLE returns prompt and negative as they are.
        prompt, negative: the visitor's words, any characters (braces too).
        styles: STYLES, or what ``load_styles`` returned.

    Returns: (prompt, negative prompt); the visitor's negative words come first.

    Raises:
        RequestError: no such style.
    """
    style = styles.get(style_name)
    if style is None:
        raise RequestError(
            f"There is no style called {style_name!r}.", field="style", cure="Choose a name that is among the styles."
        )
    before, after = style.prompt.split(_PLACEHOLDER)
    words = prompt.strip() or ("a person" if style_name != NO_STYLE else "")
    unwanted = [part for part in (negative.strip(), style.negative) if part]
    return before + words + after, ", ".join(unwanted)


def load_styles(path: str | os.PathLike[str], base: Mapping[str, Style] = STYLES) -> dict[str, Style]:
    """Presets of a JSON file, added to (or put in place of) ``base``.

    The file holds ``{"Name": {"prompt": "... {prompt} ...", "negative": "...", "group": "..."}}``; negative and group
    may be left out.

    Raises:
        RequestError: the file cannot be read, or an entry is not of this form; names file and entry.
    """
    file = Path(path)

    def wrong(message: str, cure: str | None = None) -> RequestError:
        return RequestError(f"{file.name}: {message}", field="styles", cure=cure)

    try:
        entries = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_unique)
    except OSError as error:
        raise wrong(f"the style file cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise wrong("the style file is not UTF-8 text.") from error
    except json.JSONDecodeError as error:
        raise wrong(f"not valid JSON (line {error.lineno}, column {error.colno}: {error.msg}).") from error
    except _RepeatedKey as error:
        raise wrong(f"{str(error)!r} appears twice.") from error
    except (ValueError, RecursionError) as error:
        raise wrong("the style file cannot be read: it nests too deeply, or a number is too long.") from error
    if not isinstance(entries, dict):
        raise wrong('the file must hold one JSON object, {"Name": {"prompt": ...}}.')
    return dict(base) | {name: _style(name, entry, wrong) for name, entry in entries.items()}


class _RepeatedKey(ValueError):
    pass


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, value in pairs:
        if key in result:
            raise _RepeatedKey(key)
        result[key] = value
    return result


def _style(name: str, entry: object, wrong) -> Style:
    if not name.strip() or name == NO_STYLE or len(name) > LONGEST_NAME:
        raise wrong(f"{name[:LONGEST_NAME]!r} cannot be the name of a style.")
    if not isinstance(entry, dict):
        raise wrong(f"style {name!r} must be an object with a prompt.")
    unknown = sorted(set(entry) - {"prompt", "negative", "group"})
    if unknown:
        raise wrong(f"style {name!r} has unknown entries: {', '.join(unknown)}.", "Use prompt, negative and group.")
    for key in ("prompt", "negative", "group"):
        if key in entry and not isinstance(entry[key], str):
            raise wrong(f"style {name!r}: {key} must be text.")
    for text in (name, *entry.values()):
        if not text.isprintable():
            raise wrong(f"style {name!r} holds a line break or another character that cannot be printed.")
    prompt = entry.get("prompt", "").strip()
    if prompt.count(_PLACEHOLDER) != 1:
        raise wrong(f"style {name!r}: the prompt must hold {_PLACEHOLDER} exactly once.")
    negative = entry.get("negative", "").strip()
    for text in (prompt, negative):
        if _WEIGHT.search(text):
            raise wrong(
                f"style {name!r} uses a (word:1.2) weight, which is not understood.", "Write the words plainly."
            )
    return Style(name, entry.get("group", "").strip() or "Mine", prompt, negative)
