"""What SIGINT (Ctrl+C), SIGTERM and, on Windows, SIGBREAK (Ctrl+Break) do, from before extensions are read: a handler that one of them installs has this one to go on with."""
from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, *(getattr(signal, name) for name in ("SIGBREAK",) if name in dir(signal)))


class StopSignals:
    """The handler. Until there is a server, which sets ``stop``, it does what Python and the system do."""

    def __init__(self) -> None:
        self.stop: Callable[[int, FrameType | None], None] | None = None

    def install(self) -> None:
        """Only on the main thread."""
        for number in NUMBERS:
            signal.signal(number, self)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.stop is not None:
            self.stop(number, frame)
        elif number == signal.SIGINT:
            signal.default_int_handler(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
