"""Colours and type: one accent, paper and ink, the fonts of the visitor's own system, light and dark."""

from pathlib import Path

import gradio as gr

PAGE = Path(__file__).parent / "page"
STYLE_SHEET = PAGE / "studio.css"
ICON = PAGE / "face.svg"

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Liberation Sans", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Menlo", "Consolas", "Liberation Mono", "monospace")


def script(name: str) -> str:
    """JavaScript of a component, from ui/page."""
    return (PAGE / f"{name}.js").read_text(encoding="utf-8")


def studio_theme() -> gr.themes.Base:
    """gradio's own parts in the page's colours. The values are the custom properties of studio.css."""
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        font=list(SANS),
        font_mono=list(MONO),
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
    )
    same_in_both = {
        "body_background_fill": "var(--paper)",
        "body_text_color": "var(--ink)",
        "body_text_color_subdued": "var(--muted)",
        "background_fill_primary": "var(--surface)",
        "background_fill_secondary": "var(--raised)",
        "border_color_primary": "var(--line)",
        "border_color_accent": "var(--accent)",
        "color_accent_soft": "var(--accent-soft)",
        "link_text_color": "var(--accent)",
        "link_text_color_hover": "var(--accent)",
        "link_text_color_active": "var(--accent)",
        "link_text_color_visited": "var(--accent)",
        "block_background_fill": "transparent",
        "block_border_width": "0px",
        "block_shadow": "none",
        "block_label_background_fill": "transparent",
        "block_label_text_color": "var(--ink)",
        "block_title_text_color": "var(--ink)",
        "block_info_text_color": "var(--muted)",
        "panel_background_fill": "transparent",
        "input_background_fill": "var(--field)",
        "input_background_fill_focus": "var(--field)",
        "input_background_fill_hover": "var(--field)",
        "input_border_color": "var(--edge)",
        "input_border_color_focus": "var(--accent)",
        "input_border_color_hover": "var(--edge)",
        "input_placeholder_color": "var(--muted)",
        "input_shadow": "none",
        "input_shadow_focus": "none",
        "slider_color": "var(--accent)",
        "button_primary_background_fill": "var(--accent)",
        "button_primary_background_fill_hover": "var(--accent-strong)",
        "button_primary_text_color": "var(--on-accent)",
        "button_primary_text_color_hover": "var(--on-accent)",
        "button_primary_border_color": "transparent",
        "button_primary_border_color_hover": "transparent",
        "button_secondary_background_fill": "var(--raised)",
        "button_secondary_background_fill_hover": "var(--accent-soft)",
        "button_secondary_text_color": "var(--ink)",
        "button_secondary_text_color_hover": "var(--ink)",
        "button_secondary_border_color": "var(--line)",
        "button_secondary_border_color_hover": "var(--accent)",
        "button_cancel_background_fill": "var(--raised)",
        "button_cancel_background_fill_hover": "var(--accent-soft)",
        "button_cancel_text_color": "var(--ink)",
        "button_cancel_text_color_hover": "var(--ink)",
        "button_cancel_border_color": "var(--line)",
        "button_cancel_border_color_hover": "var(--accent)",
        "checkbox_background_color": "var(--field)",
        "checkbox_background_color_selected": "var(--accent)",
        "checkbox_border_color": "var(--edge)",
        "checkbox_border_color_selected": "var(--accent)",
        "checkbox_label_background_fill": "transparent",
        "checkbox_label_background_fill_hover": "transparent",
        "checkbox_label_background_fill_selected": "transparent",
        "checkbox_label_text_color": "var(--ink)",
        "checkbox_label_text_color_selected": "var(--ink)",
        "checkbox_label_border_color": "transparent",
        "checkbox_label_border_color_hover": "transparent",
        "loader_color": "var(--accent)",
        "code_background_fill": "var(--raised)",
        "accordion_text_color": "var(--ink)",
        "stat_background_fill": "var(--accent-soft)",
    }
    values: dict[str, str] = {}
    for name, value in same_in_both.items():
        values[name] = value
        values[f"{name}_dark"] = value
    return theme.set(**values)
