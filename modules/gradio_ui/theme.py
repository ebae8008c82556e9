"""Gradio's own theme, denser and with the fonts that the machine has: nothing is fetched."""

from __future__ import annotations

from gradio.themes import Base, Default
from gradio.themes.utils import sizes

FONT = ("ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "Consolas", "Menlo", "monospace")


def page_theme() -> Base:
    """Small text, small gaps, A1111's orange and slate."""
    theme = Default(
        primary_hue="orange",
        neutral_hue="gray",
        spacing_size=sizes.spacing_sm,
        radius_size=sizes.radius_sm,
        text_size=sizes.text_sm,
        font=FONT,
        font_mono=MONO,
    )
    return theme.set(
        # Fields stand on the page itself, not in boxes of their own.
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        # Gradio's paler greys are below 4.5:1 on white.
        body_text_color_subdued="*neutral_500",
        block_label_text_color="*neutral_600",
        block_info_text_color="*neutral_500",
        input_placeholder_color="*neutral_500",
        slider_color="*primary_500",
    )
