"""How the page's events are declared to Gradio."""

from __future__ import annotations

from typing import Any

# None of our functions waits for a job, so none stands in Gradio's own queue: a click is one request of some 40 ms.
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private", "trigger_mode": "multiple"}
SLOW: dict[str, Any] = {**QUICK, "show_progress": "minimal", "trigger_mode": "once"}  # asks other servers: seconds
