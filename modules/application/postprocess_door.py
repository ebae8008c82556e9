"""Where extensions' operations join those of the Extras tab. They live a floor up: ``webui.py`` puts their host in here."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from modules.engine.postprocess import Operation

Values = Mapping[str, Mapping[str, Any]]        # an operation's name -> argument -> value


class PostprocessHost(Protocol):
    """Whoever knows such operations."""

    def operations(self, values: Values, complain: Callable[[str], None]) -> list[Operation]:
        """Those that ``values`` has arguments for. complain: told what one of them did wrong."""
        ...


class PostprocessDoor:
    """Empty in a server without extensions."""

    def __init__(self) -> None:
        self.host: PostprocessHost | None = None

    def operations(self, values: Values, complain: Callable[[str], None]) -> list[Operation]:
        return self.host.operations(values, complain) if self.host is not None and values else []
