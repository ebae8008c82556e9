"""The Extras tab: one picture, several, or a folder of them; operations below; results on the right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from modules.application import extras
from modules.application.app import App
from modules.application.extras import Source
from modules.gradio_ui.canvas import PLAIN, build_canvas, read_canvas
from modules.gradio_ui.components import bridge_text, form_column, form_row, tool_button
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.form import Form
from modules.gradio_ui.form_builder import FormBuilder
from modules.gradio_ui.form_memory import wire_form_memory
from modules.gradio_ui.inner_tabs import InnerTab, build_inner_tabs
from modules.gradio_ui.layout import Caption, Fold, Item, Line, Part
from modules.gradio_ui.output_panel import OutputPanel, build_output_panel
from modules.gradio_ui.param_component import Choices
from modules.gradio_ui.postprocess_panel import PostprocessPanel, build_postprocess_panel
from modules.gradio_ui.putting_in_line import put_in_line
from modules.gradio_ui.result_buttons import wire_result_buttons
from modules.gradio_ui.shown_files import ShownFiles
from modules.gradio_ui.submit import Submitter, wire_submit
from modules.gradio_ui.toprow import JobButtons, generate_box
from modules.gradio_ui.ui_config import UiConfig
from modules.gradio_ui.uploads import is_upload
from modules.schema.errors import InvalidValue
from modules.schema.params_extras import ExtrasRequest
from modules.schema.table import EXTRAS

TAB = "extras"
MODE, RESIZE_TAB, IMAGE = "extras_mode", "extras_resize_tab", "extras_image"
BATCH, INPUT_DIR, OUTPUT_DIR = "extras_image_batch", "extras_batch_input_dir", "extras_batch_output_dir"
SINGLE, SEVERAL, FOLDER = "0", "1", "2"
OPERATIONS: tuple[Item, ...] = (
    Fold("extras_upscale", "Upscale", "upscale_enabled", (
        Part("upscaler_1"), Line(None, ("upscaler_2", "extras_upscaler_2_visibility")), Part("resize")), is_open=True, source="postprocessing_upscale.py"),
    Fold("input-accordion-0", "GFPGAN", "gfpgan_enabled", ("gfpgan_visibility",), source="postprocessing_gfpgan.py"),
    Fold("input-accordion-1", "CodeFormer", "codeformer_enabled", (Line(None, ("codeformer_visibility", "codeformer_weight")),), source="postprocessing_codeformer.py"),
    Fold("input-accordion-2", "Split oversized images", "split_enabled", (Line(None, ("split_threshold", "split_overlap_ratio")),), source="postprocessing_split_oversized.py"),
    Fold("input-accordion-3", "Auto focal point crop", "focal_crop_enabled", (
        "focal_crop_face_weight", "focal_crop_entropy_weight", "focal_crop_edges_weight", "focal_crop_debug"), source="postprocessing_focal_crop.py"),
    Fold("input-accordion-4", "Auto-sized crop", "autosized_crop_enabled", (
        Caption("extras_autosized_crop_words", "Each picture is cut from its middle, to the width and height within these bounds that fit it best."),
        Line(None, ("autosized_mindim", "autosized_maxdim")), Line(None, ("autosized_minarea", "autosized_maxarea")),
        Line(None, ("autosized_objective", "autosized_threshold"))), source="postprocessing_autosized_crop.py"),
    Fold("input-accordion-5", "Create flipped copies", "flip_enabled", ("flip_kinds",), source="postprocessing_create_flipped_copies.py"),
    Fold("input-accordion-6", "Caption", "caption_enabled", ("captioners",), source="postprocessing_caption.py"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ExtrasTab:
    """What other parts of the page need of it."""

    name: str
    form: Form
    output: OutputPanel
    submitter: ExtrasSubmitter
    refresh: gr.Button


@dataclass(frozen=True, kw_only=True)
class ExtrasSubmitter(Submitter):
    """A click on Generate of this tab. added: the controls of extensions' operations."""

    added: PostprocessPanel = field(default_factory=PostprocessPanel)

    def submit(self, task_id: str, *values: Any) -> tuple[str, str]:
        """Put the work in line; as ``Submitter.submit``."""

        def put() -> None:
            asked = self.form.request(values)
            assert isinstance(asked, ExtrasRequest)
            shown = dict(zip((each.name for each in self.form.fields), values, strict=True))
            sources, folder = self._sources(shown)
            extras.submit(self.app, asked, sources, source="page", save=True, folder=folder, task_id=task_id, added=self.added.values(shown))

        return put_in_line(task_id, put)

    def _sources(self, shown: Mapping[str, Any]) -> tuple[list[Source], Path | None]:
        """The pictures of the mode that shows, and the folder for the results where one is named. Raises InvalidValue."""
        mode = str(shown[MODE])
        if mode == FOLDER:
            named = str(shown[OUTPUT_DIR] or "")
            folder = extras.folder_named(self.app, named, "Output directory") if named.strip() else None
            if folder is not None and self.app.paths.is_code_folder(folder):
                raise InvalidValue(f"Output directory: programs are loaded from {folder}.", "Choose a folder of its own, such as outputs/larger.")
            return extras.pictures_in(self.app, str(shown[INPUT_DIR] or "")), folder
        if mode == SEVERAL:
            return [_uploaded(each) for each in shown[BATCH] or ()], None
        read_canvas(shown[IMAGE], "Source")        # refuses what was not uploaded from the page, and what is no picture
        path = json.loads(shown[IMAGE] or "{}").get("picture")
        if not path:
            raise InvalidValue("There is no picture to work on.", "Drop one into Source.", field="image")
        return [Source(path=path)], None


