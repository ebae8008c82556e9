"""Extensions build a ``gr.Blocks`` inside their controls. What is raised in there leaves the page around it open: the next script goes on building."""

from __future__ import annotations

import functools
from typing import Any

from gradio.blocks import Blocks
from gradio.context import set_render_context


def install() -> None:
    """Gradio takes any failed Blocks for the whole page and closes that too. Process-wide; to be called once."""
    leave = Blocks.__exit__

    @functools.wraps(leave)
    def left(self: Blocks, exc_type: type[BaseException] | None = None, *rest: Any) -> None:
        if exc_type is None or self.parent is None:
            leave(self, exc_type, *rest)
        else:
            set_render_context(self.parent)
            self.parent.children.extend(self.children)      # the browser waits for ever for parts that stand nowhere

    Blocks.__exit__ = left  # type: ignore[method-assign]
