"""How the page's events are declared to Gradio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradio import Button
    from gradio.components import Component

# None of our functions waits for a job, so none stands in Gradio's own queue: a click is one request of some 40 ms.
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private", "trigger_mode": "multiple"}
SLOW: dict[str, Any] = {**QUICK, "show_progress": "minimal", "trigger_mode": "once"}  # asks other servers: seconds


def fill_on_click(button: Button, tab: str, fn: Callable[..., Any], *, inputs: Sequence[Component], outputs: Sequence[Any], js: str = "(...values) => values") -> None:
    """The server fills fields of ``tab``; a click on Generate waits for them (static/early_clicks.js).

    js: a function that gives the values of ``inputs``.
    """
    given = f"(...values) => {{ webui.fillBegins({tab!r}); return ({js})(...values.slice(0, {len(inputs)})); }}"
    filled = button.click(fn, inputs=list(inputs), outputs=list(outputs), js=given, **QUICK)
    filled.then(None, js=f"() => {{ webui.fillEnded({tab!r}); }}", **QUICK)
