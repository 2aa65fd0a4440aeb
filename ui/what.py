"""Question 3: the styles as pictures. Each picture was made by the app itself (see ui/thumbnails.py)."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Mapping
from html import escape
from pathlib import Path

import gradio as gr

from style_presets import NO_STYLE, Style
from ui.theme import script

THUMBNAILS = Path(__file__).parent.parent / "assets" / "styles"


def slug(name: str) -> str:
    """The file name of a style's thumbnail: "Film Noir" -> "film-noir"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "style"


def style_picker(styles: Mapping[str, Style]) -> gr.HTML:
    """Radio buttons with pictures, filtered by group. Its value is the name of a style."""
    groups = list(dict.fromkeys(style.group for name, style in styles.items() if name != NO_STYLE))
    chips = "".join(
        f'<button type="button" data-group="{escape(group)}" aria-pressed="false">{escape(group or "All")}</button>'
        for group in ("", *groups)
    )
    tiles = _tile(NO_STYLE, "", "No style") + "".join(
        _tile(name, style.group, name) for name, style in styles.items() if name != NO_STYLE
    )
    template = (
        f'<div class="chips" role="group" aria-label="Groups of styles">{chips}</div>'
        f'<fieldset class="tiles"><legend class="unseen">Style</legend>{tiles}</fieldset>'
    )
    return gr.HTML(
        NO_STYLE,
        html_template=_literal(template),
        js_on_load=script("style_picker"),
        apply_default_css=False,
        label="Style",
        elem_id="style-picker",
    )


def _tile(name: str, group: str, label: str) -> str:
    picture = THUMBNAILS / f"{slug(name)}.webp"
    if picture.is_file():
        data = base64.b64encode(picture.read_bytes()).decode()
        face = f'<img src="data:image/webp;base64,{data}" alt="" loading="lazy">'
    elif name == NO_STYLE:
        face = '<i class="swatch plain"></i>'
    else:
        face = f'<i class="swatch" style="--hue:{zlib.crc32(name.encode()) % 360}">{escape(label[:1])}</i>'
    return (
        f'<label data-group="{escape(group)}"><input type="radio" name="studio-style" value="{escape(name)}">'
        f"{face}<span>{escape(label)}</span></label>"
    )


def _literal(template: str) -> str:
    """Text for `html_template`, which gradio evaluates as JavaScript: a user's style name may hold its signs."""
    for sign, entity in {"\\": "&#92;", "`": "&#96;", "$": "&#36;", "{": "&#123;", "}": "&#125;"}.items():
        template = template.replace(sign, entity)
    return template
