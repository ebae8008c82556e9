"""What every kind of request can do: be made from flat values under the API's names, and be written as such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from modules.schema.check import checked
from modules.schema.param import get, put_all, walk


class FlatRequest:
    """A base without fields for frozen request classes, whose parameters may stand in groups."""

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> Self:
        """A request from values by API name, each checked; left-out and unknown names are passed over.

        Raises InvalidValue (``field``: the API name) for a wrong type, NaN, a number out of range, a text too long.
        """
        return cls().changed(values)

    def changed(self, values: Mapping[str, Any]) -> Self:
        """A copy with the given values, by API name, each checked as in ``from_flat``."""
        new = {entry.path: checked(entry, values[entry.api_name]) for entry in walk(type(self)) if entry.api_name in values}
        request = put_all(self, new)
        request.check_whole()
        return request

    def check_whole(self) -> None:
        """Refuse values that are fine alone but not together. Raises InvalidValue."""

    def to_flat(self) -> dict[str, Any]:
        """Every value by its API name; ``from_flat`` of it gives an equal request."""
        return {entry.api_name: _plain(get(self, entry.path)) for entry in walk(type(self))}

    @classmethod
    def page_defaults(cls) -> Self:
        """The request that the untouched page makes."""
        return put_all(cls(), {entry.path: entry.page_default for entry in walk(cls)})


def _plain(value: Any) -> Any:
    """Lists and dicts of their own, as JSON has them."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    return value
