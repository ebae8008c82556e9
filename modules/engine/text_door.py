"""Where somebody else may read the prompts: a reader that stands at a model's first text encoder is asked in the engine's place when it was touched."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from modules.engine.text_encoding import EncodedTexts

if TYPE_CHECKING:
    from modules.loading.components import Components

Own = Callable[[list[str]], EncodedTexts]


class PromptReader(Protocol):
    """is_touched: whether it would read otherwise than the engine does."""

    @property
    def is_touched(self) -> bool: ...

    def read(self, texts: list[str], own: Own, *, negative: bool) -> EncodedTexts:
        """What the model shall be told of ``texts``. own: the engine's way."""
        ...


def stand_reader(components: Components, reader: Any) -> None:
    """From now on ``reader`` is looked at before prompts of this model are read."""
    components.text_encoders[0].built.__dict__["prompt_reader"] = reader


def reader_at(components: Components) -> Any:
    """The PromptReader that stands there, or None."""
    return components.text_encoders[0].built.__dict__.get("prompt_reader") if components.text_encoders else None
