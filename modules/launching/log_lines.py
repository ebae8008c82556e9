"""Log lines that a terminal only shows: what a prompt or a file's name holds beside text is written out, so that it can steer nothing and break nothing."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

# all but tab and end of line; C1 too, which terminals obey like ESC, and marks that turn the direction of a line round
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
MOST = 20_000                       # characters of one record


class LogLines(logging.Formatter):
    """The message, with a traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if len(text) > MOST:
            text = f"{text[:MOST]}... ({len(text) - MOST:,} characters more)"
        return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def is_a_fault(record: logging.LogRecord) -> bool:
    """Not so where an answer was cut short because the server ends: open pages wait for news for ever."""
    cut_short = bool(record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
    return not (cut_short or str(record.msg).startswith("Cancel %s running task(s)"))


class TooManyOpen(logging.Filter):
    """Where no more connections can be opened asyncio tells of each, thousands in a second, with a traceback: one sentence a minute does."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if record.name != "asyncio" or not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            return True
        if record.created < self._next:
            return False
        self._next = record.created + 60
        record.msg, record.args, record.exc_info, record.exc_text = "Too many connections and files are open: new ones wait. Raise the limit with ulimit -n.", (), None, None
        return True


def is_no_farewell(record: logging.LogRecord) -> bool:
    """Not so where a browser closed its connection before us: on Windows asyncio tells of each, with a traceback."""
    said_goodbye = isinstance(record.exc_info[1] if record.exc_info else None, ConnectionError) and "_call_connection_lost" in record.getMessage()
    return record.name != "asyncio" or not said_goodbye


class LineHandler(logging.StreamHandler[Any]):
    """between: entered around each line, so that who draws bars on the same terminal steps aside."""

    between: Callable[[], AbstractContextManager[Any]] = staticmethod(nullcontext)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            with self.between():
                super().emit(record)
        except (OSError, ValueError):       # their terminal takes nothing: as with the line itself, whoever logs hears nothing of it
            self.handleError(record)


def log_to(stream: object, level: str) -> None:
    """The root logger's lines go to ``stream``, which takes every letter."""
    handler = LineHandler(stream)
    handler.setFormatter(LogLines("%(message)s"))
    handler.addFilter(TooManyOpen())
    handler.addFilter(is_no_farewell)
    logging.basicConfig(level=level, handlers=[handler])
