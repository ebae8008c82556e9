"""What a person sees while the environment is prepared: one line per step, with its time, and a passing line below it."""
from __future__ import annotations

import io
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

PASSING_INTERVAL = 0.1  # seconds between two redraws of the passing line: quick enough to look alive, slow enough to read


def take_every_letter() -> None:
    """From here on nobody's print fails, an extension's of a prompt above all: what the console's or the log's code page lacks is written out.

    That is so on Windows where the output goes to a file. Under pythonw.exe, which has no console, it goes nowhere.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  for as long as the process lives
        elif isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):       # the second: Windows' own
            stream.reconfigure(errors="backslashreplace")


class Console:
    """Writes lines to ``stream``. On a terminal, ``passing`` shows a line that the next one replaces; elsewhere it is silent."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._passing = ""
        self._last_passing = 0.0

    def line(self, text: str) -> None:
        self._clear()
        self._write(text + "\n")

    def passing(self, text: str) -> None:
        now = time.monotonic()
        if not self._is_terminal or now - self._last_passing < PASSING_INTERVAL:
            return
        width = shutil.get_terminal_size((80, 24)).columns - 1
        self._clear()
        self._passing, self._last_passing = text[:width], now
        self._write(self._passing)

    @contextmanager
    def step(self, text: str) -> Iterator[Step]:
        """One step: ``text`` now, and below it what was done and the seconds it took, once it is over."""
        self.line(text)
        step = Step()
        start = time.monotonic()
        yield step
        self.line(f"  {step.outcome} ({time.monotonic() - start:.1f} s)")

    def _clear(self) -> None:
        if self._passing:
            self._write("\r" + " " * len(self._passing) + "\r")
            self._passing = ""

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:  # a Windows console in an old code page
            self._stream.write(text.encode("ascii", "replace").decode("ascii"))
        self._stream.flush()


class Step:
    """``outcome``: what the step's second line says; the step may replace it."""

    def __init__(self) -> None:
        self.outcome = "done"
