"""Larger pieces of A1111's page that extensions put into their own tabs: an output panel, refresh buttons, words as HTML."""

from __future__ import annotations

import csv
import html
import io
import json
import logging
import os
import platform
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr

from modules.a1111.app_slot import current
from modules.a1111.infotext_names import ParamBinding, image_from_url_text, register_paste_params_button
from modules.a1111.options import opts
from modules.a1111.picture_files import save_image
from modules.application.version import VERSION
from modules.gradio_ui.foreign_components import ToolButton
from modules.gradio_ui.param_bindings import create_buttons
from modules.schema.errors import InvalidValue

log = logging.getLogger(__name__)
folder_symbol = "\U0001f4c2"
refresh_symbol = "\U0001f504"


class OutputPanel(SimpleNamespace):
    """gallery, infotext, html_log, generation_info, button_upscale."""


def create_output_panel(tabname: str, outdir: str, toprow: Any = None) -> OutputPanel:
    """A gallery with its infotext and send buttons, inside the current block, under A1111's elem_ids for ``tabname``."""
    with gr.Column(elem_id=f"{tabname}_results", min_width=0):
        with gr.Column(elem_id=f"{tabname}_gallery_container"):
            gallery = gr.Gallery(label="Output", show_label=False, elem_id=f"{tabname}_gallery", columns=4, preview=True)
        with gr.Row(elem_id=f"image_buttons_{tabname}", elem_classes=["image-buttons"]):
            ToolButton(folder_symbol, elem_id=f"{tabname}_open_folder", visible=False)
            buttons = create_buttons(["img2img", "inpaint", "extras"])
        info = gr.HTML(elem_id=f"html_info_{tabname}", elem_classes=["infotext"])
        words = gr.HTML(elem_id=f"html_log_{tabname}", elem_classes=["html-log"])
        generation_info = gr.Textbox(visible=False, elem_id=f"generation_info_{tabname}")
    for name, button in buttons.items():
        register_paste_params_button(ParamBinding(paste_button=button, tabname=name, source_tabname="txt2img" if tabname == "txt2img" else None, source_image_component=gallery))
    return OutputPanel(gallery=gallery, infotext=info, html_log=words, generation_info=generation_info, button_upscale=None)


def create_refresh_button(
    refresh_component: Any, refresh_method: Callable[[], Any], refreshed_args: Callable[[], dict[str, Any]] | dict[str, Any], elem_id: str
) -> ToolButton:
    """A button that calls ``refresh_method`` and then shows ``refreshed_args`` in the component, or components."""
    targets = refresh_component if isinstance(refresh_component, list) else [refresh_component]

    def refresh() -> Any:
        refresh_method()
        arguments = refreshed_args() if callable(refreshed_args) else refreshed_args
        for each in targets:
            for name, value in arguments.items():
                setattr(each, name, value)
        return [gr.update(**arguments) for _ in targets] if len(targets) > 1 else gr.update(**arguments)

    button = ToolButton(value=refresh_symbol, elem_id=elem_id)
    button.click(fn=refresh, inputs=[], outputs=targets, show_progress="hidden")
    return button


def setup_dialog(button_show: Any, dialog: Any, *, button_close: Any = None) -> None:
    """``dialog`` shows at a click on one button and goes at a click on the other."""
    dialog.visible = "hidden"
    button_show.click(fn=lambda: gr.update(visible=True), inputs=[], outputs=[dialog])
    if button_close is not None:
        button_close.click(fn=lambda: gr.update(visible="hidden"), inputs=[], outputs=[dialog])


def plaintext_to_html(text: Any, classname: str | None = None) -> str:
    inner = "<br>\n".join(html.escape(line) for line in str(text or "").split("\n"))
    return f"<p class='{html.escape(classname)}'>{inner}</p>" if classname else f"<p>{inner}</p>"


def infotext_to_html(text: str) -> str:
    return plaintext_to_html(text)


