"""The Batch mode of img2img: many pictures, from files that are sent or from a folder of the server; and what is asked about them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import gradio as gr

from modules.gradio_ui.components import bridge_text
from modules.gradio_ui.form_builder import FormBuilder
from modules.gradio_ui.inner_tabs import InnerTab, build_inner_tabs

UPLOAD, FROM_DIR = range(2)
SOURCE = "img2img_batch_source_tab"
PNG_INFO_FIELDS = ("Prompt", "Negative prompt", "Seed", "CFG scale", "Sampler", "Steps", "Model hash")
WHERE = (
    "Takes the pictures of a folder on the server's machine. Without an output directory the results are saved as always."
    " A mask directory makes it inpainting: a mask has its picture's file name, or is the only file there."
)
HIDDEN = "Folders cannot be named here: the server was started with --hide-ui-dir-config."


def build_batch(builder: FormBuilder, *, may_name_folders: bool) -> None:
    """The mode's fields, inside the current block."""
    tabs = [
        InnerTab("img2img_batch_upload_tab", "Upload", partial(_upload, builder)),
        InnerTab("img2img_batch_from_dir_tab", "From directory", partial(_from_dir, builder, may_name_folders)),
    ]
    build_inner_tabs("img2img_batch_source", tabs)
    builder.own(SOURCE, bridge_text(SOURCE, "0"), by_script=True)
    with builder.own_fold("img2img_batch_use_png_info", "Append png info to prompts", box_id="img2img_batch_use_png_info"):
        _text(builder, "img2img_batch_png_info_dir", "PNG info directory", "Leave empty to use input directory", shown=may_name_folders)
        fields = gr.CheckboxGroup(
            list(PNG_INFO_FIELDS),
            value=[],
            label="Parameters to take from png info",
            info="Prompts are appended to those of the page.",
            elem_id="img2img_batch_png_info_props",
            elem_classes=["gradio-checkboxgroup"],
            interactive=True,
        )
        builder.own("img2img_batch_png_info_props", fields)


def _upload(builder: FormBuilder) -> None:
    files = gr.File(
        label="Files", file_count="multiple", interactive=True, elem_id="img2img_batch_upload", elem_classes=["gradio-file"], height=180
    )
    builder.own("img2img_batch_upload", files)


def _from_dir(builder: FormBuilder, may_name_folders: bool) -> None:
    gr.HTML(f'<p class="webui-message">{WHERE if may_name_folders else HIDDEN}</p>', padding=False)
    for name, label in (
        ("img2img_batch_input_dir", "Input directory"),
        ("img2img_batch_output_dir", "Output directory"),
        ("img2img_batch_inpaint_mask_dir", "Inpaint batch mask directory (required for inpaint batch processing only)"),
    ):
        _text(builder, name, label, "", shown=may_name_folders)


def _text(builder: FormBuilder, name: str, label: str, placeholder: str, *, shown: bool) -> None:
    box = gr.Textbox(
        "",
        label=label,
        placeholder=placeholder or None,
        elem_id=name,
        elem_classes=["gradio-textbox"],
        lines=1,
        max_lines=1,
        interactive=True,
        visible=True if shown else "hidden",
    )
    builder.own(name, box)


def uploaded_paths(value: Any) -> list[str]:
    """Paths in what a File component sends: a list of {"path": ...}."""
    given = value if isinstance(value, list) else [value] if value else []
    return [str(each["path"]) for each in given if isinstance(each, Mapping) and each.get("path")]
