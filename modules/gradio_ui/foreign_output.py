"""A1111's output panel in an extension's own tab: a gallery, and buttons that save, pack and send what it shows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr

from modules.a1111.app_slot import current
from modules.a1111.infotext_names import ParamBinding, image_from_url_text, register_paste_params_button
from modules.a1111.options import opts
from modules.a1111.picture_files import save_image
from modules.a1111.shared_values import open_folder as show_in_file_manager
from modules.files.archive import write_archive
from modules.files.storage import StorageError
from modules.gradio_ui.components import bridge_text
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.foreign_words import plaintext_to_html
from modules.gradio_ui.messages import message_html
from modules.gradio_ui.output_panel import picture_buttons
from modules.schema.errors import InvalidValue, WebuiError


class OutputPanel(SimpleNamespace):
    """gallery, infotext, html_log, generation_info, button_upscale."""


def create_output_panel(tabname: str, outdir: str, toprow: Any = None) -> OutputPanel:
    """A gallery with its infotext and buttons, inside the current block, under A1111's elem_ids for ``tabname``. outdir: what the folder button opens."""
    with gr.Column(elem_id=f"{tabname}_results", min_width=0):
        with gr.Column(elem_id=f"{tabname}_gallery_container"):
            gallery = gr.Gallery(label="Output", show_label=False, elem_id=f"{tabname}_gallery", columns=4, preview=True)
        buttons = picture_buttons(tabname, can_open_folder=current().flags.may_open_folders)
        files = gr.File(None, elem_id=f"download_files_{tabname}", show_label=False, file_count="multiple", interactive=False, visible=False)
        info = gr.HTML(elem_id=f"html_info_{tabname}", elem_classes=["infotext"])
        words = gr.HTML(elem_id=f"html_log_{tabname}", elem_classes=["html-log"])
        generation_info = gr.Textbox(visible=False, elem_id=f"generation_info_{tabname}")
        chosen = bridge_text(f"{tabname}_saved_picture", "-1")
    buttons.save.click(_saved, [generation_info, gallery, chosen], [files, words], js="(info, pictures) => [info, pictures, String(selected_gallery_index())]", **QUICK)
    buttons.save_zip.click(_packed, [generation_info, gallery], [files, words], **QUICK)
    buttons.open_folder.click(lambda: open_folder(outdir), [], [], **QUICK)
    for name, button in buttons.send.items():
        register_paste_params_button(ParamBinding(paste_button=button, tabname=name, source_tabname="txt2img" if tabname == "txt2img" else None, source_image_component=gallery))
    return OutputPanel(gallery=gallery, infotext=info, html_log=words, generation_info=generation_info, button_upscale=None)


def _saved(info: str, pictures: Any, chosen: str) -> tuple[Any, str]:
    """The chosen picture; all of them by the setting, or where none is chosen."""
    only = int(chosen) if chosen.isdigit() and current().settings.get("save_selected_only") else -1
    return _told(info, pictures, False, only)


def _packed(info: str, pictures: Any) -> tuple[Any, str]:
    return _told(info, pictures, True, -1)


def _told(info: str, pictures: Any, packed: bool, index: int) -> tuple[Any, str]:
    if not pictures:
        return gr.skip(), message_html("There is no picture to save yet.")
    try:
        return save_files(info, pictures, packed, index)
    except (WebuiError, StorageError, OSError) as error:
        return gr.skip(), message_html(f"Not everything was saved: {error}", "error")


def save_files(js_data: str, images: Any, do_make_zip: bool, index: int) -> tuple[Any, str]:
    """Save a gallery's pictures (``index`` >= 0: that one) into the folder of the setting outdir_save, with an archive of them there if asked. (files, words)."""
    data = json.loads(js_data) if js_data else {}
    if index < data.get("index_of_first_image", 0):     # the sheet stands for all of them
        index = -1
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
    offered = [_archive(saved), *saved] if do_make_zip and saved else saved
    return gr.update(value=offered, visible=bool(saved)), plaintext_to_html(words)


def _archive(paths: list[str]) -> str:
    """Beside the pictures, called like the first."""
    archive = Path(paths[0]).with_suffix(".zip")
    write_archive(archive, [(path, os.path.basename(path)) for path in paths])
    return str(archive)


def open_folder(f: str, images: Any = None, index: Any = None) -> None:
    """In the file manager of the server's machine."""
    if not current().flags.hide_ui_dir_config:
        show_in_file_manager(f)


def update_generation_info(generation_info: str, html_info: str, img_index: int) -> tuple[str, Any]:
    """(the chosen picture's infotext as HTML, no change)."""
    try:
        texts = json.loads(generation_info)["infotexts"]
        return plaintext_to_html(texts[img_index]), gr.update()
    except (ValueError, KeyError, IndexError, TypeError):
        return html_info, gr.update()
