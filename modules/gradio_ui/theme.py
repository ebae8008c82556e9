"""The page's colours and sizes: our own theme, or one of Gradio's by the setting; with the fonts that the machine has, so that nothing is fetched."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from gradio.themes import Base, Citrus, Default, Font, Glass, Monochrome, Ocean, Origin, Soft
from gradio.themes.utils import sizes

from modules.a1111.patch_points import looked_up
from modules.application.app import App

log = logging.getLogger(__name__)
# Many a button is an emoji. The machine's own come first; where it has none, as many a Linux, ours is fetched (static/fonts), else they are empty boxes.
EMOJI = ("Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji", "Twemoji Mozilla", "Noto Emoji", "webui-emoji")
FONT = ("ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif", *EMOJI)
MONO = ("ui-monospace", "Consolas", "Menlo", "monospace")
OURS = "Default"
# A1111's names for the themes that come with Gradio
_BUILT_IN: Mapping[str, type[Base]] = {f"gradio/{kind.__name__.lower()}": kind for kind in (Base, Citrus, Glass, Monochrome, Ocean, Origin, Soft)}


def themes_folder(app: App) -> Path:
    """A1111's place for the themes that it downloads; nothing else is looked at, and with the setting off not even that."""
    return app.paths.data_dir / "tmp" / "gradio_themes" if app.settings.get("gradio_themes_cache") else app.paths.data_dir / "no-themes"


def theme_names(folder: Path) -> list[str]:
    """Those that need no network: Gradio's own, and those whose files lie in ``folder``, as A1111 keeps what it once downloaded."""
    try:
        kept = sorted(each.stem.replace("_", "/", 1) for each in folder.glob("*.json"))
    except OSError:
        kept = []
    return [*_BUILT_IN, *(name for name in kept if name not in _BUILT_IN)]


def theme_in_use(app: App) -> Base:
    """The one that the setting names, the same until it names another: extensions write colours of their own on it, which their style sheets read."""
    name = app.settings.get("gradio_theme")
    if app.extensions.theme is None or app.extensions.theme[0] != name:
        app.extensions.theme = name, page_theme(name, themes_folder(app))
    theme: Base = app.extensions.theme[1]
    return theme


def theme_to_show(app: App) -> Base:
    """With what extensions made of it; what they left empty is no colour."""
    own = theme_in_use(app)
    found = looked_up("modules.shared", "gradio_theme", own)
    theme = found if isinstance(found, Base) else own
    for name in [name for name, value in vars(theme).items() if value is None and not name.startswith("_") and not name.endswith("_dark")]:
        delattr(theme, name)
    return theme


def page_theme(name: str = OURS, folder: Path | None = None) -> Base:
    """The theme of that name; a theme that would have to be fetched is said in the log, and ours is used."""
    if name in ("", OURS):
        return _ours()
    if name in _BUILT_IN:
        return _BUILT_IN[name](font=FONT, font_mono=MONO)
    kept = None if folder is None else folder / f"{name.replace('/', '_')}.json"
    try:
        if kept is not None and kept.resolve().parent == folder.resolve() and kept.is_file():     # type: ignore[union-attr]
            return _with_local_fonts(Base.load(str(kept)))      # type: ignore[arg-type]  # a ThemeClass with all that a theme has
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("the theme %s cannot be read: %s", kept, error)
    log.warning("The theme %r is not on this machine and nothing is fetched for the page: the usual one is used. Put its file into %s to have it.", name, folder)
    return _ours()


def _with_local_fonts(theme: Base) -> Base:
    """A theme of the hub names fonts of a font service."""
    theme._font[:], theme._font_mono[:] = map(Font, FONT), map(Font, MONO)
    theme.font, theme.font_mono = ", ".join(map(str, theme._font)), ", ".join(map(str, theme._font_mono))
    theme._font_css, theme._stylesheets = [], []
    return theme


def _ours() -> Base:
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
