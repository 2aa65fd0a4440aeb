"""The line at the top: what this is, and which weights are loaded."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from generation.background import EngineRoom
from ui.theme import ICON
from ui.wording import PRODUCT, download_line

if TYPE_CHECKING:
    from weights.registry import Profile

DEVICES = {"cpu": "CPU", "cuda": "GPU", "mps": "Apple GPU"}
STATES = {"loading": "loading …", "failed": "not loaded"}


def header_html(room: EngineRoom, profile: Profile) -> str:
    """The chip opens to what the weights are, and with drawn people how to get the photographic ones."""
    profile = getattr(room.engine, "profile", profile)
    if room.engine is not None and room.download is None:
        where = f"{DEVICES.get(room.engine.device, room.engine.device)}, {room.way}"
    elif room.download is not None:
        where = download_line(*room.download)
    else:
        where = STATES[room.state]
    drawn = " (drawn people)" if profile.drawn else ""
    return (
        f'<header class="top"><strong>{ICON.read_text(encoding="utf-8")}{PRODUCT}</strong>'
        f'<details class="weights {room.state}"><summary><i class="lamp" aria-hidden="true"></i>weights: '
        f"<b>{escape(profile.name)}</b>{drawn} · {escape(where)}</summary>"
        f'<div class="about">{_about(room, profile)}</div></details></header>'
    )


def _about(room: EngineRoom, profile: Profile) -> str:
    if room.error is not None:
        return (
            f"<p><b>{escape(room.error.message)}</b></p><p>{escape(room.error.cure or '')}</p>"
            "<p>“Make pictures” tries to load them once more.</p>"
        )
    if room.refused is not None:
        return f"<p><b>{escape(room.refused.message)}</b></p><p>{escape(room.refused.cure or '')}</p>"
    if profile.drawn:
        return (
            "<p><b>People come out drawn.</b> The miniature is a small model that was trained for this app. It runs on "
            "any computer and shows every control at work.</p><p>For photographs, on a computer with a GPU of 12 GB or "
            "more (8 GB work too, slowly):</p><pre>python cli.py download --profile realvisxl\n"
            "python app.py --profile realvisxl</pre>"
            "<p>The photographic models have their own licences; the face models among them are for research only.</p>"
        )
    return (
        f"<p><b>{escape(profile.title)}</b></p><p>The licence of these weights applies to what you make with them. The "
        "face models among them are for non-commercial research only.</p>"
    )
