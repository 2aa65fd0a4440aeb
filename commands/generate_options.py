"""What `cli.py generate` was given, as parts of a request: people, sizes, controls, LoRAs, settings of a picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import PhotoError, RequestError
from face.photo import ENDINGS, open_photo
from generation import modes
from generation import strengths as presets
from generation.controls import Control
from generation.people import Person
from generation.request import Lora, lora_files
from outputs.metadata import read_settings

if TYPE_CHECKING:
    from PIL import Image

POSE_SETTINGS = ("view", "view_size", "view_centre", "keypoints", "pose_face")


def people_of(face: list[Path], person: list[Path]) -> tuple[tuple[Image.Image, ...], tuple[Person, ...]]:
    """Photos of the first person, and the others. A first person may be given by --face or as the first --person."""
    everybody = [face] if face else []
    everybody += [_photos_in(path) if path.is_dir() else [path] for path in person]
    if not everybody:
        raise RequestError("Nobody was named.", field="face", cure="Give a photo with --face, or several --person.")
    opened = [
        tuple(photo_at(path, "face" if face and not n else "person") for path in paths)
        for n, paths in enumerate(everybody)
    ]
    return opened[0], tuple(Person(photos) for photos in opened[1:])


def _photos_in(folder: Path) -> list[Path]:
    """Photos of one person; what is hidden or called otherwise is passed over. Raises RequestError without any."""
    photos = sorted(
        one
        for one in folder.iterdir()
        if one.is_file() and one.suffix.lower() in ENDINGS and not one.name.startswith(".")
    )
    if not photos:
        raise RequestError(
            f"The folder {folder} holds no photo.", field="person", cure=f"Photos end in {', '.join(ENDINGS)}."
        )
    return photos


def order_of(text: str, people: int) -> tuple[int, ...]:
    """So many people counted from 1 on the command line, from 0 within."""
    try:
        numbers = [int(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if sorted(numbers) != list(range(1, people + 1)):
        everybody = ",".join(str(number) for number in range(people, 0, -1))
        raise RequestError(
            f"The order {text[:40]} does not name each of {people} people once.",
            field="order",
            cure=f"Count from 1 as they were given, such as {everybody}.",
        )
    return tuple(number - 1 for number in numbers)


def photo_at(path: Path, option: str, background: str = "white") -> Image.Image:
    """Opens a photo, transparency over a background; of several on a command line, the error says which."""
    try:
        return open_photo(path, field=option, background=background)
    except PhotoError as error:
        raise PhotoError(f"{path}: {error.message}", field=option, cure=error.cure) from error


def size_of(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    match = re.fullmatch(r"(\d{1,6})[xX×](\d{1,6})", text.strip())
    if match is None:
        raise RequestError("The size is not understood.", field="size", cure="Write it as 896x1152.")
    return int(match[1]), int(match[2])


def window_of(name: str, text: str | None) -> dict[str, float]:
    """A part of the run as fields of a request."""
    if text is None:
        return {}
    start, colon, end = text.partition(":")
    try:
        if colon:
            return {f"{name}_start": float(start), f"{name}_end": float(end)}
    except ValueError:
        pass
    raise RequestError(
        f"The {name} window is not understood.", field=f"{name}-window", cure="Write it as 0.1:0.8, start and end."
    )


def best_of(text: str | None) -> dict[str, int]:
    if text is None:
        return {}
    match = re.fullmatch(r"(\d{1,3})/(\d{1,3})", text.strip())
    if match is None:
        raise RequestError("The best is not understood.", field="best", cure="Write it as 2/6: keep two of six.")
    return {"count": int(match[1]), "best_of": int(match[2])}


def check_pairs(count: int | None, best: str | None, control: list[str] | None, control_maps: bool) -> None:
    """Raises RequestError for options of which one would go unheard beside, or without, the other."""
    if count is not None and best is not None:
        raise RequestError(
            "--count and --best contradict each other.",
            field="best",
            cure="Leave --count out: --best says how many are kept.",
        )
    if control_maps and not control:
        raise RequestError(
            "--control-maps says what the pictures of controls are, but there is no control.",
            field="control-maps",
            cure="Add --control KIND:STRENGTH:PICTURE, or leave it out.",
        )


def control_of(text: str, *, is_map: bool = False) -> Control:
    kind, _, rest = text.partition(":")
    strength, _, picture = rest.partition(":")
    try:
        act = {"strength": float(strength)} if strength else {}
    except ValueError as error:
        raise RequestError(
            "The control is not understood.", field="control", cure="Write it as canny:0.7 or canny:0.7:PICTURE."
        ) from error
    return Control(kind, **act, picture=photo_at(Path(picture), "control") if picture else None, is_map=is_map)


def lora_of(text: str) -> Lora:
    path, colon, weight = text.rpartition(":")
    try:
        return Lora(path, float(weight)) if colon else Lora(text)
    except ValueError:
        return Lora(text)


def settings_like(picture: Path | None) -> dict[str, Any]:
    """Settings of a picture that was made here."""
    if picture is None:
        return {}
    if not picture.is_file():
        raise RequestError(f"{picture}: There is no such file.", field="like", cure="Check its name and place.")
    kept = read_settings(picture)
    if kept is None:
        raise RequestError(
            f"{picture.name} holds no settings.", field="like", cure="Give a PNG that was made and saved by this app."
        )
    return kept


def without(kept: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Kept settings less the pose, the speed or the strengths when others are asked for.

    LoRA files cannot be kept, so they must be given again; of another mode the LoRAs go too.
    """
    if lora_files(kept) and "loras" not in options:
        raise RequestError("The picture was made with LoRA files.", field="like", cure="Give them again with --lora.")
    if wanting := [name for name in kept.get("needs") or () if name not in options]:
        raise RequestError(f"The picture was made with another one: {wanting[0]}.", field="like", cure="Give it again.")
    dropped = set(POSE_SETTINGS) if {"pose", "view"} & options.keys() else set()
    if "mode" in options:
        dropped |= {*modes.FILLED, "loras"}
    if "strengths" in options:
        dropped |= set(presets.FILLED)
    return {name: value for name, value in kept.items() if name not in dropped}
