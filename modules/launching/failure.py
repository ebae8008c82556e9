"""The one error of this room: the start cannot go on, and this is what a person can do about it."""
from __future__ import annotations

from modules.schema.errors import WebuiError

CANNOT_SERVE = 3        # what ``webui.main`` answers where the port is taken and the like: no fault of the program


class LaunchError(WebuiError):
    """The environment cannot be prepared. ``details``: the last lines a tool printed, shown indented below the sentence."""

    def __init__(self, message: str, remedy: str = "", *, details: str = "") -> None:
        super().__init__(message, remedy)
        self.details = details
