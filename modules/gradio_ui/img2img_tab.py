"""The img2img tab: the pictures to start from in six modes, and what A1111 has for them; the rest is ``generation_tab``'s."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from modules.application.app import App
from modules.gradio_ui import img2img_pictures as pictures
from modules.gradio_ui.canvas import COLOUR_MASK, MASK, MASKED, PLAIN, SKETCH, build_canvas
from modules.gradio_ui.checkpoint_choice import chosen_checkpoint
from modules.gradio_ui.components import BridgeNumber, form_column, form_row, tool_button
from modules.gradio_ui.form_builder import FormBuilder
from modules.gradio_ui.generation_tab import GenerationTab, build_generation_tab
from modules.gradio_ui.img2img_batch import build_batch, send_img2img
from modules.gradio_ui.inner_tabs import InnerTab, build_inner_tabs
from modules.gradio_ui.interrogate import build_interrogate_buttons
from modules.gradio_ui.param_component import Choices
from modules.gradio_ui.shown_files import ShownFiles
from modules.gradio_ui.soft_inpainting import build_soft_inpainting
from modules.gradio_ui.ui_config import UiConfig
from modules.library.model_file import ModelFile
from modules.schema.table import IMG2IMG

TAB = "img2img"
DEPTH_PLACE, FURTHER_PLACE = "img2img_depth", "img2img_further"
MODES = (  # in A1111's order; the tab's name in ids, its label, its canvases as (elem_id, what is painted on it)
    ("img2img", "img2img", (("img2img_image", PLAIN),)),
    ("img2img_sketch", "Sketch", (("img2img_sketch", SKETCH),)),
    ("inpaint", "Inpaint", (("img2maskimg", MASK),)),
    ("inpaint_sketch", "Inpaint sketch", (("inpaint_sketch", COLOUR_MASK),)),
    ("inpaint_upload", "Inpaint upload", (("img_inpaint_base", MASKED), ("img_inpaint_mask", PLAIN))),
)
COPIES = {
    "img2img": "img2img",
    "sketch": "sketch",
    "inpaint": "inpaint",
    "inpaint_sketch": "inpaint sketch",
}  # modes that a picture is copied between


def build_img2img_tab(app: App, choices: Choices, ui_config: UiConfig, files: ShownFiles) -> GenerationTab:
    """The tab, inside the current block, with its events."""
    parts = {
        "modes": partial(_modes, may_name_folders=not app.flags.hide_ui_dir_config),
        "resize": _resize,
        "mask_alpha": _mask_alpha,
        "soft_inpainting": build_soft_inpainting,
        "image_cfg_scale": partial(_image_cfg_scale, app),
        "depth_map": partial(_depth_map, app),
        "further": partial(_further, app),
        "tools": lambda builder: build_interrogate_buttons(),
    }
    return build_generation_tab(app, IMG2IMG, choices, ui_config, files, parts=parts, complete=pictures.img2img_values, send=send_img2img)


def image_cfg_shown(model: ModelFile | None) -> Any:
    """``visible`` of Image CFG Scale: only models that change a picture by instruction know it."""
    return True if model is not None and "pix2pix" in (model.family_name or "") else "hidden"


def _image_cfg_scale(app: App, builder: FormBuilder) -> None:
    builder.parameter("image_cfg_scale", visible=image_cfg_shown(chosen_checkpoint(app)))


def depth_place_classes(model: ModelFile | None) -> list[str]:
    """``elem_classes`` of the place for a depth map: it is seen with models that draw by one, or by edges."""
    family = None if model is None else model.family
    return ["gradio-column"] if family is not None and (family.is_depth or family.is_controlled) else ["gradio-column", "unseen"]


def _depth_map(app: App, builder: FormBuilder) -> None:
    with gr.Column(elem_id=DEPTH_PLACE, elem_classes=depth_place_classes(chosen_checkpoint(app)), min_width=0) as place:
        build_canvas(builder, pictures.DEPTH, pictures.LABELS[pictures.DEPTH], PLAIN)
    builder.places[DEPTH_PLACE] = place


def further_place_classes(model: ModelFile | None) -> list[str]:
    """``elem_classes`` of the place for pictures beside the first: it is seen with models that take several."""
    family = None if model is None else model.family
    return ["gradio-column"] if family is not None and family.further is not None else ["gradio-column", "unseen"]


def _further(app: App, builder: FormBuilder) -> None:
    with gr.Column(elem_id=FURTHER_PLACE, elem_classes=further_place_classes(chosen_checkpoint(app)), min_width=0) as place, gr.Row():
        for name in pictures.FURTHER:
            build_canvas(builder, name, pictures.LABELS[name], PLAIN)
    builder.places[FURTHER_PLACE] = place


def _modes(builder: FormBuilder, *, may_name_folders: bool) -> None:
    tabs = [InnerTab(f"{TAB}_{name}_tab", label, partial(_canvases, builder, name, canvases)) for name, label, canvases in MODES]
    tabs.append(InnerTab(f"{TAB}_batch_tab", "Batch", partial(build_batch, builder, may_name_folders=may_name_folders)))
    build_inner_tabs("mode_img2img", tabs)
    builder.own(pictures.MODE, BridgeNumber(pictures.MODE), by_script=True)


def _canvases(builder: FormBuilder, mode: str, canvases: tuple[tuple[str, str], ...]) -> None:
    for elem_id, kind in canvases:
        build_canvas(builder, elem_id, pictures.LABELS[elem_id], kind)
    own = mode.removeprefix("img2img_")
    if own in COPIES:
        _copy_buttons(own)


def _copy_buttons(own: str) -> None:
    """What they do stands in static/img2img.js."""
    buttons = "".join(
        f'<button type="button" id="{TAB}_copy_{own}_to_{name}" class="dialog-button">{label}</button>' for name, label in COPIES.items() if name != own
    )
    words = f'<span id="{TAB}_label_copy_to_{own}">Copy image to: </span>'
    gr.HTML(words + buttons, elem_id=f"{TAB}_copy_to_{own}", elem_classes=["gradio-html", "copy-buttons"], padding=False)


def _resize(builder: FormBuilder) -> None:
    with form_column(f"{TAB}_column_size", scale=4):
        tabs = [
            InnerTab(f"{TAB}_tab_resize_to", "Resize to", partial(_resize_to, builder)),
            InnerTab(f"{TAB}_tab_resize_by", "Resize by", partial(_resize_by, builder)),
        ]
        build_inner_tabs(f"{TAB}_tabs_resize", tabs)
    builder.own(pictures.RESIZE_TAB, BridgeNumber(pictures.RESIZE_TAB), by_script=True)


def _resize_to(builder: FormBuilder) -> None:
    with form_row(None, "resize-to"):
        with form_column(None, scale=4):
            builder.build(("width", "height"))
        with form_column(f"{TAB}_dimensions_row", "dimensions-tools", scale=0):
            tool_button("⇅", f"{TAB}_res_switch_btn")
            tool_button("📐", f"{TAB}_detect_image_size_btn")


def _resize_by(builder: FormBuilder) -> None:
    _own_slider(builder, pictures.SCALE, "Scale", minimum=0.05, maximum=4.0, value=1.0, step=0.05)
    gr.HTML("no image selected", elem_id=f"{TAB}_scale_resolution_preview", elem_classes=["gradio-html"])


def _mask_alpha(builder: FormBuilder) -> None:
    _own_slider(builder, pictures.MASK_ALPHA, "Mask transparency", minimum=0, maximum=100, value=0, step=1)


def _own_slider(builder: FormBuilder, elem_id: str, label: str, *, minimum: float, maximum: float, value: float, step: float) -> None:
    """A slider of the page alone."""
    slider = gr.Slider(
        minimum, maximum, value, step=step, label=label, elem_id=elem_id, elem_classes=["gradio-slider"], interactive=True, buttons=[], min_width=0
    )
    builder.own(elem_id, slider)
