"""What runs the networks: torch, or one of the OpenVINO exports that are there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from errors import InstantIDError
from generation.compiled import available
from generation.loading import load_engine
from generation.settings import Settings, on_zero_gpu
from ui.header import header_html
from ui.making import as_shown

if TYPE_CHECKING:
    from generation.background import EngineRoom, Load
    from weights.registry import Profile

LABEL = "Runs on"
ANY: dict[str, Any] = {"device": "auto", "dtype": "auto"}
"""Devices and precisions of one backend have no meaning for the other."""


def ways_of(profile: Profile, settings: Settings) -> tuple[Load, dict[str, Load], str]:
    """For an EngineRoom: the way that the settings ask for, the others that are installed, and the first one's name.

    There are others only where visitors may choose for everybody (`Settings.choose_base`); a Space whose GPU is lent,
    and weights of one's own, know none.
    """
    there = available(profile, settings)
    precision = settings.precision if settings.precision != "auto" else next(iter(there), "auto")
    torch, compiled = "PyTorch", "OpenVINO, {}".format
    way = torch if settings.backend == "torch" else compiled(precision)
    wishes = {torch: replace(settings, backend="torch", **({} if way == torch else ANY))}
    for one in there:
        wish = replace(settings, backend="openvino", precision=one)
        wishes[compiled(one)] = replace(wish, **ANY) if way == torch else wish
    of_one_s_own = (settings.base, settings.vae, settings.adapter, settings.identity_net)
    if not settings.choose_base or on_zero_gpu() or any(one is not None for one in of_one_s_own):
        wishes = {}
    wishes[way] = replace(settings, precision=precision)
    loads = {name: _loader(profile, wish) for name, wish in wishes.items()}
    return loads.pop(way), loads, way


def _loader(profile: Profile, settings: Settings) -> Load:
    return lambda told: load_engine(profile, settings, downloading=told)


def runs_on_choice(room: EngineRoom) -> gr.Dropdown:
    """Shown when there is a choice. It is one for the whole app, which has one set of weights in memory."""
    return gr.Dropdown(
        list(room.ways), value=room.way, label=LABEL, visible=len(room.ways) > 1, elem_id="runs-on", interactive=True
    )


def as_it_runs(room: EngineRoom) -> Any:
    """What the choice shows on a page that is opened now."""
    return gr.update(choices=list(room.ways), value=room.way, visible=len(room.ways) > 1)


def connect_choice(page: gr.Blocks, parts: dict[str, Any], room: EngineRoom, profile: Profile) -> None:
    """A choice loads the networks anew; the header tells how far it is. Every page opens with what runs now."""
    page.load(lambda: as_it_runs(room), None, parts["runs_on"], show_progress="hidden", api_visibility="private")

    def choose(way: str) -> tuple[str, Any]:
        try:
            room.choose(way)
        except InstantIDError as error:
            raise as_shown(error) from error
        return header_html(room, profile), gr.update(active=True)

    parts["runs_on"].input(
        choose, parts["runs_on"], [parts["header"], parts["timer"]], show_progress="hidden", api_visibility="private"
    )
