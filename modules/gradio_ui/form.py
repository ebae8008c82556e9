"""The fields of a generation tab and the road from their values to a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradio.components import Component

from modules.schema.request import Request
from modules.schema.table import ParameterTable


@dataclass(frozen=True, kw_only=True)
class Field:
    """A parameter on the page. guard: index in the form of the checkbox that must be on for the value to count.

    setting: key of the setting that the field's value overrides, for what the tab asks for. by_script: the page's scripts give the value when Generate is clicked (``webui.fillers``, by elem_id).
    infotext: the key under which a field that is no parameter of the table is read from a picture's text.
    """

    name: str
    component: Component
    guard: int | None = None
    by_script: bool = False
    infotext: str | None = None
    setting: str | None = None


def nothing_more(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ``complete`` of a form that holds parameters alone."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Form:
    """All fields of one tab, in the order in which a click hands over their values.

    Names that are no API name of the table ("{tab}_enable-checkbox") guard others, or are made into values by ``complete``:
    it is given all values by field name and returns more of the request's by API name. It may raise WebuiError.
    """

    table: ParameterTable
    fields: tuple[Field, ...]
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] = nothing_more

    @property
    def components(self) -> list[Component]:
        return [each.component for each in self.fields]

    def component(self, name: str) -> Component:
        """Raises KeyError."""
        return {each.name: each.component for each in self.fields}[name]

    def shown(self, values: Sequence[Any]) -> dict[str, Any]:
        """The values that count, by field name: not what stands in a closed fold."""
        counts = (each.guard is None or bool(values[each.guard]) for each in self.fields)
        return {field.name: value for field, value, on in zip(self.fields, values, counts, strict=True) if on}

    def request(self, values: Sequence[Any], **extra: Any) -> Request:
        """The request that these values make; what has no field is as the untouched page has it.

        extra: more values by API name; its ``override_settings`` beat those of fields that are settings. Raises InvalidValue, which names the label and the range.
        """
        shown = self.shown(values)
        api_names = {entry.api_name for entry in self.table}
        asked = {name: value for name, value in shown.items() if name in api_names}
        overrides = {field.setting: shown[field.name] for field in self.fields if field.setting and field.name in shown}
        if overrides:
            extra["override_settings"] = overrides | dict(extra.get("override_settings") or {})
        return self.table.request_class.page_defaults().changed(asked | dict(self.complete(shown)) | extra)
