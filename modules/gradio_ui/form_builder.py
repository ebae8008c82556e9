"""Builds the left side of a generation tab from ``layout``'s data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from modules.a1111.script_controls import signed
from modules.gradio_ui.components import form_column, form_row, tool_button
from modules.gradio_ui.form import Field, Form, nothing_more
from modules.gradio_ui.layout import Caption, Fold, Item, Line, Part, Stack, Toggle, Tool
from modules.gradio_ui.page_keys import not_kept
from modules.gradio_ui.param_component import Choices, build_component, choices_of
from modules.gradio_ui.ui_config import UiConfig
from modules.schema.table import ParameterTable
from modules.schema.widgets import Dropdown, Radio


@dataclass
class FormBuilder:
    """Makes the components of one tab and remembers them in order.

    setting: a setting's value by key, for what the user shows or hides.
    native_size: what width and height start with where ui-config.json says nothing; None for the table's own.
    parts: what builds the ``Part``s of the layout, by name.
    complete: see ``Form``. tools: the small buttons made, by elem_id; switches: what is seen and is no field; places: what comes and goes with the
    checkpoint.
    """

    table: ParameterTable
    choices: Choices
    ui_config: UiConfig
    setting: Callable[[str], Any]
    native_size: tuple[int, int] | None = None
    parts: Mapping[str, Callable[[FormBuilder], None]] = field(default_factory=dict)
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] = nothing_more
    fields: list[Field] = field(default_factory=list)
    tools: dict[str, gr.Button] = field(default_factory=dict)
    switches: dict[str, Component] = field(default_factory=dict)
    places: dict[str, Block] = field(default_factory=dict)

    def form(self) -> Form:
        return Form(table=self.table, fields=tuple(self.fields), complete=self.complete)

    def parameter(self, name: str, *, guard: int | None = None, **keywords: Any) -> Component:
        """The component of one parameter, inside the current block."""
        entry = self.table.by_api_name(name)
        widget = entry.info.widget
        if name == "sampler_name" and isinstance(widget, Dropdown) and not self.setting("samplers_in_dropdown"):
            widget = Radio(widget.choices)
        known = {"value": self._start_value(name), "choices": choices_of(widget, self.choices) or None}
        known |= {each: getattr(widget, each) for each in ("minimum", "maximum", "step") if hasattr(widget, each)}
        user = self.ui_config.overrides(self.table.tab, entry.label, known | {"accepts": entry.info.accepts[1] if entry.info.accepts else None})
        start = user.pop("value", known["value"])
        component = build_component(
            widget, self.choices, label=entry.label, value=start, elem_id=entry.elem_id(self.table.tab), **keywords, **user
        )
        self.fields.append(Field(name=name, component=component, guard=guard))
        return component

    def own(
        self, name: str, component: Component, *, guard: int | None = None, by_script: bool = False, infotext: str | None = None,
        setting: str | None = None,
    ) -> Component:
        """A field that is no parameter of the table: ``complete`` makes something of it. The keywords are ``Field``'s."""
        if by_script or setting:
            not_kept(component)
        if by_script:
            component.by_script = True  # type: ignore[attr-defined]  # events of extensions that take it ask the script as well
        self.fields.append(Field(name=name, component=component, guard=guard, by_script=by_script, infotext=infotext, setting=setting))
        return component

    @contextmanager
    def own_fold(self, elem_id: str, label: str, *, infotext: str | None = None, box_id: str = "", is_open: bool = False) -> Iterator[int]:
        """A box that opens with its checkbox, which is a field called ``elem_id``; gives the guard for what stands in it.

        The checkbox stands over the rest; CSS hides the rest while it is off, so that all of it is in the page.
        """
        box_id = box_id or f"{elem_id}-checkbox"
        is_open = self.ui_config.is_open(self.table.tab, label, is_open)
        with gr.Column(
            elem_id=elem_id if elem_id != box_id else f"{elem_id}-fold", elem_classes=["gradio-accordion", "input-accordion"], min_width=0
        ):
            checkbox = gr.Checkbox(is_open, label=label, elem_id=box_id, elem_classes=["input-accordion-checkbox", "label-wrap"], interactive=True)
            self.own(elem_id, checkbox, infotext=infotext)
            guard = len(self.fields) - 1
            with gr.Column(elem_id=f"{elem_id}-extra", elem_classes=["input-accordion-extra"], min_width=0):
                yield guard

    def named(self, name: str) -> Component | None:
        """The component of a field, or the checkbox that is none, by name."""
        return next((each.component for each in self.fields if each.name == name), self.switches.get(name))

    def build(self, items: Sequence[Item], guard: int | None = None) -> None:
        """All ``items``, one after the other, inside the current block."""
        for item in items:
            self._build(item, guard)

    def _build(self, item: Item, guard: int | None) -> None:
        match item:
            case str():
                self.parameter(item, guard=guard)
            case Tool():
                self.tools[self._id(item.elem_id)] = tool_button(item.icon, self._id(item.elem_id))
            case Toggle():
                self._toggle(item)
            case Caption():
                gr.HTML(item.words, elem_id=self._id(item.elem_id), elem_classes=["caption"])
            case Line() if "sampler_name" in item.items and not self.setting("samplers_in_dropdown"):
                with form_column(self._id(item.elem_id) if item.elem_id else None):     # as many buttons as samplers want a line of their own
                    self.parameter("sampler_name", guard=guard)
                    with form_row(None):
                        self.build([each for each in item.items if each != "sampler_name"], guard)
            case Line():
                shown = item.shown_by is None or bool(self.setting(item.shown_by))
                with form_row(self._id(item.elem_id) if item.elem_id else None, *item.classes, shown=shown):
                    self.build(item.items, guard)
            case Stack():
                with form_column(self._id(item.elem_id) if item.elem_id else None, *item.classes, scale=item.scale):
                    self.build(item.items, self._place(self._id(item.toggle)) if item.toggle else guard)
            case Fold():
                self._fold(item)
            case Part():
                self.parts[item.name](self)

    def _toggle(self, item: Toggle) -> None:
        classes = ["gradio-checkbox", "toggle"]
        elem_id = self._id(item.elem_id)
        is_on = self.ui_config.is_open(self.table.tab, item.label, False)
        self.own(elem_id, gr.Checkbox(is_on, label=item.label, elem_id=elem_id, elem_classes=classes, interactive=True, min_width=0, scale=0))

    def _place(self, name: str) -> int:
        return next(place for place, each in enumerate(self.fields) if each.name == name)

    def _fold(self, item: Fold) -> None:
        elem_id = self._id(item.elem_id)
        with self.own_fold(elem_id, item.label, is_open=item.is_open) as guard:
            self.fields[guard] = replace(self.fields[guard], name=item.toggle or f"{elem_id}-checkbox")
            self.build(item.items, guard)
        if item.source:
            signed((each.component for each in self.fields[guard:]), item.source)

    def _start_value(self, name: str) -> Any:
        side = name.removeprefix("training_")
        if self.native_size and side in ("width", "height"):
            return self.native_size[0 if side == "width" else 1]
        return self.table.by_api_name(name).page_default

    def _id(self, elem_id: str) -> str:
        return elem_id.replace("{tab}", self.table.tab)
