"""The list of LoRAs: files and repositories with weights, put on for this visitor's pictures alone."""

from __future__ import annotations

import re
import secrets
import shutil
from html import escape
from pathlib import Path
from typing import Any

from errors import InputError, RequestError
from generation.checkpoints import UPLOADED_TABLE, shapes_in
from generation.request import Lora
from generation.sources import find_lora
from ui.inbox import Inbox
from ui.session import ChosenLora, Session
from ui.who import refused_html
from weights.registry import SHIPPED_LORAS

MOST = 8
WEAKEST, STRONGEST = -1.0, 2.0


def add_file(session: Session, inbox: Inbox, path: str, root: Path) -> None:
    """Keeps an uploaded LoRA in a folder of the visit; what was wrong stands in `session.told`.

    root: folder under which that folder lies.
    """
    session.told.pop("loras", None)
    try:
        data = inbox.take(path, field="loras")
        _require_room(session)
        name = re.sub(r"[^\w.-]+", "_", Path(path).name)[-80:]
        if not name.endswith(".safetensors"):
            raise RequestError(
                "Only .safetensors files are taken.", field="loras", cure="Other formats can run code when opened."
            )
        if session.lora_folder is None:
            session.lora_folder = root / secrets.token_urlsafe(16)
        file = session.lora_folder / secrets.token_hex(4) / name
        file.parent.mkdir(parents=True)
        file.write_bytes(data)
        try:
            shapes_in(file, "loras", largest=UPLOADED_TABLE)
        except RequestError:
            shutil.rmtree(file.parent)
            raise
        session.loras.append(ChosenLora(name, str(file), uploaded=True))
    except InputError as error:
        session.told["loras"] = str(error)


def add_named(session: Session, name: str) -> None:
    """Adds one of the registry, of the app or of a repository; never a path of the server."""
    session.told.pop("loras", None)
    name = name.strip()
    try:
        _require_room(session)
        if not name or find_known(name) is None:
            raise RequestError(
                "That is no LoRA that can be fetched.",
                field="loras",
                cure="Give owner/repository, or owner/repository/file.safetensors, or upload a file.",
            )
        if any(one.path == name for one in session.loras):
            raise RequestError("That LoRA is in the list already.", field="loras", cure="Change its weight instead.")
        session.loras.append(ChosenLora(name, name))
    except InputError as error:
        session.told["loras"] = str(error)


def find_known(name: str) -> object | None:
    """What a name means that is no file: visitors may not name files of the server."""
    if Path(name).is_absolute() or name.startswith((".", "~")) or Path(name).exists():
        return None
    return find_lora(name)


def change(session: Session, index: int, act: str, value: str) -> None:
    """act: "remove" or "weight" with its new value. Raises InputError for a row that is not there."""
    if not 0 <= index < len(session.loras):
        raise InputError("That LoRA is not in the list any more.", field="loras")
    if act == "remove":
        forget_file(session.loras.pop(index))
    elif act == "weight":
        try:
            session.loras[index].weight = min(STRONGEST, max(WEAKEST, float(value)))
        except ValueError as error:
            raise InputError("A weight is a number.", field="loras", cure="Move the slider again.") from error


def forget_file(lora: ChosenLora) -> None:
    """Deletes what was uploaded."""
    if lora.uploaded:
        shutil.rmtree(Path(lora.path).parent, ignore_errors=True)


def loras_of(session: Session) -> dict[str, Any]:
    """The field `loras` of a request."""
    return {"loras": tuple(Lora(one.path, one.weight) for one in session.loras)} if session.loras else {}


def suggestions() -> list[str]:
    """Names of the LoRAs that come with the app."""
    return list(SHIPPED_LORAS)


def loras_html(session: Session) -> str:
    """The list with a slider for each; clickable parts carry data-act for the event "select"."""
    rows = "".join(
        f'<li><label class="range"><span>{escape(one.name)}</span><output>{one.weight:g}</output>'
        f'<input type="range" min="{WEAKEST:g}" max="{STRONGEST:g}" step="0.05" value="{one.weight:g}" '
        f'data-change="weight" data-index="{index}" aria-label="Weight of {escape(one.name)}"></label>'
        f'<button type="button" class="remove" data-act="remove" data-index="{index}" '
        f'aria-label="Remove {escape(one.name)}">×</button></li>'
        for index, one in enumerate(session.loras)
    )
    return (f'<ul class="loras">{rows}</ul>' if rows else "") + refused_html(session.told.get("loras", ""))


def _require_room(session: Session) -> None:
    if len(session.loras) >= MOST:
        raise RequestError(f"{MOST} LoRAs are enough.", field="loras", cure="Remove one first.")
