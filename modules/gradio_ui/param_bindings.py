"""A1111's "Send to" buttons as extensions make them: they are wired when the page is complete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from modules.a1111 import callbacks
from modules.a1111.infotext_names import (
    ParamBinding,
    PasteField,
    add_paste_fields,
    image_from_url_text,
    parse_generation_parameters,
    paste_fields,
    paste_value,
    register_paste_params_button,
    registered_param_bindings,
)
from modules.gradio_ui.events import QUICK, fill_on_click
from modules.gradio_ui.send_to import carry

_TITLES = {"txt2img": "Send to txt2img", "img2img": "Send to img2img", "inpaint": "Send to inpaint", "extras": "Send to extras"}
_CANVASES = ("img2img", "inpaint", "extras")  # what takes pictures there is a script of the page, no component


def tell_fields(tab: Any) -> None:
    """A1111's list of what a picture's text fills on ``tab``, a ``GenerationTab``; extensions look there for the prompt."""
    keys = {entry.api_name: entry.info.infotext for entry in tab.form.table}
    fields = [PasteField(each.component, keys[each.name], api=each.name) for each in tab.form.fields if keys.get(each.name)]
    for name in (tab.name, *(("inpaint",) if tab.name == "img2img" else ())):
        add_paste_fields(name, None, fields, tab.pasted[0])


def create_buttons(tabs_list: list[str]) -> dict[str, gr.Button]:
    """A button for each tab, inside the current block."""
    return {tab: gr.Button(_TITLES.get(tab, f"Send to {tab}"), elem_id=f"{tab}_tab") for tab in tabs_list}


def bind_buttons(buttons: Mapping[str, gr.Button], send_image: Any, send_generate_info: Any) -> None:
    """Have ``buttons`` send a picture, and the parameters of a component or of the tab of that name."""
    for tab, button in buttons.items():
        is_tab = isinstance(send_generate_info, str)
        register_paste_params_button(ParamBinding(
            paste_button=button, tabname=tab, source_text_component=None if is_tab else send_generate_info, source_image_component=send_image,
            source_tabname=send_generate_info if is_tab else None))  # fmt: skip


def connect_paste_params_buttons(tabs: Mapping[str, Any] | None = None) -> None:
    """Wire every registered button. tabs: our generation tabs by name (``paster``, ``pasted``), which know how to be filled."""
    for binding in registered_param_bindings:
        goal = "img2img" if binding.tabname == "inpaint" else binding.tabname
        known = (tabs or {}).get(goal)
        picture = paste_fields.get(goal, {}).get("init_img")
        if binding.source_image_component is not None and picture is not None:
            binding.paste_button.click(fn=image_from_url_text, inputs=[binding.source_image_component], outputs=[picture])
        elif binding.source_image_component is not None and binding.tabname in _CANVASES:
            js = f"(value) => {{ webui.sendPicture(webui.addressOf(value), '{binding.tabname}'); }}"
            binding.paste_button.click(fn=None, js=js, inputs=[binding.source_image_component], **QUICK)
        if binding.source_text_component is not None and known is not None:
            fill_on_click(binding.paste_button, goal, known.paster.from_text, inputs=[binding.source_text_component], outputs=known.pasted)
        elif binding.source_text_component is not None and goal in paste_fields:
            connect_paste(binding.paste_button, paste_fields[goal]["fields"], binding.source_text_component, None, goal)
        source = (tabs or {}).get(binding.source_tabname or "")
        if source is not None and known is not None:
            carry(binding.paste_button, source, known, known.paster.app.settings.get, more=binding.paste_field_names)
        binding.paste_button.click(fn=None, js=f"() => {{ const go = window['switch_to_{binding.tabname}']; if (go) go(); }}")
    registered_param_bindings.clear()


def connect_paste(button: Any, fields: Any, input_comp: Any, override_settings_component: Any, tabname: str) -> None:
    """A click reads the text in ``input_comp`` and fills ``fields``: (component, infotext key or function) each."""
    listed: list[Any] = list(fields or ())
    if not listed:
        return

    def paste(text: str) -> list[Any]:
        params = parse_generation_parameters(text or "")
        callbacks.infotext_pasted_callback(text or "", params)
        updates = []
        for component, target in listed:
            value = paste_value(target, params, getattr(component, "value", None))
            updates.append(gr.update() if value is None else value if isinstance(value, dict) else gr.update(value=value))
        return updates

    button.click(fn=paste, inputs=[input_comp], outputs=[component for component, _ in listed])
