"""The Checkpoint Merger tab: two or three checkpoints in, a new one in the list; the work is a job like any other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from modules.application import merging
from modules.application.app import App
from modules.application.merging import CONFIG_SOURCES, FORMATS, MergeRequest
from modules.files.resolver import PathRefused
from modules.files.storage import StorageError
from modules.gradio_ui.checkpoint_choice import CHECKPOINT
from modules.gradio_ui.components import bridge_button, bridge_text, form_row, tool_button
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.finished import finished_job
from modules.gradio_ui.messages import message_html, timing
from modules.gradio_ui.param_component import Choices
from modules.gradio_ui.putting_in_line import put_in_line
from modules.gradio_ui.quicksettings import QuickSetting, fresh
from modules.loading.merge import METHODS
from modules.schema.errors import WebuiError

FORESEEN = (WebuiError, StorageError, PathRefused)
# method -> what stands above the models
EXPLAINED = {
    "No interpolation": "Nothing is mixed. Needs one model, A: to bake a VAE into it, to save it as float16, or to leave weights out.",
    "Weighted sum": "Mixes two models, A and B. The result is A * (1 - M) + B * M.",
    "Add difference": "Adds to model A what B has learnt beyond C. The result is A + (B - C) * M.",
}
# field of MergeRequest, elem_id, label
MODELS = (
    ("primary_model_name", "modelmerger_primary_model_name", "Primary model (A)", "refresh_checkpoint_A"),
    ("secondary_model_name", "modelmerger_secondary_model_name", "Secondary model (B)", "refresh_checkpoint_B"),
    ("tertiary_model_name", "modelmerger_tertiary_model_name", "Tertiary model (C)", "refresh_checkpoint_C"),
)


class MergerTab:
    """Built inside the current block; ``wire`` connects it once the quick settings are known."""

    def __init__(self, app: App, choices: Choices) -> None:
        self.app, self.choices = app, choices
        self.fields: dict[str, Component] = {}
        self.refreshes: list[gr.Button] = []
        with gr.Row(elem_id="modelmerger_work", elem_classes=["gradio-row", "work-row"], equal_height=False):
            with gr.Column(elem_classes=["gradio-column", "settings-column"], scale=1, min_width=0):
                self._build_fields()
            with (
                gr.Column(elem_id="modelmerger_results_container", elem_classes=["gradio-column", "results"], scale=1, min_width=0),
                gr.Column(elem_id="modelmerger_results_panel", elem_classes=["gradio-column"], min_width=0),
            ):
                self.result = gr.HTML("", elem_id="modelmerger_result", elem_classes=["gradio-html", "merger-message"])
                self.task_id, self.answer = bridge_text("modelmerger_task_id"), bridge_text("modelmerger_answer")
                self.collect, self.interrupt = bridge_button("modelmerger_collect"), gr.Button(
                    "Interrupt", elem_id="modelmerger_interrupt", elem_classes=["gradio-button"], visible="hidden", min_width=0)

    def _build_fields(self) -> None:
        self.description = gr.HTML(_explained("Weighted sum"), elem_id="modelmerger_interp_description", elem_classes=["gradio-html"])
        with gr.Row(elem_id="modelmerger_models", elem_classes=["gradio-row"]):
            for name, elem_id, label, refresh in MODELS:
                with gr.Row(elem_classes=["gradio-row", "with-tool"]):
                    self.fields[name] = _dropdown(self.choices("checkpoints"), elem_id, label)
                    self.refreshes.append(tool_button("🔄", refresh))
        self.fields["custom_name"] = gr.Textbox("", label="Custom Name (Optional)", elem_id="modelmerger_custom_name", elem_classes=["gradio-textbox"])
        self.fields["multiplier"] = gr.Slider(
            0.0, 1.0, 0.3, step=0.05, label="Multiplier (M) - set to 0 to get model A", elem_id="modelmerger_interp_amount", elem_classes=["gradio-slider"],
            buttons=[], interactive=True, min_width=0)
        self.fields["interp_method"] = _radio(METHODS, "Weighted sum", "modelmerger_interp_method", "Interpolation Method")
        with form_row():
            self.fields["checkpoint_format"] = _radio(FORMATS, "safetensors", "modelmerger_checkpoint_format", "Checkpoint format")
            self.fields["save_as_half"] = _checkbox("modelmerger_save_as_half", "Save as float16", on=False)
        self.fields["config_source"] = _radio(CONFIG_SOURCES, "A, B or C", "modelmerger_config_method", "Copy config from")
        with form_row(None, "with-tool"):
            self.fields["bake_in_vae"] = _dropdown(self._vaes(), "modelmerger_bake_in_vae", "Bake in VAE", "None")
            self.vae_refresh = tool_button("🔄", "modelmerger_refresh_bake_in_vae")
        self.fields["discard_weights"] = gr.Textbox(
            "", label="Discard weights with matching name", elem_id="modelmerger_discard_weights", elem_classes=["gradio-textbox"],
            placeholder="a regular expression, such as ^model_ema")
        with gr.Accordion("Metadata", open=False, elem_id="modelmerger_metadata", elem_classes=["opened-late"]):
            with form_row():
                self.fields["save_metadata"] = _checkbox("modelmerger_save_metadata", "Save metadata")
                self.fields["add_merge_recipe"] = _checkbox("modelmerger_add_recipe", "Add merge recipe metadata")
                self.fields["copy_metadata_fields"] = _checkbox("modelmerger_copy_metadata", "Copy metadata from merged models")
            self.fields["metadata_json"] = gr.Textbox("{}", label="Metadata in JSON format", elem_id="modelmerger_metadata_json", lines=3, elem_classes=["gradio-textbox"])
            self.read_metadata = gr.Button("Read metadata from selected checkpoints", elem_id="modelmerger_read_metadata", elem_classes=["gradio-button"], size="sm")
        self.merge = gr.Button("Merge", elem_id="modelmerger_merge", variant="primary", elem_classes=["gradio-button"])

    def wire(self, page: gr.Blocks, row: Sequence[QuickSetting]) -> None:
        """Connect everything. row: the quick settings; a list of checkpoints among them is brought up to date with the others.

        A page that is opened lists the files that are known then, as the quick settings do: those of the start may be none at all.
        """
        models = [self.fields[name] for name, *_ in MODELS]
        shown: list[Component] = [*models, self.fields["bake_in_vae"], *(each.component for each in row if each.setting.key == CHECKPOINT)]
        sent = self.merge.click(
            self._submit, inputs=[self.task_id, *self.fields.values()], outputs=[self.answer, self.result],
            js=f"(...values) => modelmerger(...values.slice(0, {len(self.fields) + 1}))", preprocess=False, **QUICK)
        sent.then(None, inputs=[self.answer], js="(answer) => { webui.merger.answered(answer); }", **QUICK)
        self.collect.click(
            partial(self._collect, row), inputs=[self.task_id, *models], outputs=[self.result, *shown], js="(_, ...models) => [webui.merger.id, ...models]", **QUICK)
        self.interrupt.click(lambda task_id: self.app.jobs.interrupt(task_id or None) and None, inputs=[self.task_id], outputs=[], js="() => [webui.merger.id]", **QUICK)
        method: Any = self.fields["interp_method"]
        method.input(_explained, inputs=[method], outputs=[self.description], **QUICK)
        self.read_metadata.click(self._read_metadata, inputs=models, outputs=[self.fields["metadata_json"]], **QUICK)
        for button in (*self.refreshes, self.vae_refresh):
            button.click(partial(self._fresh, row), inputs=models, outputs=shown, **QUICK)
        page.load(self._offered, outputs=[*models, self.fields["bake_in_vae"]], **QUICK)

    def _submit(self, task_id: str, *values: Any) -> tuple[str, str]:
        def put() -> None:
            asked = MergeRequest.checked(dict(zip(self.fields, values, strict=True)))
            merging.submit(self.app, asked, source="page", task_id=task_id)

        return put_in_line(task_id, put, button="Merge", what="merge", foreseen=FORESEEN)

    def _collect(self, row: Sequence[QuickSetting], task_id: str, *chosen: str | None) -> list[Any]:
        """The job's words, and every list of checkpoints anew."""
        finished = finished_job(self.app, task_id)
        if finished is None:
            words = message_html("This merge is not known here any more.")
        elif finished.job.error:
            words = message_html(finished.job.error, "error")
        else:
            words = message_html(str(finished.info.get("message", ""))) + message_html(timing(finished.job))
        return [words, *self._lists(row, chosen)]

    def _fresh(self, row: Sequence[QuickSetting], *chosen: str | None) -> list[Any]:
        self.app.catalogue.refresh()
        return self._lists(row, chosen)

    def _offered(self) -> list[Any]:
        """The lists' choices for a page that is opened. Not what is chosen in them: whoever was quicker than this answer has chosen already."""
        return [*(gr.update(choices=list(self.choices("checkpoints"))) for _ in MODELS), gr.update(choices=self._vaes())]

    def _lists(self, row: Sequence[QuickSetting], chosen: Sequence[str | None]) -> list[Any]:
        """The lists' choices now. chosen: A, B and C, whose titles may bear a hash by now."""
        checkpoints = list(self.choices("checkpoints"))
        models = [gr.update(choices=checkpoints, value=self._title_now(each)) for each in chosen]
        quick = [fresh(self.app, each.setting, self.choices) for each in row if each.setting.key == CHECKPOINT]
        return [*models, gr.update(choices=self._vaes()), *quick]

    def _vaes(self) -> list[str]:
        return ["None", *self.choices("vaes")]

    def _title_now(self, name: str | None) -> str | None:
        try:
            return self.app.catalogue.find_checkpoint(name).title if name else None
        except WebuiError:
            return None

    def _read_metadata(self, *names: str | None) -> str:
        try:
            found = merging.metadata_of(self.app, [name for name in names if name])
        except WebuiError as error:
            raise gr.Error(str(error)) from error
        return json.dumps(found, indent=4, ensure_ascii=False)


def _explained(method: str) -> str:
    return f"<p>{EXPLAINED.get(method, '')}</p>"


def _dropdown(choices: Sequence[str], elem_id: str, label: str, value: str | None = None) -> gr.Dropdown:
    return gr.Dropdown(list(choices), value=value, label=label, elem_id=elem_id, elem_classes=["gradio-dropdown"], interactive=True, min_width=0)


def _radio(choices: Sequence[str], value: str, elem_id: str, label: str) -> gr.Radio:
    return gr.Radio(list(choices), value=value, label=label, elem_id=elem_id, elem_classes=["gradio-radio"], interactive=True, min_width=0)


def _checkbox(elem_id: str, label: str, *, on: bool = True) -> gr.Checkbox:
    return gr.Checkbox(on, label=label, elem_id=elem_id, elem_classes=["gradio-checkbox"], interactive=True, min_width=0)
