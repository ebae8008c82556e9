"""The page as a whole: quicksettings, the tabs, the footer; and how it is mounted on the web server."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.routing import Mount

from modules.a1111 import callbacks
from modules.a1111.app_slot import is_occupied
from modules.a1111.script_host import ScriptHost
from modules.application.app import App
from modules.gradio_ui import gradio3_inputs, gradio3_words, known_signatures, late_blocks
from modules.gradio_ui.announcing import announce_page
from modules.gradio_ui.button_titles import button_titles
from modules.gradio_ui.checkpoint_choice import chosen_checkpoint
from modules.gradio_ui.checkpoint_wishes import wire_wishes
from modules.gradio_ui.choices import ChoiceSources
from modules.gradio_ui.components import bridge_text
from modules.gradio_ui.demo_view import GenerateClick, generate_click
from modules.gradio_ui.extensions_tab import build_extensions_tab
from modules.gradio_ui.extras_tab import build_extras_tab, wire_upscaler_lists
from modules.gradio_ui.footer import footer_html
from modules.gradio_ui.foreign_breakage import build_past
from modules.gradio_ui.foreign_head import foreign_head
from modules.gradio_ui.foreign_tabs import build_foreign_tabs, offer_panels, scripts_of
from modules.gradio_ui.generation_tab import build_generation_tab
from modules.gradio_ui.gradio_files import FRONTEND_URL, GradioFiles, preloads
from modules.gradio_ui.gradio_gate import check_given_files
from modules.gradio_ui.head import NO_API_INFO, head_html, open_head_slot
from modules.gradio_ui.history_tab import build_history_tab
from modules.gradio_ui.img2img_tab import (
    DEPTH_PLACE,
    FURTHER_PLACE,
    build_img2img_tab,
    depth_place_classes,
    further_place_classes,
    image_cfg_shown,
)
from modules.gradio_ui.inner_tabs import panels_at_start
from modules.gradio_ui.merger_tab import MergerTab
from modules.gradio_ui.page_slot import PageSlot
from modules.gradio_ui.page_starts import start_as_configured
from modules.gradio_ui.page_state import awaited_ids, fold_count, page_state
from modules.gradio_ui.param_bindings import connect_paste_params_buttons, tell_fields
from modules.gradio_ui.png_info_tab import build_png_info_tab
from modules.gradio_ui.quicksettings import (
    Following,
    build_quicksettings,
    offer_tabs,
    wire_fresh_values,
    wire_quicksettings,
    wire_start_sizes,
)
from modules.gradio_ui.remade import remaking
from modules.gradio_ui.send_to import wire_send_buttons
from modules.gradio_ui.settings_tab import build_settings_tab
from modules.gradio_ui.shown_files import ShownFiles
from modules.gradio_ui.static_files import STATIC_URL, PageFiles
from modules.gradio_ui.theme import theme_to_show
from modules.gradio_ui.train_tab import build_train_tab
from modules.gradio_ui.ui_config import UiConfig
from modules.gradio_ui.ui_defaults import wire_defaults
from modules.launching.no_sweeping import sweep_all
from modules.launching.subpath import prefix_of
from modules.schema.table import TXT2IMG

QUEUE_PAUSE = 0.01  # seconds between two looks at Gradio's queue; its own thousand looks a second take 7 % of a core from a picture that is drawn
TABS = (
    ("txt2img", "txt2img"),
    ("img2img", "img2img"),
    ("extras", "Extras"),
    ("pnginfo", "PNG Info"),
    ("modelmerger", "Checkpoint Merger"),
    ("train", "Train"),
    ("history", "History"),
    ("settings", "Settings"),
    ("extensions", "Extensions"),
)


class Page(gr.Blocks):
    """Gradio's Blocks with what our <head> needs. app_record: whose page it is. pieces, ahead: as ``head_html`` takes them."""

    app_record: App
    files: ShownFiles
    slot: PageSlot
    pieces: dict[str, str]
    ahead: list[str]
    clicks: tuple[GenerateClick, ...] = ()

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False) -> list[Any]:
        """Gradio's, which turns what a request holds into what functions take; the files that it names are looked at first."""
        sent, carried = gradio3_inputs.as_sent(block_fn.inputs, inputs)
        if not explicit_call:
            check_given_files(sent, self.allowed_paths)
        taken = await super().preprocess_data(block_fn, sent, state, explicit_call)
        return gradio3_inputs.as_taken(block_fn.inputs, inputs, taken, carried)

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        """Gradio's, which turns what functions return into what browsers are told."""
        with remaking():
            answers = await super().postprocess_data(block_fn, predictions, state)
        return [gradio3_words.shown_or_not(block, answer) for block, answer in zip(block_fn.outputs, answers)]

    def page_head(self) -> str:
        """The lines of <head>, made anew for each visitor: they carry the settings and the jobs of this moment."""
        titles = {str(each.elem_id): words for each in self.blocks.values() if (words := getattr(each, "webui_tooltip", ""))}
        titles |= button_titles(("txt2img", "img2img", "extras"))
        state = page_state(self.app_record, titles, awaited_ids(self), fold_count(self))
        config = UiConfig.read(self.app_record.paths.ui_config_file)
        state |= {"firstTab": config.first_tab(), "firstInnerTabs": panels_at_start(config.first_inner_tabs())}
        extensions = foreign_head(self.app_record)
        return head_html(state, theme=self.app_record.flags.theme, extensions=extensions, ahead=self.ahead, pieces=self.pieces)


