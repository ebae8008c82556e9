"""The Train tab: new embeddings and hypernetworks, and their training, which is a job like any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from modules.a1111 import callbacks
from modules.a1111.app_slot import is_occupied
from modules.a1111.callback_params import UiTrainTabParams
from modules.application import training
from modules.application.app import App
from modules.application.training_run import EMBEDDING, HYPERNETWORK
from modules.files.resolver import PathRefused
from modules.files.storage import StorageError
from modules.gradio_ui.checkpoint_choice import chosen_checkpoint, start_size
from modules.gradio_ui.components import bridge_button, bridge_text, form_row, tool_button
from modules.gradio_ui.events import QUICK, SLOW
from modules.gradio_ui.finished import finished_job
from modules.gradio_ui.foreign_tabs import house_strays
from modules.gradio_ui.form import Form
from modules.gradio_ui.form_builder import FormBuilder
from modules.gradio_ui.inner_tabs import InnerTab, build_inner_tabs
from modules.gradio_ui.messages import message_html, timing
from modules.gradio_ui.param_component import Choices
from modules.gradio_ui.putting_in_line import put_in_line
from modules.gradio_ui.shown_files import ShownFiles
from modules.gradio_ui.ui_config import UiConfig
from modules.schema.errors import WebuiError
from modules.schema.params_training import TrainingRequest
from modules.schema.table import NEW_EMBEDDING, NEW_HYPERNETWORK, TRAIN

FORESEEN = (WebuiError, StorageError, PathRefused)
NEW = ("name", "init_text", "num_vectors_per_token", "overwrite_old")
NEW_LAYERS = (
    "name", "enable_sizes", "layer_structure", "activation_func", "weight_init", "add_layer_norm", "use_dropout", "dropout_structure", "overwrite_old")
FOLDERS = ("data_root", "log_directory")
REST = (
    "training_width", "training_height", "varsize", "steps", ("create_image_every", "save_embedding_every"), "use_weight", "save_image_with_stored_embedding",
    "preview_from_txt2img", "shuffle_tags", "tag_drop_out", "latent_sampling_method")
# What a preview takes from txt2img, where it is to.
FROM_TXT2IMG = ("prompt", "negative_prompt", "steps", "sampler_name", "cfg_scale", "seed", "width", "height")
# Lists of files, with the ids of the buttons that look for them again; A1111 spells the last one so.
LISTS = {"embedding_name": "refresh_train_embedding_name", "hypernetwork_name": "refresh_train_hypernetwork_name", "template_filename": "refrsh_train_template_file"}
WORDS = "<p>Teaches a new word (an embedding) or a change of the model (a hypernetwork) from a folder of pictures, with a caption for each: a text file of its name, or its name. Some ten of them are enough for a thing or a style.</p>"


def build_train_tab(app: App, choices: Choices, ui_config: UiConfig, files: ShownFiles, *, page: gr.Blocks, txt2img: Form) -> None:
    """The tab, inside the current block, with its events."""
    tab = _TrainTab(app, choices, ui_config, files)
    previews = [txt2img.component(name) for name in FROM_TXT2IMG]
    with gr.Row(elem_id="train_work", elem_classes=["gradio-row", "work-row"], equal_height=False):
        with gr.Column(elem_classes=["gradio-column", "settings-column"], scale=1, min_width=0) as column:
            build_inner_tabs("train_tabs", (
                InnerTab("train_create_embedding_tab", "Create embedding", tab.build_new_embedding),
                InnerTab("train_create_hypernetwork_tab", "Create hypernetwork", tab.build_new_hypernetwork),
                InnerTab("train_train_tab", "Train", tab.build_training)))
            _foreign_tabs(column, previews)
        with (
            gr.Column(elem_id="ti_results", elem_classes=["gradio-column", "results"], scale=1, min_width=0),
            gr.Column(elem_id="ti_gallery_container", elem_classes=["gradio-column", "gallery-container"], min_width=0),
        ):
            tab.build_results()
    tab.wire(page, previews)


def _foreign_tabs(column: gr.Column, previews: list[Any]) -> None:
    """Those that extensions offer behind ours."""
    if not is_occupied():
        return
    tabs = next(each for each in column.children if each.elem_id == "train_tabs")
    nav = next(each for each in tabs.children if isinstance(each, gr.Row))      # type: ignore[attr-defined]
    assert isinstance(tabs, gr.Column)
    with tabs:
        callbacks.ui_train_tabs_callback(UiTrainTabParams(previews))
        house_strays(nav)


class _TrainTab:
    def __init__(self, app: App, choices: Choices, ui_config: UiConfig, files: ShownFiles) -> None:
        self.app, self.choices, self.files = app, choices, files
        size = start_size(chosen_checkpoint(app), ui_config, TRAIN.tab)
        self.new, self.layers, self.training = (
            FormBuilder(table=table, choices=choices, ui_config=ui_config, setting=app.settings.get, native_size=size) for table in (NEW_EMBEDDING, NEW_HYPERNETWORK, TRAIN))
        self.refreshes: dict[str, gr.Button] = {}

    def build_new_embedding(self) -> None:
        self.new.build(NEW)
        self.create_embedding = gr.Button("Create embedding", elem_id="train_create_embedding", variant="primary", elem_classes=["gradio-button"])

    def build_new_hypernetwork(self) -> None:
        self.layers.build(NEW_LAYERS)
        self.create_hypernetwork = gr.Button("Create hypernetwork", elem_id="train_create_hypernetwork", variant="primary", elem_classes=["gradio-button"])

    def build_training(self) -> None:
        gr.HTML(WORDS, elem_classes=["gradio-html"])
        with form_row():
            self._list("embedding_name")
            self._list("hypernetwork_name")
        for row in (("embedding_learn_rate", "hypernetwork_learn_rate"), ("clip_grad_mode", "clip_grad_value"), ("batch_size", "gradient_step")):
            self._row(row)
        self.training.build(FOLDERS)
        self._list("template_filename")
        for item in REST:
            self._row((item,) if isinstance(item, str) else item)
        with form_row("train_buttons"):
            self.train_embedding, self.interrupt, self.train_hypernetwork = (
                gr.Button(words, elem_id=f"train_{name}", variant=variant, elem_classes=["gradio-button"], min_width=0)       # type: ignore[arg-type]
                for words, name, variant in (
                    ("Train Embedding", "train_embedding", "primary"), ("Interrupt", "interrupt_training", "secondary"),
                    ("Train Hypernetwork", "train_hypernetwork", "primary")))

    def build_results(self) -> None:
        self.output = gr.Textbox("", show_label=False, elem_id="ti_output", elem_classes=["gradio-textbox"], lines=2, interactive=False)
        self.gallery = gr.Gallery(label="Output", show_label=False, elem_id="ti_gallery", elem_classes=["gradio-gallery"], columns=4, interactive=False)
        gr.HTML("<p></p>", elem_id="ti_progress", elem_classes=["gradio-html"])
        self.outcome = gr.HTML("", elem_id="ti_error", elem_classes=["gradio-html"])
        self.task_id, self.answer, self.collect = bridge_text("train_task_id"), bridge_text("train_answer"), bridge_button("train_collect")

    def wire(self, page: gr.Blocks, previews: list[Any]) -> None:
        lists = {name: self.training.form().component(name) for name in LISTS}
        for builder, button, make, name in (
            (self.new, self.create_embedding, training.create_embedding, "embedding_name"),
            (self.layers, self.create_hypernetwork, training.create_hypernetwork, "hypernetwork_name"),
        ):  # fmt: skip
            form = builder.form()
            button.click(self._making(form, make, name), inputs=form.components, outputs=[lists[name], self.output, self.outcome], **SLOW)
        form = self.training.form()
        for button, kind in ((self.train_embedding, EMBEDDING), (self.train_hypernetwork, HYPERNETWORK)):
            sent = button.click(
                self._sending(form, kind), inputs=[self.task_id, *form.components, *previews], outputs=[self.answer, self.outcome],
                js="start_training_textual_inversion", preprocess=False, **QUICK)
            sent.then(None, inputs=[self.answer], js="(answer) => { webui.training.answered(answer); }", **QUICK)
        self.interrupt.click(lambda task_id: self.app.jobs.interrupt(task_id) and None if task_id else None, inputs=[self.task_id], outputs=[], js="() => [webui.training.id]", **QUICK)
        self.collect.click(
            self._collect, inputs=[self.task_id], outputs=[self.output, self.gallery, self.outcome, *lists.values()], js="() => [webui.training.id]", **QUICK)
        for name, button in self.refreshes.items():
            button.click(lambda name=name: self._fresh(name), outputs=[lists[name]], **QUICK)
        page.load(self._offered, outputs=[*lists.values(), self.layers.form().component("enable_sizes")], **QUICK)

    def _row(self, names: tuple[str, ...]) -> None:
        with form_row():
            self.training.build(names)

    def _list(self, name: str) -> None:
        with form_row(None, "with-tool"):
            self.training.build([name])
            self.refreshes[name] = tool_button("🔄", LISTS[name])

    def _making(self, form: Form, make: Callable[[App, Any], Any], name: str) -> Callable[..., tuple[Any, str, str]]:
        def made(*values: Any) -> tuple[Any, str, str]:
            try:
                path = make(self.app, form.request(values))
            except FORESEEN as error:
                return gr.skip(), "", message_html(str(error), "error")
            return gr.update(choices=self._choices(name), value=path.stem), f"Created: {path}", ""

        return made

    def _sending(self, form: Form, kind: str) -> Callable[..., tuple[str, str]]:
        def sent(task_id: str, *values: Any) -> tuple[str, str]:
            own, previews = values[: len(form.fields)], values[len(form.fields) :]

            def put() -> None:
                asked = form.request(own)
                assert isinstance(asked, TrainingRequest)
                if asked.preview_from_txt2img:
                    asked = asked.changed({f"preview_{name}": value for name, value in zip(FROM_TXT2IMG, previews) if value not in (None, "")})
                training.submit(self.app, asked, kind, source="page", task_id=task_id)

            return put_in_line(task_id, put, button="Train", what="training", foreseen=FORESEEN)

        return sent

    def _collect(self, task_id: str) -> list[Any]:
        """What the job says at its end, its last picture, and the lists anew."""
        fresh = [self._fresh(name) for name in LISTS]
        finished = finished_job(self.app, task_id)
        if finished is None:
            return ["", None, message_html("This training is not known here any more."), *fresh]
        shown = [str(each) for each in self.files.of(task_id, finished.images)]
        if finished.job.error:
            return ["", shown, message_html(finished.job.error, "error"), *fresh]
        return [str(finished.info.get("message", "")), shown, message_html(timing(finished.job)), *fresh]

    def _offered(self) -> list[Any]:
        """For a page that is opened: files of now, and the widths of the model that is loaded by now."""
        return [*(gr.update(choices=self._choices(name)) for name in LISTS), gr.update(choices=list(self.choices("hypernetwork_widths")))]

    def _fresh(self, name: str) -> Mapping[str, Any]:
        self.app.catalogue.refresh()
        return gr.update(choices=self._choices(name))

    def _choices(self, name: str) -> list[str]:
        source = getattr(TRAIN.by_api_name(name).info.widget, "choices", "")
        return list(self.choices(source)) if isinstance(source, str) else []


