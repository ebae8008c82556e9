"""How a parameter or a setting is shown: plain records, no toolkit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Slider:
    """A number between ``minimum`` and ``maximum`` (both included), moved by ``step``."""

    minimum: float
    maximum: float
    step: float = 1


@dataclass(frozen=True)
class Number:
    """A number typed freely. ``precision``: decimals kept, 0 for whole numbers, None for any. ``step``: what the field's arrows add."""

    precision: int | None = None
    step: float = 1


@dataclass(frozen=True)
class Dropdown:
    """One choice, or several with ``multiple``.

    choices: the texts themselves, or the name of a source that the page resolves when it is built and
    refreshed: "samplers", "schedulers", "upscalers", "checkpoints", "styles" ...
    first: texts put before those of the source ("Use same sampler").
    """

    choices: str | tuple[str, ...]
    multiple: bool = False
    first: tuple[str, ...] = ()


@dataclass(frozen=True)
class Radio:
    """One of a few texts. ``index``: the value is the position in ``choices`` (0 or False first), not the text."""

    choices: str | tuple[str, ...]
    index: bool = False


@dataclass(frozen=True)
class CheckboxGroup:
    """Any of ``choices``; a str names a source, as for Dropdown."""

    choices: str | tuple[str, ...]


@dataclass(frozen=True)
class Checkbox:
    """Yes or no."""


@dataclass(frozen=True)
class TextArea:
    """Text. ``lines``: rows shown at first; 1 is a single-line box."""

    lines: int = 1
    placeholder: str = ""


@dataclass(frozen=True)
class ColorPicker:
    """A colour as "#rrggbb"."""


@dataclass(frozen=True)
class ImageInput:
    """A picture."""


@dataclass(frozen=True)
class Hidden:
    """Reached by the API only, or shown by something of its own."""


Widget = Slider | Number | Dropdown | Radio | CheckboxGroup | Checkbox | TextArea | ColorPicker | ImageInput | Hidden
