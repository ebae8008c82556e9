"""The right side of a generation tab: gallery, its buttons, infotext, messages."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
from gradio.layouts.form import Form

from modules.gradio_ui.components import bridge_button, bridge_text, tool_button

SEND_ICONS = {"img2img": "🖼️", "inpaint": "🎨️", "extras": "📐"}


@dataclass(frozen=True, kw_only=True)
class PictureButtons:
    """send: the buttons that hand the chosen picture on, by goal. upscale: hires fix on the chosen picture, txt2img only."""

    open_folder: gr.Button
    save: gr.Button
    save_zip: gr.Button
    send: dict[str, gr.Button]
    upscale: gr.Button | None = None


@dataclass(frozen=True, kw_only=True)
class OutputPanel:
    """generation_info: JSON of the shown job (seeds, infotexts); shown_job: its id; chosen: index in the gallery, by JS."""

    gallery: gr.Gallery
    generation_info: gr.Textbox
    shown_job: gr.Textbox
    answer: gr.Textbox
    chosen: gr.Textbox
    log: gr.HTML
    info: gr.HTML
    files: gr.File
    buttons: PictureButtons


def build_output_panel(tab: str, *, can_open_folder: bool, height: str | None = None) -> OutputPanel:
    """The panel, inside the current block. can_open_folder: the browser may be on the server's own machine. height: a CSS length, a bare number is pixels."""
    with (
        gr.Column(elem_id=f"{tab}_results", elem_classes=["gradio-column", "results"], scale=1, min_width=0),
        gr.Column(elem_id=f"{tab}_results_panel", elem_classes=["gradio-column"], min_width=0),
    ):
        with gr.Column(elem_id=f"{tab}_gallery_container", elem_classes=["gallery-container"], min_width=0):
            gallery = gr.Gallery(
                label="Output",
                show_label=False,
                elem_id=f"{tab}_gallery",
                elem_classes=["gradio-gallery", *(["own-height"] if height else [])],
                columns=4,
                preview=True,
                height=f"{height}px" if height and height.isdecimal() else height or None,
                object_fit="contain",
                interactive=False,
                buttons=["download", "fullscreen"],
            )
        buttons = picture_buttons(tab, can_open_folder=can_open_folder, can_upscale=tab == "txt2img")
        files = gr.File(None, elem_id=f"download_files_{tab}", show_label=False, file_count="multiple", interactive=False, visible=False)
        info = gr.HTML("", elem_id=f"html_info_{tab}", elem_classes=["gradio-html", "infotext"])
        log = gr.HTML("", elem_id=f"html_log_{tab}", elem_classes=["gradio-html", "html-log"])
        generation_info = bridge_text(f"generation_info_{tab}")
        if tab != "extras":
            bridge_button(f"{tab}_generation_info_button")  # A1111's last component here: extensions put theirs behind it
        shown_job, answer, chosen = (bridge_text(f"{tab}_{name}") for name in ("shown_job", "collect_answer", "chosen_picture"))
    return OutputPanel(
        gallery=gallery,
        generation_info=generation_info,
        shown_job=shown_job,
        answer=answer,
        chosen=chosen,
        log=log,
        info=info,
        files=files,
        buttons=buttons,
    )


def picture_buttons(tab: str, *, can_open_folder: bool, can_upscale: bool = False) -> PictureButtons:
    """The row below a gallery, inside the current block."""
    with gr.Row(elem_id=f"image_buttons_{tab}", elem_classes=["gradio-row", "image-buttons"]), Form():       # Gradio 3 put one around tool buttons, and extensions add theirs to it
        return PictureButtons(
            open_folder=tool_button("📂", f"{tab}_open_folder", visible=can_open_folder),
            save=tool_button("💾", f"save_{tab}"),
            save_zip=tool_button("🗃️", f"save_zip_{tab}"),
            send={goal: tool_button(icon, f"{tab}_send_to_{goal}") for goal, icon in SEND_ICONS.items()},
            upscale=tool_button("✨", f"{tab}_upscale") if can_upscale else None,
        )
