"""The fields of a generation tab and the road from their values to a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradio.components import Component

from modules.schema.request import Request
from modules.schema.table import ParameterTable


@dataclass(frozen=True, kw_only=True)
class Field:
    """A parameter on the page. guard: index in the form of the checkbox that must be on for the value to count."""

    name: str
    component: Component
    guard: int | None = None


@dataclass(frozen=True, kw_only=True)
class Form:
    """All fields of one tab, in the order in which a click hands over their values.

    Names that are no API name of the table ("{tab}_enable-checkbox") guard others and are part of no request.
    """

    table: ParameterTable
    fields: tuple[Field, ...]

    @property
    def components(self) -> list[Component]:
        return [each.component for each in self.fields]

    def component(self, name: str) -> Component:
        """Raises KeyError."""
        return {each.name: each.component for each in self.fields}[name]

    def request(self, values: Sequence[Any], **extra: Any) -> Request:
        """The request that these values make; what has no field is as the untouched page has it.

        extra: more values by API name. Raises InvalidValue, which names the label and the range.
        """
        asked: dict[str, Any] = {}
        api_names = {entry.api_name for entry in self.table}
        for field, value in zip(self.fields, values, strict=True):
            counts = field.guard is None or bool(values[field.guard])
            if field.name in api_names and counts:
                asked[field.name] = value
        return self.table.request_class.page_defaults().changed(asked | extra)