def build_extras_tab(app: App, choices: Choices, ui_config: UiConfig, files: ShownFiles) -> ExtrasTab:
    """The tab, inside the current block, with its events."""
    made: list[gr.Button] = []
    parts = {"resize": _resize, "upscaler_1": lambda builder: made.append(_first_upscaler(builder))}
    builder = FormBuilder(table=EXTRAS, choices=choices, ui_config=ui_config, setting=app.settings.get, parts=parts, complete=_complete)
    with gr.Row(elem_id=f"{TAB}_work", elem_classes=["gradio-row", "work-row"], equal_height=False):
        with gr.Column(elem_id=f"{TAB}_settings", elem_classes=["gradio-column", "settings-column"], scale=1, min_width=0):
            _pictures(builder, folders=not app.flags.hide_ui_dir_config)
            hidden = set(app.settings.get("postprocessing_disable_in_extras"))
            builder.build([each for each in OPERATIONS if not (isinstance(each, Fold) and each.label in hidden)])
            added = build_postprocess_panel(app, builder)
        with gr.Column(scale=1, min_width=0, elem_classes=["gradio-column"]):
            buttons = _buttons()
            output = build_output_panel(TAB, can_open_folder=app.flags.may_open_folders, height=app.settings.get("gallery_height"))
            gr.HTML("", elem_id="html_info_x_extras", elem_classes=["gradio-html"])
    form = builder.form()
    submitter = ExtrasSubmitter(app=app, form=form, files=files, added=added)
    wire_submit(TAB, submitter, overrides=None, toprow=buttons, output=output)
    wire_form_memory(TAB, form, None)
    wire_result_buttons(app, TAB, output, files)
    return ExtrasTab(name=TAB, form=form, output=output, submitter=submitter, refresh=made[0] if made else gr.Button(visible=False))


def wire_upscaler_lists(app: App, page: gr.Blocks, choices: Choices, tab: ExtrasTab, more: Mapping[Component, str]) -> None:
    """Upscaler files that came since the page was built: shown after a reload, and by the refresh button. more: other lists, with their source."""
    own = {tab.form.component(name): "upscalers" for name in ("upscaler_1", "upscaler_2") if name in {each.name for each in tab.form.fields}}
    lists = {**own, **more}

    def fresh() -> Any:
        updates = [gr.update(choices=list(choices(source))) for source in lists.values()]
        return updates if len(updates) > 1 else updates[0]

    def look_again() -> Any:
        app.catalogue.refresh()
        return fresh()

    page.load(fresh, outputs=list(lists), **QUICK)
    tab.refresh.click(look_again, outputs=list(lists), **QUICK)