def build_ui(app: App, slot: PageSlot | None = None) -> Page:
    """All components and events. Nothing is loaded or generated. slot: that of the page which this one will replace."""
    gradio3_words.install(Page)
    known_signatures.install()
    late_blocks.install()
    host = app.scripts.host
    with host.building_page() if isinstance(host, ScriptHost) else nullcontext():
        return build_past(app, lambda: _built(app, slot or PageSlot(), starting=slot is None))


def _built(app: App, slot: PageSlot, *, starting: bool) -> Page:
    choices = ChoiceSources.of(app)
    ui_config = UiConfig.read(app.paths.ui_config_file)
    files = ShownFiles.of_app(app, starting=starting)
    offer_panels(app)
    with Page(analytics_enabled=False, title="Stable Diffusion", fill_width=True) as page:
        page.app_record, page.files, page.slot, page.pieces, page.ahead = app, files, slot, {}, []
        page.default_config.fn_id = slot.first_function()
        row = build_quicksettings(app, choices)
        setting_answer = bridge_text("setting_answer")
        with gr.Column(elem_id="tabs", elem_classes=["tabs", "gradio-tabs"], min_width=0):
            with gr.Row(elem_classes=["tab-nav"]) as nav:
                for name, label in TABS:
                    gr.Button(label, elem_id=f"tab_{name}-button", min_width=0)
            with _tab("txt2img"), scripts_of(app, "txt2img"):
                txt2img = build_generation_tab(app, TXT2IMG, choices, ui_config, files)
            with _tab("img2img"), scripts_of(app, "img2img"):
                img2img = build_img2img_tab(app, choices, ui_config, files)
            with _tab("extras"):
                extras = build_extras_tab(app, choices, ui_config, files)
            with _tab("pnginfo"):
                build_png_info_tab(txt2img, img2img)
            with _tab("history"):
                build_history_tab(txt2img, img2img)
            with _tab("modelmerger"):
                merger = MergerTab(app, choices)
            with _tab("train"):
                build_train_tab(app, choices, ui_config, files, page=page, txt2img=txt2img.form)
            with _tab("settings"):
                page.pieces["settings_form"] = build_settings_tab(app, choices, reload=slot.reload)
            with _tab("extensions"):
                build_extensions_tab(app)
            for each in (txt2img, img2img):
                tell_fields(each)
            build_foreign_tabs(app, nav)
            offer_tabs(app, row, nav, choices)
        footer = gr.HTML(footer_html(app, chosen_checkpoint(app)), elem_id="footer")
        connect_paste_params_buttons({each.name: each for each in (txt2img, img2img)})
        wire_send_buttons(txt2img, img2img, app.settings.get, more=(extras,))
        following: Following = (
            (footer, lambda model: footer_html(app, model)),
            (img2img.form.component("image_cfg_scale"), lambda model: gr.update(visible=image_cfg_shown(model))),
            (img2img.places[DEPTH_PLACE], lambda model: gr.update(elem_classes=depth_place_classes(model))),
            (img2img.places[FURTHER_PLACE], lambda model: gr.update(elem_classes=further_place_classes(model))),
        )
        forms = (txt2img.form, img2img.form)
        wire_wishes(app, forms, setting_answer)
        wire_quicksettings(app, choices, row, forms=forms, ui_config=ui_config, answer=setting_answer, following=following)
        page.clicks = tuple(each for each in (generate_click(app, txt2img), generate_click(app, img2img)) if each is not None)
        merger.wire(page, row)
        wire_upscaler_lists(app, page, choices, extras, {txt2img.form.component("hr_upscaler"): "hires_upscalers"})
        wire_fresh_values(app, page, choices, (*row, *txt2img.options, *img2img.options), following)
        wire_start_sizes(app, page, forms, ui_config)
        start_as_configured(page, ui_config)
        wire_defaults(page, app.paths.ui_config_file)
    page.ahead = preloads({block.get_block_name() for block in page.blocks.values()})
    return page


def mount(fastapi_app: FastAPI, blocks: Page, app: App) -> FastAPI:
    """Serve ``blocks`` at "/" and our own files below STATIC_URL. Routes that were added before keep the precedence."""
    open_head_slot()
    fastapi_app.mount(f"/{STATIC_URL}", PageFiles(), name=STATIC_URL)
    fastapi_app.mount(f"/{FRONTEND_URL}", GradioFiles(), name=FRONTEND_URL)
    served = _mount_page(fastapi_app, blocks)

    def anew() -> FastAPI:
        sweep_all()
        if is_occupied():
            callbacks.app_reload_callback()
        made = build_ui(app, blocks.slot)
        mounted = _mount_page(FastAPI(), made)
        announce_page(app, made, served)
        return mounted

    blocks.slot.serve(served, anew)
    return served


def _mount_page(server: FastAPI, blocks: Page) -> FastAPI:
    gr.set_static_paths([*blocks.files.roots, blocks.files.folder])  # shown from where they lie, not from a copy
    gr.mount_gradio_app(
        server,
        blocks,
        path="/",
        ssr_mode=False,
        run_history=False,
        root_path=prefix_of(blocks.app_record.flags.subpath) or None,  # else pictures' addresses lack it behind a proxy
        footer_links=[],
        show_error=True,
        theme=theme_to_show(blocks.app_record),
    )
    blocks._queue.sleep_when_free = QUEUE_PAUSE
    route = server.router.routes[-1]
    assert isinstance(route, Mount)
    blocks.app = route.app  # type: ignore[assignment]  # as where Gradio launches a page itself: one server, which has the visitors' states
    route.app.page_api_info = {("", False): NO_API_INFO}  # type: ignore[attr-defined]  # the page would be made with it, and half of its time goes there
    return server


def _tab(name: str) -> gr.Column:
    return gr.Column(elem_id=f"tab_{name}", elem_classes=["tabitem", "gradio-tabitem"], min_width=0)
