"""The Batch mode of img2img: many pictures, from files that are sent or from a folder of the server; and what is asked about them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from modules.a1111.tab_functions import BATCH
from modules.application.app import App
from modules.application.img2img_batch import PNG_INFO_FIELDS, BatchOrder, named_folder, pictures_of, submit_batch
from modules.gradio_ui import img2img_pictures as pictures
from modules.gradio_ui.components import BridgeNumber
from modules.gradio_ui.form_builder import FormBuilder
from modules.gradio_ui.inner_tabs import InnerTab, build_inner_tabs
from modules.gradio_ui.soft_inpainting import soft_arguments
from modules.gradio_ui.submit import send_request
from modules.gradio_ui.uploads import is_upload
from modules.schema.errors import InvalidValue
from modules.schema.param import put
from modules.schema.request import Img2ImgRequest, Request

UPLOAD, FROM_DIR = range(2)
SOURCE = "img2img_batch_source_tab"
WHERE = (
    "Takes the pictures of a folder on the server's machine, and of the folders in it. Without an output directory the results are saved as always."
    " A mask directory makes it inpainting: a mask has its picture's file name, or is the only picture there."
)
HIDDEN = "Folders cannot be named here: the server was started with --hide-ui-dir-config."


def build_batch(builder: FormBuilder, *, may_name_folders: bool) -> None:
    """The mode's fields, inside the current block."""
    tabs = [
        InnerTab("img2img_batch_upload_tab", "Upload", partial(_upload, builder)),
        InnerTab("img2img_batch_from_dir_tab", "From directory", partial(_from_dir, builder, may_name_folders)),
    ]
    build_inner_tabs("img2img_batch_source", tabs)
    builder.own(SOURCE, BridgeNumber(SOURCE), by_script=True)
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
        interactive=True,
        visible=True if shown else "hidden",
    )
    builder.own(name, box)


def send_img2img(app: App, request: Request, values: Mapping[str, Any], task_id: str) -> object:
    """A request of img2img on its way: in Batch mode with its pictures. Raises WebuiError."""
    if isinstance(request, Img2ImgRequest) and str(values.get(pictures.MODE)) == str(BATCH):
        if soft := soft_arguments(values):
            request = put(request, ("scripting", "alwayson_scripts"), {**request.scripting.alwayson_scripts, **soft})
        return submit_batch(app, request, _order(app, values), source="page", task_id=task_id)
    return send_request(app, request, values, task_id)


def _order(app: App, values: Mapping[str, Any]) -> BatchOrder:
    def folder(name: str, label: str) -> str:
        text = str(values.get(f"img2img_batch_{name}") or "").strip()
        return str(named_folder(app, text, label)) if text else ""

    png_info: tuple[str, ...] = ()
    if values.get("img2img_batch_use_png_info"):
        png_info = tuple(each for each in values.get("img2img_batch_png_info_props") or () if each in PNG_INFO_FIELDS)
    scale = pictures.scale_of(values)
    info_folder = folder("png_info_dir", "PNG info directory") if png_info else ""
    if str(values.get(SOURCE)) != str(FROM_DIR):
        return BatchOrder(files=_uploaded(values.get("img2img_batch_upload")), png_info=png_info, png_info_folder=info_folder, scale=scale)
    source, masks = folder("input_dir", "Input directory"), folder("inpaint_mask_dir", "Inpaint batch mask directory")
    if not source:
        raise InvalidValue("Input directory: no folder is named.", "Name a folder on the server's machine.", field="init_images")
    return BatchOrder(
        files=pictures_of(Path(source)),
        masks=pictures_of(Path(masks)) if masks else (),
        output=_output(app, values),
        png_info=png_info,
        png_info_folder=info_folder,
        scale=scale,
        folder=source,
        mask_folder=masks,
    )


def _output(app: App, values: Mapping[str, Any]) -> str:
    """The output folder need not exist; naming one may be forbidden."""
    text = str(values.get("img2img_batch_output_dir") or "").strip()
    if text and app.flags.hide_ui_dir_config:
        raise InvalidValue("Output directory: " + HIDDEN, "Leave it empty.", field="init_images")
    return str(app.paths.output_folder(text)) if text else ""


def _uploaded(value: Any) -> tuple[str, ...]:
    """The paths that a File component sends, as they were uploaded. Raises InvalidValue for any other file of the server."""
    given = value if isinstance(value, list) else [value] if value else []
    paths = tuple(str(each["path"]) for each in given if isinstance(each, Mapping) and each.get("path"))
    if not all(is_upload(path) for path in paths):
        raise InvalidValue("Files: one of them was not uploaded from the page.", "Choose the files once more.", field="init_images")
    return paths
