"""How far a job is, on the console: A1111's bars where somebody looks at a terminal, a line per job where a file is written."""
from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from modules.application.extras import KIND as EXTRAS
from modules.application.upscalers import Settings
from modules.jobs.job import Job
from modules.jobs.progress import ProgressSnapshot
from modules.launching.log_lines import LineHandler

log = logging.getLogger(__name__)


class _Terminal:
    """``stream``, but every write succeeds: what a terminal that is full or closed does not take is lost. tqdm would keep its lock for ever
    where one fails, and whoever writes a line into the log waits for that lock."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __eq__(self, other: object) -> bool:
        return self._stream is (other._stream if isinstance(other, _Terminal) else other)

    def __hash__(self) -> int:
        return hash(self._stream)


class ConsoleBars:
    """Of one server. stream: where the bars are drawn; None for the process's errors, as they are when a job begins."""

    def __init__(self, settings: Settings, stream: TextIO | None = None) -> None:
        self._settings, self._stream = settings, stream

    @contextmanager
    def around(self, job: Job) -> Iterator[None]:
        """While ``job`` is at work. What cannot be drawn stops nothing."""
        stream = self._stream or sys.stderr
        if job.kind == EXTRAS and not self._settings.get("enable_upscale_progressbar"):
            yield
            return
        watch: _Bars | _Count = _Count()
        with suppress(OSError, ValueError):         # closed
            if stream is not None and stream.isatty():
                watch = _Bars(_Terminal(stream), shows_total=self._settings.get("multiple_tqdm"))
        job.progress.heard = watch.moved
        try:
            yield
        finally:
            job.progress.heard = None
            watch.close(job)


class _Bars:
    """One bar for each batch, and one for the whole job below it where it has several."""

    def __init__(self, stream: _Terminal, *, shows_total: bool) -> None:
        from tqdm import tqdm

        self._make, self._stream, self._shows_total = tqdm, stream, shows_total
        self._batch, self._done = (-1, 0), 0      # done: steps of the batches before, which may have had others, or been skipped
        self._bar: Any = None
        self._total: Any = None
        for handler in logging.getLogger().handlers:
            if isinstance(handler, LineHandler):
                handler.between = tqdm.external_write_mode

    def moved(self, now: ProgressSnapshot) -> None:
        if now.steps <= 0:
            return
        if (now.batch, now.steps) != self._batch:
            self._done += 0 if self._bar is None or now.batch == self._batch[0] else self._bar.n
            self._batch = now.batch, now.steps
            self._end(self._bar)
            self._bar = self._make(total=now.steps, file=self._stream, dynamic_ncols=True)
        self._bar.update(now.step - self._bar.n)
        if self._shows_total and now.batches > 1:
            if self._total is None:
                self._total = self._make(desc="Total progress", file=self._stream, dynamic_ncols=True, position=1)
            self._total.total = self._done + (now.batches - now.batch) * now.steps
            self._total.update(self._done + now.step - self._total.n)

    def close(self, job: Job) -> None:
        self._end(self._bar)
        self._end(self._total)

    @staticmethod
    def _end(bar: Any) -> None:
        if bar is not None:
            bar.close()


class _Count:
    """The steps of a job, told when it is over."""

    def __init__(self) -> None:
        self._done = self._batch = self._step = 0

    def moved(self, now: ProgressSnapshot) -> None:
        if now.batch != self._batch:
            self._done, self._batch, self._step = self._done + self._step, now.batch, 0
        self._step = max(self._step, now.step)

    def close(self, job: Job) -> None:
        steps, seconds = self._done + self._step, job.progress.snapshot().elapsed_seconds
        if steps and seconds > 0:
            log.info("%s: %d steps in %.1f s, %.2f it/s", job.kind, steps, seconds, steps / seconds)
