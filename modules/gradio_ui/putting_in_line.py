"""A click that puts a job in line: what the page is answered, also where it could not be."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

from modules.gradio_ui.messages import message_html
from modules.schema.errors import WebuiError

log = logging.getLogger(__name__)


def put_in_line(
    task_id: str, put: Callable[[], object], *, button: str = "Generate", what: str = "request", foreseen: tuple[type[Exception], ...] = (WebuiError,),
) -> tuple[str, str]:
    """Call ``put``. The answer for the page, {"id", "error"} as JSON, and a message in HTML. foreseen: errors that say by themselves what is wrong."""
    try:
        put()
    except foreseen as error:
        words = str(error)
    except Exception as error:
        log.exception("a click on %s failed", button)
        words = f"The {what} could not be put in line: {type(error).__name__}: {error}"
    else:
        words = ""
    return json.dumps({"id": task_id, "error": words}), message_html(words, "error")
