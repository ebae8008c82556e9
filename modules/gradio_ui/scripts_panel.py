"""The scripts of a generation tab: always-on ones in their boxes, the Script list, and the chosen script's controls below it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio import processing_utils
from gradio.components import Component

from modules.a1111.script import Script
from modules.a1111.script_arguments import scripting_of
from modules.a1111.script_controls import default_value
from modules.a1111.script_files import is_built_in
from modules.a1111.script_host import ScriptHost
from modules.a1111.script_runner import ScriptRunner
from modules.application.app import App
from modules.gradio_ui.components import form_column, late
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.form_builder import FormBuilder
from modules.schema.errors import InvalidValue

log = logging.getLogger(__name__)
NONE = "None"
LIST_FIELD = "script_list"
_SHOWN = ["script-box"]
_HIDDEN = ["script-box", "unseen"]      # in the page all the same: extensions look for their controls there


@dataclass(frozen=True, kw_only=True)
class ScriptsPanel:
    """runner: whose controls stand on the tab. fields: each control's name in the form, with its place among the arguments.

    inputs, infotext_fields, paste_field_names: the runner's of this page, for it has those of the next one while that is being built.
    """

    runner: ScriptRunner
    fields: Mapping[str, int]
    inputs: Sequence[Any]
    infotext_fields: Sequence[Any]
    paste_field_names: Sequence[str] = ()

    def values(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        """What the tab's fields ask of scripts, by API name. Raises InvalidValue for a value that its control refuses."""
        args = [0, *(default_value(control) for control in self.inputs[1:])]
        titles = self.runner.titles
        chosen = shown.get(LIST_FIELD)
        args[0] = titles.index(chosen) + 1 if chosen in titles else 0
        for name, place in self.fields.items():
            args[place] = received_or_default(self.inputs[place], shown.get(name))
        return scripting_of(self.runner, args)

    @property
    def keys(self) -> frozenset[str]:
        """Those of infotexts that scripts' own fields take."""
        return frozenset(key for _, key, *_ in self.infotext_fields if isinstance(key, str))

    @property
    def carried(self) -> dict[str, Component]:
        """By key of infotexts, the fields that go along as they stand when a picture is sent to another tab."""
        return {key: component for component, key, *_ in self.infotext_fields if isinstance(key, str) and key in self.paste_field_names}

    def pasted(self, infotext: Mapping[str, str]) -> dict[str, Any]:
        """Values by field name for what a picture's text says of scripts."""
        places = {id(self.inputs[place]): name for name, place in self.fields.items()}
        found: dict[str, Any] = {}
        if infotext.get("Script") in self.runner.titles:
            found[LIST_FIELD] = infotext["Script"]
        for component, key, *_ in self.infotext_fields:
            name = places.get(id(component))
            if name is None:
                continue
            try:
                value = key(dict(infotext)) if callable(key) else _typed(component, infotext.get(key))
            except Exception:
                log.exception("a script's field was not pasted")
                continue
            if value is not None:
                found[name] = value
        return found


def nothing_pasted(infotext: Mapping[str, str]) -> dict[str, Any]:
    """The ``pasted`` of a tab without scripts."""
    return {}


def build_scripts_panel(app: App, builder: FormBuilder) -> ScriptsPanel | None:
    """The controls, inside the current block; their values become part of the tab's form. None in a server without scripts."""
    host = app.scripts.host
    if not isinstance(host, ScriptHost):
        return None
    with host.speaking():
        return _panel(host.img2img if builder.table.tab == "img2img" else host.txt2img, builder)


