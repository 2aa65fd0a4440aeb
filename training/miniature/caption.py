"""Captions of drawn pictures, made from the same parameters as the drawing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from style_presets import apply_style
from training.miniature.person import Person
from training.miniature.presets_map import PRESETS, presets_of
from training.miniature.shot import Shot

PRESET_SHARE = 0.4
_COLOURLESS = ("line art", "film noir")

_STYLE_WORDS: dict[str, tuple[str, ...]] = {
    "photo": ("photo of", "a photo of", "a portrait photo of", "photo portrait of"),
    "cartoon": ("cartoon of", "a cartoon of", "a cartoon portrait of"),
    "line art": ("line art of", "a pencil drawing of", "line art, pencil drawing of", "a pencil sketch of"),
    "watercolor": ("watercolor painting of", "a watercolor of", "a watercolor portrait of", "watercolor of"),
    "neon": ("neon portrait of", "a neon portrait of", "neon light portrait of"),
    "film noir": ("film noir, black and white photo of", "a film noir portrait of", "black and white photo of"),
    "vibrant": ("vibrant poster of", "a vibrant poster of", "a vibrant colorful portrait of"),
}
_PLACE_WORDS: dict[str, tuple[str, ...]] = {
    "mars": ("on mars", "on mars, red desert", "on the red planet mars"),
    "jungle": ("in the jungle", "in a green jungle", "in the jungle with big leaves"),
    "snow": ("in the snow", "in a snowy landscape", "in winter snow"),
    "beach": ("at the beach", "on a beach by the sea", "on the beach"),
    "night city": ("in the city at night", "in a city at night", "in front of a city at night"),
    "forest": ("in the forest", "in a forest", "in the woods"),
    "desert sunset": ("in the desert at sunset", "at sunset in the desert", "in a desert"),
    "space": ("in space", "in outer space with stars", "in space with stars and a planet"),
    "library": ("in a library", "in a library with books", "in front of bookshelves"),
    "garden": ("in a flower garden", "in a garden", "in a garden with flowers"),
    "underwater": ("underwater", "under the sea", "underwater with fish"),
}
_PLAIN_WORDS = ("on {} background", "in front of {} wall", "with {} background")
_FACE_WORDS: dict[str, tuple[str, ...]] = {
    "neutral": ("looking calm", "serious", "with a neutral face"),
    "smile": ("smiling", "with a smile", "happy"),
    "open mouth": ("with open mouth", "talking", "laughing"),
    "frown": ("frowning", "sad", "angry"),
    "surprised": ("surprised", "looking surprised", "amazed"),
}
_CLOTHES_WORDS: dict[str, tuple[str, ...]] = {
    "t-shirt": ("t-shirt", "tee shirt"),
    "shirt": ("shirt", "collared shirt"),
    "suit": ("suit", "suit and tie"),
    "hoodie": ("hoodie", "hooded sweatshirt"),
    "jumper": ("sweater", "striped sweater"),
    "dress": ("dress", "dress and necklace"),
    "coat": ("coat", "jacket"),
}
_HAIR_WORDS: dict[str, str] = {
    "receding": "receding {} hair",
    "cropped": "short {} hair",
    "side parting": "short parted {} hair",
    "quiff": "{} quiff",
    "spiky": "spiky {} hair",
    "bob": "{} bob hair",
    "long": "long {} hair",
    "wavy": "long wavy {} hair",
    "curly": "curly {} hair",
    "afro": "big {} afro hair",
    "bun": "{} hair in a bun",
    "ponytail": "{} ponytail",
    "pigtails": "{} pigtails",
}
_BEARD_WORDS: dict[str, str] = {
    "stubble": "stubble",
    "full": "a {} beard",
    "long": "a long {} beard",
    "goatee": "a {} goatee",
    "moustache": "a {} moustache",
    "chin strap": "a thin {} beard",
}


def caption(person: Person, shot: Shot, rng: np.random.Generator, identity_words: bool = True) -> str:
    """A short English caption; each attribute is left out at random and the order varies.

    Args:
        identity_words: False leaves out who is drawn (hair, skin, glasses, beard, age) and says what was asked for
            only: a person, style, place, clothes and expression.
    """
    preset = None
    if rng.random() < PRESET_SHARE:
        names = presets_of(shot)
        preset = _choice(rng, names) if names else None
    said = PRESETS[preset] if preset else {}
    style_told = preset is None and rng.random() < (0.92 if shot.style != "photo" else 0.6)
    place_told = "place" not in said and rng.random() < 0.85
    parts: list[str] = []
    if place_told:
        parts.append(_place(shot, rng))
    if rng.random() < 0.65:
        parts.append(_clothes(shot, rng))
    if rng.random() < 0.55:
        parts.append(_choice(rng, _FACE_WORDS[shot.expression]))
    if shot.style == "photo" and shot.tint != "white" and rng.random() < 0.2:
        parts.append(f"{'warm' if shot.tint == 'warm' else 'cool'} light")
    ordered = [_who(person, rng, identity_words), *(parts[i] for i in rng.permutation(len(parts)))]
    words = (", " if rng.random() < 0.6 else " ").join(ordered)
    if preset is not None:
        return apply_style(preset, words)[0]
    if style_told:
        return f"{_choice(rng, _STYLE_WORDS[shot.style])} {words}"
    return words


def description(shot: Shot) -> str:
    """Everything that can be asked of a picture in one sentence, and nothing of who is in it; always the same words."""
    thing = _CLOTHES_WORDS[shot.clothes][0]
    clothes = thing if shot.style in _COLOURLESS else f"{shot.clothes_colour} {thing}"
    plain = shot.place.startswith("plain ")
    place = (
        _PLAIN_WORDS[0].format(_with_article(shot.place.removeprefix("plain ")))
        if plain
        else _PLACE_WORDS[shot.place][0]
    )
    face = _FACE_WORDS[shot.expression][0]
    return f"{_STYLE_WORDS[shot.style][0]} a person, {place}, wearing {_with_article(clothes)}, {face}"


def _choice(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _place(shot: Shot, rng: np.random.Generator) -> str:
    if shot.place.startswith("plain "):
        return _choice(rng, _PLAIN_WORDS).format(_with_article(shot.place.removeprefix("plain ")))
    return _choice(rng, _PLACE_WORDS[shot.place])


def _clothes(shot: Shot, rng: np.random.Generator) -> str:
    thing = _choice(rng, _CLOTHES_WORDS[shot.clothes])
    if shot.style in _COLOURLESS and rng.random() < 0.7:
        return f"wearing a {thing}"
    if rng.random() < 0.15:
        return f"wearing {shot.clothes_colour} clothes"
    return f"{_choice(rng, ('wearing', 'wearing', 'in'))} {_with_article(shot.clothes_colour)} {thing}"


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _who(person: Person, rng: np.random.Generator, identity_words: bool) -> str:
    noun = _choice(rng, ("person", "woman" if person.woman else "man", "woman" if person.woman else "man"))
    if not identity_words:
        return f"a {noun}"
    before = []
    if person.age_word != "adult" and rng.random() < 0.4:
        before.append(person.age_word)
    having = []
    if rng.random() < 0.3:
        having.append(f"{person.skin_word} skin")
    bald = person.hair_style == "bald"
    if rng.random() < 0.65:
        if bald:
            before.append("bald")
        else:
            colour = person.hair_colour
            having.append(_HAIR_WORDS[person.hair_style].format(colour) if rng.random() < 0.6 else f"{colour} hair")
    if person.glasses != "none" and rng.random() < 0.7:
        kind = "sunglasses" if person.glasses == "sunglasses" else "glasses"
        having.append(f"{person.glasses_colour} {kind}" if rng.random() < 0.4 else kind)
    if person.beard != "none" and rng.random() < 0.7:
        colour = "" if bald or rng.random() < 0.6 else person.hair_colour
        having.append(" ".join(_BEARD_WORDS[person.beard].format(colour).split()))
    if person.freckles and rng.random() < 0.4:
        having.append("freckles")
    if person.earrings != "none" and rng.random() < 0.4:
        having.append("earrings")
    who = _with_article(" ".join([*before, noun]))
    if not having:
        return who
    having = [having[i] for i in rng.permutation(len(having))]
    return f"{who} with {having[0]}" if len(having) == 1 else f"{who} with {', '.join(having[:-1])} and {having[-1]}"
