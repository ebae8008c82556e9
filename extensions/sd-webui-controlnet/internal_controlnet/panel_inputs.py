"""Where a unit's pictures come from on the page: one picture, a folder with one for each run, or several that share the weight."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from modules.a1111.app_slot import current
from modules.gradio_ui.components import bridge_text
from modules.gradio_ui.inner_tabs import InnerTab, build_inner_tabs

_KINDS = [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".avif"]
_FOLDER = "A folder on the server's machine, or files from this one. Each Generate makes one run for every picture, in the order of their names."
_FILES = "One run for every picture, in the order of their names."
PREVIEW_GROUP = "cnet-generated-image-group"
_SEVERAL = "All of them act on the same picture; each has its share of the weight."


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """whole: what is hidden where img2img's own picture is used. made: the unit's fields."""

    whole: gr.Column
    preview_group: gr.Column
    made: dict[str, Any]


def build_inputs(base: str, *, shown: bool) -> Inputs:
    """Inside the current block. base: of the elem_ids. shown: at first."""
    made: dict[str, Any] = {}
    with gr.Column(elem_classes=whole_classes(shown), min_width=0) as whole:
        build_inner_tabs(f"{base}_input_tabs", [
            InnerTab(f"{base}_single_tab", "Single Image", partial(_single, base, made)),
            InnerTab(f"{base}_batch_tab", "Batch", partial(_batch, base, made)),
            InnerTab(f"{base}_multi_inputs_tab", "Multi-Inputs", partial(_several, base, made)),
        ])  # fmt: skip
    made["input_mode"] = bridge_text(f"{base}_input_mode", "0")
    made["input_mode"].by_script = True
    return Inputs(whole=whole, preview_group=made.pop("preview_group"), made=made)


def canvas(elem_id: str, label: str, kind: str, *classes: str) -> gr.Textbox:
    """A place of the page's own canvas; its content arrives in the text field that is returned."""
    with gr.Column(elem_id=elem_id, elem_classes=["gradio-image", "webui-canvas", *classes], min_width=0):
        gr.HTML(f'<div class="canvas-place" data-kind="{kind}" data-label="{label}"></div>', elem_id=f"{elem_id}_place", padding=False)
        content = bridge_text(f"{elem_id}_content")
    content.by_script = True  # type: ignore[attr-defined]
    return content


def build_new_canvas(base: str, opens: gr.Button) -> None:
    """A blank picture to draw on, for scribbles: its size and two buttons, which ``opens`` shows."""
    with gr.Column(elem_id=f"{base}_controlnet_new_canvas", elem_classes=["gradio-group", "cnet-new-canvas", "unseen"], min_width=0):
        with gr.Row():
            sides = [gr.Slider(64, 2048, value=512, step=8, label=f"New Canvas {side}", elem_id=f"{base}_controlnet_canvas_{side.lower()}", elem_classes=["gradio-slider"],
                               min_width=80) for side in ("Width", "Height")]
        with gr.Row():
            create = gr.Button("Create New Canvas", elem_id=f"{base}_controlnet_canvas_create_button", size="sm", min_width=80)
            cancel = gr.Button("Cancel", elem_id=f"{base}_controlnet_canvas_cancel_button", size="sm", min_width=80)
    for button in (opens, cancel):
        button.click(None, [], [], js=f"() => controlnetNewCanvas({base!r})")
    create.click(None, sides, [], js=f"(width, height) => controlnetNewCanvas({base!r}, width, height)")


def _single(base: str, made: dict[str, Any]) -> None:
    with gr.Row(elem_classes=["cnet-image-row"], equal_height=True):
        with gr.Column(elem_classes=["gradio-group", "cnet-input-image-group"], min_width=0):
            made["image"] = canvas(f"{base}_input_image", "Control image: paint a mask for inpainting", "mask", "cnet-image")
        with gr.Column(elem_classes=folded(PREVIEW_GROUP, False), min_width=0) as made["preview_group"]:
            made["generated_image"] = gr.Image(label="Preprocessor Preview", elem_id=f"{base}_generated_image", elem_classes=["gradio-image", "cnet-image"],
                                               interactive=False, height=260, format="png", type="filepath")
            made["use_preview_as_input"] = gr.Checkbox(False, label="Preview as Input", elem_id=f"{base}_controlnet_preview_as_input_checkbox",
                                                       elem_classes=["gradio-checkbox", "cnet-preview-as-input"])


def _batch(base: str, made: dict[str, Any]) -> None:
    may_name = not current().flags.hide_ui_dir_config
    gr.HTML(f'<p class="webui-message">{_FOLDER if may_name else _FILES}</p>', padding=False)
    made["batch_images"] = gr.Textbox("", label="Input Directory", elem_id=f"{base}_batch_image_dir", elem_classes=["gradio-textbox"], lines=1,
                                      placeholder="Leave empty to use the files below, or the pictures of img2img's batch" if base.startswith("img2img") else "Leave empty to use the files below", visible=True if may_name else "hidden")
    made["batch_files"] = _files(f"{base}_batch_files")
    made["loopback"] = gr.Checkbox(False, label="[Batch Loopback] Automatically send generated images to this ControlNet unit in batch generation",
                                   elem_id=f"{base}_controlnet_automatically_send_generated_images_checkbox", elem_classes=["gradio-checkbox", "controlnet_loopback_checkbox"])


def _several(base: str, made: dict[str, Any]) -> None:
    gr.HTML(f'<p class="webui-message">{_SEVERAL}</p>', padding=False)
    made["several_files"] = _files(f"{base}_multi_inputs_files")


def _files(elem_id: str) -> gr.File:
    return gr.File(label="Files", file_count="multiple", file_types=_KINDS, elem_id=elem_id, elem_classes=["gradio-file"], height=140)


def folded(name: str, shown: bool) -> list[str]:
    """The classes of a group that is in the page all the time, and seen or not."""
    return ["gradio-group", name, *(() if shown else ("unseen",))]


def whole_classes(shown: bool) -> list[str]:
    """img2img's units look at img2img's picture unless they have one of their own."""
    return ["cnet-inputs", *(() if shown else ("unseen",))]
