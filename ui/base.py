"""Another base model for the whole page, where the deployment allows it."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

import gradio as gr

from errors import InstantIDError, RequestError
from generation.background import EngineRoom, Load
from generation.bases import with_base
from generation.loading import load_engine
from generation.settings import Settings
from ui import wording as say
from ui.events import QUICK, Parts, Shown
from ui.who import refused_html
from weights.store import Store

if TYPE_CHECKING:
    from weights.registry import Profile
    from weights.store import Progress


class Bases:
    """Changes the base of the engine in a room.

    Args:
        profile: what the page began with; another base takes its place within it.
        settings: of the service.
    """

    def __init__(self, room: EngineRoom, profile: Profile, settings: Settings) -> None:
        self.room = room
        self._profile = profile
        self._settings = settings
        self.asked = False

    def load(self, base: str, vae: str) -> None:
        """Starts the change. Raises RequestError for weights that have one base alone, WeightsError while busy."""
        if not self._profile.half_precision:
            raise RequestError(
                "The drawn people have one base alone.",
                field="base",
                cure="Start the app with --profile sdxl, realvisxl or yamermix to choose another one.",
            )
        self.asked = True
        self.room.change(lambda told: self._prepared(base.strip() or None, vae.strip() or None, told))

    def _prepared(self, base: str | None, vae: str | None, told: Progress) -> Load:
        store = Store(self._settings.models_dir, self._settings.offline or None)
        chosen = with_base(self._profile, base or self._settings.base, vae or self._settings.vae, store, told)
        settings = replace(self._settings, base=None, vae=None)
        return lambda downloading: load_engine(chosen, settings, downloading=downloading)


def base_html(bases: Bases) -> str:
    """What came of the last change."""
    room = bases.room
    if room.changing:
        return f"<p>{say.BASE_BUSY}</p>"
    if room.refused is not None:
        return refused_html(str(room.refused))
    if bases.asked and room.engine is not None:
        return f"<p>{escape(say.BASE_LOADED.format(room.engine.profile.title))}</p>"
    return ""


def connect_base(parts: Parts, bases: Bases) -> None:
    """Binds the button; the page's clock shows how the change goes on."""

    def load(base: str | None, vae: str | None) -> Shown:
        try:
            bases.load(base or "", vae or "")
        except InstantIDError as error:
            return {"base_told": refused_html(str(error))}
        return {"base_told": base_html(bases), "timer": gr.update(active=True)}

    asked = parts.named(("base_name", "base_vae"))
    parts["base_load"].click(parts.keyed(load), asked, parts.named(("base_told", "timer")), **QUICK)