def gr_show(visible: bool = True) -> dict[str, Any]:
    return {"visible": visible if visible else "hidden", "__type__": "update"}


def open_folder(f: str) -> None:
    """The page's own buttons open folders; there is none to open where it is not allowed."""


def versions_html() -> str:
    import torch

    return f"version: {VERSION}&#x2000;•&#x2000;python: {platform.python_version()}&#x2000;•&#x2000;torch: {torch.__version__}&#x2000;•&#x2000;gradio: {gr.__version__}"


def save_files(js_data: str, images: Any, do_make_zip: bool, index: int) -> tuple[Any, str]:
    """Save a gallery's pictures (``index`` >= 0: that one) into the folder of the setting outdir_save. (files, words)."""
    data = json.loads(js_data) if js_data else {}
    chosen = [images[index]] if index >= 0 and images else list(images or ())
    folder = current().settings.get("outdir_save")
    saved = []
    for number, each in enumerate(chosen):
        picture = image_from_url_text(each)
        if picture is None:     # passed over, it would be lost: some delete the original next
            raise InvalidValue(f"Picture {number + 1} cannot be read, so it was not saved.", "Look whether its file is still there.", field="images")
        shown = index if index >= 0 else number
        place = shown - data.get("index_of_first_image", 0)      # of its seed; texts there are for sheets too
        seeds, texts = data.get("all_seeds") or [], data.get("infotexts") or []
        path, _ = save_image(
            picture, folder, "", seed=seeds[place] if 0 <= place < len(seeds) else None, prompt=data.get("prompt"), extension=opts.samples_format,
            info=texts[shown] if shown < len(texts) else None,
        )  # fmt: skip
        saved.append(path)
    words = f"Saved: {os.path.basename(saved[0])}" if len(saved) == 1 else f"Saved {len(saved)} pictures"
    return gr.update(value=saved, visible=bool(saved)), plaintext_to_html(words)


def update_logfile(logfile_path: str, fields: list[str]) -> None:
    """Bring an older log.csv to the present columns; others stay as they are."""
    from modules.files.atomic import write_text

    with open(logfile_path, encoding="utf8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows or len(rows[0]) >= len(fields):
        return
    text = io.StringIO()
    csv.writer(text).writerows([fields, *rows[1:]])
    write_text(Path(logfile_path), text.getvalue())


def update_generation_info(generation_info: str, html_info: str, img_index: int) -> tuple[str, Any]:
    """(the chosen picture's infotext as HTML, no change)."""
    try:
        texts = json.loads(generation_info)["infotexts"]
        return plaintext_to_html(texts[img_index]), gr.update()
    except (ValueError, KeyError, IndexError, TypeError):
        return html_info, gr.update()


def create_setting_component(key: str, is_quicksettings: bool = False) -> Any:
    """A component for one setting, inside the current block, that stores what is chosen."""
    from modules.gradio_ui.choices import ChoiceSources
    from modules.gradio_ui.param_component import build_component
    from modules.gradio_ui.setting_changes import store_settings

    app = current()
    setting = app.settings.table.find(key)
    component = build_component(setting.widget, ChoiceSources.of(app), label=setting.label, value=app.settings.get(key), elem_id=setting.elem_id)
    component.input(lambda value: store_settings(app, {key: value}) and None, inputs=[component], outputs=[])  # type: ignore[attr-defined, func-returns-value]
    return component


def get_value_for_setting(key: str) -> Any:
    return gr.update(value=current().settings.get(key))


def webpath(fn: str) -> str:
    """The URL of one of our or an extension's files."""
    path = os.path.relpath(fn, current().paths.script_dir) if str(fn).startswith(str(current().paths.script_dir)) else os.path.abspath(fn)
    return f"file={path}?{os.path.getmtime(fn)}"


def javascript_html() -> str:
    """The page's head is made by the page itself."""
    return ""


css_html = javascript_html
