"""When memory runs out: what only waits for its next use is let go."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from modules.schema.errors import OutOfMemory

if TYPE_CHECKING:
    from modules.application.app import App
    from modules.loading.components import Components

log = logging.getLogger(__name__)


def loaded_with_room(app: App, load: Callable[[], Components]) -> tuple[Components, str]:
    """The checkpoint that ``load`` loads, and a sentence where other models had to be let go for it. Raises CannotLoad, OutOfMemory."""
    try:
        return load(), ""
    except OutOfMemory as error:
        log.warning("%s It is tried again without the other models.", error.message)
        error.with_traceback(None)
    app.controls.clear()
    app.checkpoints.unload()
    return load(), "Memory ran out while the checkpoint was loaded; the other models were let go, and it was loaded again."


def make_room(app: App) -> None:
    """Keep what draws at the moment, and nothing else."""
    app.controls.clear()
    app.checkpoints.keep_current_only()
