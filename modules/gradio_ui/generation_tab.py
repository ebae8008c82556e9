"""What txt2img and img2img have in common: prompts and buttons on top, fields on the left, results on the right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.context import Context

from modules.application.app import App
from modules.gradio_ui.checkpoint_choice import chosen_checkpoint, start_size, wire_checkpoint_fields
from modules.gradio_ui.components import bridge_button, bridge_text
from modules.gradio_ui.events import QUICK, fill_on_click
from modules.gradio_ui.extra_options import build_extra_options
from modules.gradio_ui.form import Form, nothing_more
from modules.gradio_ui.form_builder import FormBuilder
from modules.gradio_ui.form_memory import wire_form_memory
from modules.gradio_ui.layout import SECTIONS
from modules.gradio_ui.network_tabs import network_tabs
from modules.gradio_ui.output_panel import OutputPanel, build_output_panel
from modules.gradio_ui.page_keys import not_kept
from modules.gradio_ui.param_component import Choices
from modules.gradio_ui.paste import Paster
from modules.gradio_ui.prompt_styles import wire_styles
from modules.gradio_ui.quicksettings import QuickSetting
from modules.gradio_ui.result_buttons import wire_result_buttons
from modules.gradio_ui.scripts_panel import build_scripts_panel, nothing_pasted
from modules.gradio_ui.shown_files import ShownFiles
from modules.gradio_ui.styles_editor import build_styles_editor, wire_styles_editor
from modules.gradio_ui.submit import Send, Submitter, send_request, wire_submit
from modules.gradio_ui.token_counts import counter_html
from modules.gradio_ui.toprow import Toprow, build_toprow
from modules.gradio_ui.ui_config import UiConfig
from modules.schema.table import ParameterTable


@dataclass(frozen=True, kw_only=True)
class GenerationTab:
    """What other parts of the page need of a built tab. pasted: the components that ``paster`` fills. switches: checkboxes and fields of no request, by name.

    options: settings that stand on the tab. places: what comes and goes with the checkpoint, by elem_id. carried: of scripts' fields, see ``ScriptsPanel``.
    """

    name: str
    form: Form
    paster: Paster
    pasted: list[Component]
    switches: Mapping[str, Component]
    toprow: Toprow
    output: OutputPanel
    options: tuple[QuickSetting, ...] = ()
    places: Mapping[str, Block] = field(default_factory=dict)
    carried: Mapping[str, Component] = field(default_factory=dict)


def build_generation_tab(
    app: App,
    table: ParameterTable,
    choices: Choices,
    ui_config: UiConfig,
    files: ShownFiles,
    *,
    parts: Mapping[str, Callable[[FormBuilder], None]] | None = None,
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] = nothing_more,
    send: Send = send_request,
) -> GenerationTab:
    """The tab of ``table``, inside the current block, with its events. parts, complete: see ``FormBuilder``; send: ``Submitter``."""
    tab = table.tab
    builder = FormBuilder(
        table=table,
        choices=choices,
        ui_config=ui_config,
        setting=app.settings.get,
        native_size=start_size(chosen_checkpoint(app), ui_config, tab),
        parts=parts or {},
        complete=complete,
    )
    toprow = build_toprow(builder)
    with network_tabs(app, tab), gr.Row(elem_id=f"{tab}_work", elem_classes=["gradio-row", "work-row"], equal_height=False):
        with gr.Column(elem_id=f"{tab}_settings", elem_classes=["gradio-column", "settings-column"], scale=1, min_width=0):
            builder.build(SECTIONS[tab])
            overrides = _override_chips(tab)
            options = build_extra_options(app, builder)
            with gr.Column(elem_id=f"{tab}_script_container", min_width=0):
                scripts = build_scripts_panel(app, builder)
        output = build_output_panel(
            tab,
            can_open_folder=app.flags.may_open_folders,
            height=app.settings.get("gallery_height"),
        )
    form = builder.form()
    paster = Paster(app=app, form=form, choices=choices, scripts=scripts.pasted if scripts else nothing_pasted, script_keys=scripts.keys if scripts else ())
    told = bridge_text(f"{tab}_paste_told")
    told.change(None, inputs=[told], js="(said) => { webui.tellPasted(said); }", **QUICK)
    pasted: list[Component] = [overrides, *form.components, told]
    wire_submit(tab, Submitter(app=app, form=form, files=files, send=send), overrides=overrides, toprow=toprow, output=output)
    fill_on_click(toprow.paste, tab, paster.from_text, inputs=[toprow.counters[0].prompt], outputs=pasted)
    wire_form_memory(tab, form, overrides)
    wire_result_buttons(app, tab, output, files)
    wire_checkpoint_fields(app, Context.root_block, builder)
    _wire_counters(app, form, toprow)
    if tab == "txt2img":
        _wire_hires_size(form)
    wire_styles(app, form, toprow)
    wire_styles_editor(app, form, toprow, build_styles_editor(tab))
    return GenerationTab(
        name=tab, form=form, paster=paster, pasted=pasted, switches=builder.switches, toprow=toprow, output=output, options=options, places=builder.places,
        carried=scripts.carried if scripts else {},
    )  # fmt: skip


def _override_chips(tab: str) -> gr.Dropdown:
    with gr.Row(elem_id=f"{tab}_override_settings_row", elem_classes=["gradio-row"]):
        chips = gr.Dropdown(
            [],
            value=[],
            multiselect=True,
            label="Override settings",
            elem_id=f"{tab}_override_settings",
            elem_classes=["gradio-dropdown", "multiselect"],
            visible="hidden",
            interactive=True,
        )
    not_kept(chips)
    return chips


def _wire_hires_size(form: Form) -> None:
    """The size of the finished picture beside "Hires. fix", also where a paste changes what it hangs on; static/hires.js has the same names."""
    fields: list[Any] = [form.component(name) for name in ("width", "height", "hr_scale", "hr_resize_x", "hr_resize_y")]
    for each in fields:
        each.change(None, inputs=fields, js="(...values) => { webui.showHiresSize(values); }", **QUICK)


def _wire_counters(app: App, form: Form, toprow: Toprow) -> None:
    styles: Any = form.component("styles")
    counters: list[tuple[Any, Any, Any, bool]] = [(each.prompt, each.shown, each.button, negative) for each, negative in zip(toprow.counters, (False, True))]
    if form.table.tab == "txt2img":
        for name, place, negative in (("hr_prompt", "hires_token", False), ("hr_negative_prompt", "hires_negative_token", True)):
            shown = gr.HTML("<span>0/75</span>", elem_id=f"{place}_counter", elem_classes=["gradio-html", "token-counter"])
            counters.append((form.component(name), shown, bridge_button(f"{place}_button"), negative))
    for prompt, shown, button, negative in counters:
        button.click(partial(counter_html, app, negative=negative), inputs=[prompt, styles], outputs=[shown], **QUICK)
        prompt.change(None, inputs=[prompt], js=f"(text) => {{ webui.countedTextChanged(text, {button.elem_id!r}); }}", **QUICK)
    ids = ", ".join(repr(button.elem_id) for _, _, button, _ in counters)
    styles.change(None, inputs=[styles], js=f"(names) => {{ webui.countedTextChanged(names, {ids}); }}", **QUICK)
