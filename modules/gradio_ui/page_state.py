"""What the page's scripts start from: settings, unfinished jobs, notices. JSON, made anew for each visitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block

from modules.application import listing
from modules.application.app import App
from modules.application.generation import settings_in_use
from modules.application.translations import read_translation
from modules.extension_host.discover import LOOSE_PAGE


def page_state(app: App, button_titles: Mapping[str, str], awaited: Sequence[str], folds: int = 0) -> dict[str, Any]:
    """options: settings by key. localization: texts by their English. jobs: those of pages that are not over, in the order in which they end.

    awaited: elem_ids that must be in the page before the scripts begin. folds: how many accordions must be, too.
    hasForeignScripts: an extension that somebody installed runs in the page, and looks for everything as soon as it is there.
    """
    running = app.jobs.running()
    unfinished = [*([running] if running else []), *app.jobs.pending()]
    return {
        "options": settings_in_use(app, looks=False),
        "localization": read_translation(app, app.settings.get("localization")),
        "jobs": [{"id": job.id, "tab": job.kind} for job in unfinished if job.source == "page"],
        "notices": listing.notices(app),
        "buttonTitles": dict(button_titles),
        "awaited": list(awaited),
        "notificationSound": app.paths.notification_sound is not None,
        "folds": folds,
        "hasForeignScripts": any(not each.is_builtin for each in app.extensions.enabled if (each.path / LOOSE_PAGE).is_dir()) or any(
            each.is_enabled and each.name == LOOSE_PAGE for each in app.extensions.loose),
    }


def fold_count(page: gr.Blocks) -> int:
    """How many of Gradio's accordions the page puts up at once, closed or open; what is inside of them comes later."""

    def count(block: Block) -> int:
        if getattr(block, "visible", True) is False or isinstance(block, gr.TabItem):
            return 0
        if isinstance(block, gr.Accordion):
            return 1
        return sum(count(child) for child in getattr(block, "children", ()))

    return sum(count(child) for child in page.children)


def awaited_ids(page: gr.Blocks) -> list[str]:
    """elem_ids of everything that Gradio puts into the page at once: not what is invisible or inside its own tabs and accordions."""
    found: list[str] = []

    def visit(block: Block) -> None:
        if getattr(block, "visible", True) is False or isinstance(block, gr.TabItem | gr.Accordion):
            return
        if block.elem_id:
            found.append(block.elem_id)
        for child in getattr(block, "children", ()):
            visit(child)

    for child in page.children:
        visit(child)
    return found
