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

# The settings that the scripts in static/ read from ``opts``; the others are there for extensions.
SCRIPT_SETTINGS = (
    "canvas_auto_expand",
    "canvas_blur_prompt",
    "canvas_disabled_functions",
    "canvas_hotkey_adjust",
    "canvas_hotkey_fullscreen",
    "canvas_hotkey_grow_brush",
    "canvas_hotkey_move",
    "canvas_hotkey_reset",
    "canvas_hotkey_shrink_brush",
    "canvas_hotkey_zoom",
    "canvas_show_tooltip",
    "CLIP_stop_at_last_layers",
    "checkpoint_wishes",
    "compact_prompt_box",
    "dimensions_and_batch_together",
    "disable_token_counters",
    "disabled_extensions",
    "do_not_show_images",
    "extra_networks_add_text_separator",
    "extra_networks_card_height",
    "extra_networks_card_text_scale",
    "extra_networks_card_width",
    "extra_networks_dir_button_function",
    "hidden_tabs",
    "img2img_editor_height",
    "img2img_inpaint_mask_brush_color",
    "img2img_inpaint_sketch_default_brush_color",
    "img2img_settings_accordion",
    "img2img_sketch_default_brush_color",
    "js_live_preview_in_modal_lightbox",
    "js_modal_lightbox",
    "js_modal_lightbox_gamepad",
    "js_modal_lightbox_gamepad_repeat",
    "js_modal_lightbox_initially_zoomed",
    "keyedit_delimiters",
    "keyedit_delimiters_whitespace",
    "keyedit_move",
    "keyedit_precision_attention",
    "keyedit_precision_extra",
    "live_preview_refresh_period",
    "live_previews_enable",
    "notification_audio",
    "notification_volume",
    "prevent_screen_sleep_during_generation",
    "sd_webui_modal_lightbox_icon_opacity",
    "sd_webui_modal_lightbox_toolbar_opacity",
    "sd_model_checkpoint",
    "send_size",
    "set_scale_by_when_changing_upscaler",
    "show_progress_in_title",
    "show_progressbar",
    "txt2img_settings_accordion",
    "ui_reorder_list",
    "ui_tab_order",
)


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
