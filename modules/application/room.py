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
    _let_go_of_spare(app)
    app.checkpoints.unload()
    return load(), "Memory ran out while the checkpoint was loaded; the other models were let go, and it was loaded again."


def make_room(app: App) -> None:
    """Keep what draws at the moment, and nothing else."""
    _let_go_of_spare(app)
    app.checkpoints.keep_current_only()


def _let_go_of_spare(app: App) -> None:
    """Control networks, upscalers, what describes pictures and what extensions keep: each is read again when it is next asked for."""
    app.controls.clear()
    app.upscalers.shelf.unload()
    app.describer.forget()
    for let_go in tuple(app.spare):
        try:
            let_go()
        except Exception:
            log.exception("what an extension keeps loaded was not let go")
