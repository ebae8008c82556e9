"""What stands inside of what, where Gradio 6 would break the page: a ``gr.Blocks`` inside of extensions' controls, and ``gr.Tabs`` that hold more than tabs, or none."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import gradio as gr
from gradio.blocks import Blocks
from gradio.context import set_render_context


def install() -> None:
    """Process-wide; to be called once."""
    _put_tabs_first()
    _leave_the_page_open()


def _leave_the_page_open() -> None:
    """Gradio takes any failed Blocks for the whole page and closes that too: the next script goes on building."""
    leave = Blocks.__exit__

    @functools.wraps(leave)
    def left(self: Blocks, exc_type: type[BaseException] | None = None, *rest: Any) -> None:
        if exc_type is None or self.parent is None:
            leave(self, exc_type, *rest)
        else:
            set_render_context(self.parent)
            self.parent.children.extend(self.children)      # the browser waits for ever for parts that stand nowhere

    Blocks.__exit__ = left


def _put_tabs_first() -> None:
    """Gradio 6 counts a tab's place among all that stands in its gr.Tabs, and then mistakes one tab for another: what is no tab comes behind them."""
    original = gr.Tabs.__exit__

    @functools.wraps(original)
    def closed(self: Any, *arguments: Any) -> Any:
        answer = original(self, *arguments)
        self.children = sorted(self.children, key=lambda each: not isinstance(each, gr.Tab))
        if not any(isinstance(each, gr.Tab) for each in self.children):
            _become_column(self)
        return answer

    gr.Tabs.__exit__ = closed  # type: ignore[method-assign]


def _become_column(tabs: Any) -> None:
    """``gr.Tabs`` without a tab: Gradio 3 showed what is inside, Gradio 6 stops showing the page."""
    tabs.__class__ = gr.Column
    for name, each in inspect.signature(gr.Column.__init__).parameters.items():
        if not hasattr(tabs, name) and each.default is not inspect.Parameter.empty:
            setattr(tabs, name, each.default)