def _complete(shown: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"resize_mode": int(shown.get(RESIZE_TAB) or 0)}


def _buttons() -> JobButtons:
    generate, interrupt, interrupting, skip = generate_box(TAB)
    restore = tool_button("🌀", f"{TAB}_restore_progress", visible=False)
    task_id, answer, said = (bridge_text(f"{TAB}_{name}") for name in ("task_id", "submit_answer", "interrupt_answer"))
    return JobButtons(
        task_id=task_id, answer=answer, said=said, generate=generate, interrupt=interrupt, interrupting=interrupting, skip=skip, restore=restore)


def _pictures(builder: FormBuilder, *, folders: bool) -> None:
    tabs = [
        InnerTab("extras_single_tab", "Single Image", lambda: build_canvas(builder, IMAGE, "Source", PLAIN)),
        InnerTab("extras_batch_process_tab", "Batch Process", partial(_several, builder)),
        InnerTab("extras_batch_directory_tab", "Batch from Directory", partial(_folder, builder, folders=folders)),
    ]
    build_inner_tabs("mode_extras", tabs)
    builder.own(MODE, bridge_text(MODE, SINGLE), by_script=True)


def _several(builder: FormBuilder) -> None:
    files = gr.File(
        label="Batch Process", file_count="multiple", file_types=["image"], elem_id=BATCH, elem_classes=["gradio-file"], interactive=True, height=220)
    builder.own(BATCH, files)


def _folder(builder: FormBuilder, *, folders: bool) -> None:
    note = "A folder on the machine that the server runs on, or one below its data folder." if folders else "This server lets nobody name folders."
    named = {
        INPUT_DIR: ("Input directory", note), OUTPUT_DIR: ("Output directory", "Left empty, the results go where the settings say."),
    }
    for elem_id, (label, info) in named.items():
        builder.own(elem_id, gr.Textbox("", label=label, info=info, elem_id=elem_id, elem_classes=["gradio-textbox"], interactive=folders))
    builder.build(("show_extras_results",))


def _upscale_guard(builder: FormBuilder) -> int:
    return next(index for index, each in enumerate(builder.fields) if each.name == "upscale_enabled")


def _first_upscaler(builder: FormBuilder) -> gr.Button:
    with form_row(None, "with-tool"):
        builder.parameter("upscaler_1", guard=_upscale_guard(builder))
        return tool_button("🔄", "extras_refresh_upscalers")


def _resize(builder: FormBuilder) -> None:
    guard = _upscale_guard(builder)
    tabs = [
        InnerTab("extras_scale_by_tab", "Scale by", lambda: builder.build((Line(None, ("upscaling_resize", "upscale_max_side_length")),), guard)),
        InnerTab("extras_scale_to_tab", "Scale to", partial(_scale_to, builder, guard)),
    ]
    build_inner_tabs("extras_resize_mode", tabs)
    builder.own(RESIZE_TAB, bridge_text(RESIZE_TAB, "0"), by_script=True)


def _scale_to(builder: FormBuilder, guard: int) -> None:
    with form_row(None, "resize-to"):
        with form_column("upscaling_column_size", scale=4):
            builder.build(("upscaling_resize_w", "upscaling_resize_h"))     # also the size of pieces and focal crops
        with form_column("upscaling_dimensions_row", "dimensions-tools", scale=0):
            tool_button("⇅", "upscaling_res_switch_btn")
    builder.build(("upscaling_crop",), guard)


def _uploaded(value: Any) -> Source:
    """A file of the upload field as Gradio hands it over. Raises InvalidValue for one that was not uploaded."""
    path = value.get("path") if isinstance(value, Mapping) else None
    if not is_upload(path):
        raise InvalidValue("Batch Process: this file was not uploaded from the page.", "Choose the files once more.", field="image")
    return Source(name=str(value.get("orig_name") or Path(path).name), path=path)