def _panel(runner: ScriptRunner, builder: FormBuilder) -> ScriptsPanel:
    runner.prepare_ui()
    shown = [script for script in runner.scripts if not script.page_has_it]
    for script in (each for each in shown if each.alwayson):
        with form_column(None, "script-box"):
            runner.create_script_ui(script)
    chooser = gr.Dropdown(
        [NONE, *runner.titles], value=NONE, type="index", label="Script", elem_id="script_list", elem_classes=["gradio-dropdown"], interactive=True, min_width=0
    )
    groups = [_group(runner, script) for script in shown if not script.alwayson]
    chooser.init_field = lambda title: _open(groups[runner.titles.index(title)]) if title in runner.titles else None  # type: ignore[attr-defined]
    runner.inputs[0] = chooser
    if groups:
        chooser.change(_shown_groups(runner), inputs=[chooser], outputs=groups, **QUICK)
    builder.own(LIST_FIELD, chooser)
    fields: dict[str, int] = {}
    for place, control in enumerate(runner.inputs[1:], 1):
        name = f"script_argument_{place}"
        _classed(control)
        builder.own(name, control, by_script=getattr(control, "by_script", False))   # a canvas, or what an extension's own script fills
        fields[name] = place
    for script in runner.scripts:
        controls = [builder.named(name.replace("{tab}", builder.table.tab)) for name in script.page_fields]
        if script.page_has_it and None not in controls:
            runner.take_page_controls(script, controls)
    panel = ScriptsPanel(runner=runner, fields=fields, inputs=runner.inputs, infotext_fields=runner.infotext_fields, paste_field_names=runner.paste_field_names)
    before = builder.complete

    def complete(values: Mapping[str, Any]) -> Mapping[str, Any]:
        found, asked = before(values), panel.values(values)
        return {**found, **asked, "alwayson_scripts": {**asked["alwayson_scripts"], **found.get("alwayson_scripts", {})}}

    builder.complete = complete
    return panel


def _group(runner: ScriptRunner, script: Script) -> gr.Column:
    entrance = late() if is_built_in(script.filename) else nullcontext()     # extensions' scripts may look for their controls at once
    with gr.Column(elem_classes=_HIDDEN, min_width=0) as group, entrance:
        runner.create_script_ui(script)
    script.group = group
    return group


def _open(group: gr.Column) -> None:
    group.elem_classes = list(_SHOWN)


def _shown_groups(runner: ScriptRunner) -> Callable[[int | None], Any]:
    def show(chosen: int | None) -> Any:
        updates = [gr.update(elem_classes=_SHOWN if place == chosen else _HIDDEN) for place, _ in enumerate(runner.titles, 1)]
        return updates if len(updates) > 1 else updates[0]

    return show


def _classed(control: Component) -> None:
    """The class by which extensions, and our own scripts, find fields of a kind."""
    own = f"gradio-{control.get_block_name()}"
    if own not in control.elem_classes:
        control.elem_classes = [*control.elem_classes, own]


def received(control: Component, value: Any) -> Any:
    """A value as it came over the wire, made into what the control hands to functions. Raises InvalidValue."""
    try:
        value = processing_utils.move_files_to_cache(value, control, check_in_upload_folder=True)
        model = getattr(control, "data_model", None)
        if model is not None and value is not None:
            value = model.model_validate(value, context={"validate_meta": True})
        if isinstance(control, gr.Dropdown):
            return _chosen(control, value)      # its choices may have changed since the page was built
        return control.preprocess(value)
    except Exception as error:
        label = getattr(control, "label", None) or type(control).__name__
        raise InvalidValue(f"{label} cannot be {str(value)[:80]!r}: {error}", field=control.elem_id or "script_args") from error


def received_or_default(control: Component, value: Any) -> Any:
    """As ``received``; a control that refuses even what its own script made it with, as Gradio 3 did not, gives that, as to a program that sent nothing."""
    try:
        return received(control, value)
    except InvalidValue:
        if _takes_its_own_start(control):
            raise
        return default_value(control)


def _takes_its_own_start(control: Component) -> bool:
    try:
        received(control, getattr(control, "value", None))
    except InvalidValue:
        return False
    return True


def _chosen(control: gr.Dropdown, value: Any) -> Any:
    if control.type != "index":
        return value
    values = [each[1] for each in control.choices]
    places = [values.index(each) for each in (value if isinstance(value, list) else [value]) if each in values]
    return places if isinstance(value, list) else next(iter(places), None)


def _typed(component: Component, text: str | None) -> Any:
    """``text`` in the type of the component's own value; None where the picture says nothing, or nothing that fits."""
    if text is None:
        return None
    kind = type(getattr(component, "value", None))
    try:
        if kind is bool:
            return str(text) not in ("False", "")          # an extension's reader of texts may have put the value itself there
        if kind is int:
            return int(float(text))
        return float(text) if kind is float else text
    except ValueError:
        return None
