"""A click on Generate: values -> request -> job. And the way back: a finished job -> gallery, infotexts, words.

The click only puts the job in line and returns; the page watches it by its id and asks for the result when it is over.
So a closed tab, a reload and a second device all go the same way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from modules.application import generation
from modules.application.app import App
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.finished import finished_job
from modules.gradio_ui.first_pass import chosen_first_pass
from modules.gradio_ui.form import Form
from modules.gradio_ui.messages import message_html, timing
from modules.gradio_ui.paste import override_values
from modules.gradio_ui.putting_in_line import put_in_line
from modules.gradio_ui.shown_files import ShownFiles
from modules.schema.request import Request

JS_FUNCTIONS = {  # tab -> what a click on Generate and the fetching of results call; extensions replace them
    "txt2img": ("submit", "restoreProgressTxt2img"),
    "img2img": ("submit_img2img", "restoreProgressImg2img"),
    "extras": ("submit_extras", "restoreProgressExtras"),
}

Send = Callable[[App, Request, Mapping[str, Any], str], object]


def send_request(app: App, request: Request, values: Mapping[str, Any], task_id: str) -> object:
    """The way of a request that is all there is to say."""
    return generation.submit(app, request, source="page", task_id=task_id)


@dataclass(frozen=True, kw_only=True)
class Submitter:
    """The functions behind the buttons of one tab. send: puts a request in line; it is given all values that count, by field name, as well."""

    app: App
    form: Form
    files: ShownFiles
    send: Send = send_request

    def submit(self, task_id: str, overrides: Sequence[str], *values: Any) -> tuple[str, str]:
        """Put a job in line. Returns the answer for the page, {"id", "error"} as JSON, and the message below the gallery."""
        return put_in_line(task_id, lambda: self.send(self.app, self._request(overrides, values), self.form.shown(values), task_id))

    def upscale(self, task_id: str, overrides: Sequence[str], job_id: str, chosen: str, *values: Any) -> tuple[str, str]:
        """As ``submit``, for hires fix on the picture ``chosen`` of the gallery that shows ``job_id``: it is the first pass."""

        def put() -> None:
            index = int(chosen) if chosen.isdigit() else 0
            picture, fixed = chosen_first_pass(finished_job(self.app, job_id), index)
            opened = [True if field.name == "enable_hr" else value for field, value in zip(self.form.fields, values, strict=True)]
            request = self._request(overrides, opened, firstpass_image=picture, **fixed)
            generation.submit(self.app, request, source="page", task_id=task_id, in_place_of=(job_id, index))

        return put_in_line(task_id, put)

    def _request(self, overrides: Sequence[str], values: Sequence[Any], **more: Any) -> Request:
        return self.form.request(values, override_settings=override_values(self.app.settings.table, overrides), **more)

    def collect(self, task_id: str) -> tuple[Any, Any, Any, str, str]:
        """Gallery, generation info, id of the shown job, answer for the page, message: of the job ``task_id``.

        A job that nobody knows is "gone" in the answer. A job without pictures (it failed, or was taken out of the queue) leaves the former ones where they are.
        """
        finished = finished_job(self.app, task_id)
        if finished is None:
            return gr.skip(), gr.skip(), gr.skip(), json.dumps({"id": task_id, "gone": True}), ""
        job = finished.job
        answer = json.dumps({"id": job.id, "state": job.state.value, "error": job.error or "", "comments": list(finished.comments)})
        message = message_html(job.error, "error") if job.error else message_html(timing(job))
        pictures = self.files.of(job.id, finished.images)
        if not pictures:
            return gr.skip(), gr.skip(), gr.skip(), answer, message
        shown = gr.update(value=[str(path) for path in pictures], selected_index=min(finished.chosen, len(pictures) - 1))
        return shown, json.dumps(dict(finished.info)), job.id, answer, message

    def interrupt(self, task_id: str) -> str:
        """Stop the page's job; without an id the running one, whosever it is.

        Of a job with several pictures the one at work is finished first, if the settings say so; then returns a sentence about it.
        """
        jobs = self.app.jobs
        running = jobs.running()
        asked = running is not None and task_id in ("", running.id)
        if running is None or not asked or not self.app.settings.get("interrupt_after_current"):
            jobs.interrupt(task_id or None)
        elif running.cancel.stopping or running.progress.snapshot().batches <= 1:
            jobs.interrupt(running.id)
        else:
            jobs.stop_after_image(running.id)
            return "Generation will stop after finishing this image, click again to stop immediately."
        return ""

    def interrupt_now(self, task_id: str) -> None:
        """Stop at the next step, whatever the settings say."""
        self.app.jobs.interrupt(task_id or None)

    def skip(self, task_id: str) -> None:
        """Leave the picture at work."""
        self.app.jobs.skip(task_id or None)


def wire_submit(tab: str, submitter: Submitter, *, overrides: gr.Dropdown | None, toprow: Any, output: Any) -> None:
    """Connect Generate, Interrupt, Skip and the fetching of results. No Gradio queue: none of these waits for anything."""
    submit_js, restore_js = JS_FUNCTIONS[tab]
    inputs = [toprow.task_id, *([overrides] if overrides is not None else []), *submitter.form.components]
    sent = toprow.generate.click(
        submitter.submit,
        inputs=inputs,
        outputs=[toprow.answer, output.log],
        js=_submit_js(submit_js, inputs, [each.component for each in submitter.form.fields if each.by_script]),
        preprocess=False,
        **QUICK,
    )
    sent.then(None, inputs=[toprow.answer], js=f"(answer) => {{ webui.jobAnswered('{tab}', answer); }}", **QUICK)
    if output.buttons.upscale is not None:
        _wire_upscale(tab, submitter, inputs, toprow=toprow, output=output)
    results = [output.gallery, output.generation_info, output.shown_job, output.answer, output.log]
    fetched = toprow.restore.click(submitter.collect, inputs=[toprow.task_id], outputs=results, js=_first_only(restore_js, 1), **QUICK)
    fetched.then(None, inputs=[output.answer], js=f"(answer) => {{ webui.jobCollected('{tab}', answer); }}", **QUICK)
    asked = toprow.interrupt.click(
        submitter.interrupt, inputs=[toprow.task_id], outputs=[toprow.said], js=f"() => webui.interruptJob('{tab}')", **QUICK
    )
    asked.then(None, inputs=[toprow.said], js="(words) => { webui.interruptAnswered(words); }", **QUICK)
    for button, function in ((toprow.interrupting, submitter.interrupt_now), (toprow.skip, submitter.skip)):
        button.click(function, inputs=[toprow.task_id], outputs=[], js=f"() => [webui.watchedJob('{tab}')]", **QUICK)


def _wire_upscale(tab: str, submitter: Submitter, inputs: Sequence[Component], *, toprow: Any, output: Any) -> None:
    inputs = [*inputs[:2], output.shown_job, output.chosen, *inputs[2:]]
    sent = output.buttons.upscale.click(
        submitter.upscale, inputs=inputs, outputs=[toprow.answer, output.log], js=_first_only("submit_txt2img_upscale", len(inputs)),
        preprocess=False, **QUICK,
    )
    sent.then(None, inputs=[toprow.answer], js=f"(answer) => {{ webui.jobAnswered('{tab}', answer); }}", **QUICK)


def _submit_js(js_function: str, inputs: Sequence[Component], by_script: Sequence[Component]) -> str:
    """As ``_first_only``, with the values that scripts give, which may take an upload."""
    count = len(inputs)
    if not by_script:
        return _first_only(js_function, count)
    places = json.dumps({str(each.elem_id): [place for place, one in enumerate(inputs) if one is each] for each in by_script})     # more than one: a script's control, too
    return f"(...values) => webui.filled(values.slice(0, {count}), {places}).then((values) => {_called(js_function, count)})"


def _first_only(js_function: str, count: int) -> str:
    """``js_function`` looked up when the click comes, so that an extension may replace it; exactly ``count`` values go on."""
    return f"(...values) => {_called(js_function, count)}"


def _called(js_function: str, count: int) -> str:
    return f"webui.callReplaced({js_function!r}, values.slice(0, {count}), {count})"
