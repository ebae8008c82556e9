"""One piece of work: what was asked, how far it is, how it ended."""
from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from modules.jobs.progress import Progress

log = logging.getLogger(__name__)


class JobState(StrEnum):
    """Where a job stands. The last four are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    SET_ASIDE = "set_aside"             # it brought the server down twice


LONG_TEXT = 20_000                  # characters; longer texts of a finished job are pictures in base64
NOT_KEPT = "(not kept)"             # what stands in their place
FINAL = frozenset({JobState.DONE, JobState.FAILED, JobState.INTERRUPTED, JobState.SET_ASIDE})


class CancelToken:
    """How others ask the worker to stop, or to wait. The worker looks between steps."""

    def __init__(self) -> None:
        self._interrupted = threading.Event()
        self._skipped = threading.Event()
        self._stopping = threading.Event()
        self._going = threading.Event()
        self._going.set()

    def interrupt(self) -> None:
        """Stop at the next step; what is finished is kept. A paused job stops as well."""
        self._interrupted.set()
        self._going.set()

    def skip(self) -> None:
        """Leave the current batch at the next step, go on with the next one."""
        self._skipped.set()

    def pause(self) -> None:
        """Wait at the next step until ``resume`` or ``interrupt``."""
        if not self._interrupted.is_set():
            self._going.clear()

    def resume(self) -> None:
        """Go on where ``pause`` held."""
        self._going.set()

    def hold(self) -> None:
        """On the worker, between two steps: returns at once, or when a pause is over."""
        self._going.wait()

    def stop_after_image(self) -> None:
        """Finish the current batch, then stop."""
        self._stopping.set()

    def clear_skip(self) -> None:
        """The next batch begins: a skip was for the one before."""
        self._skipped.clear()

    @property
    def interrupted(self) -> bool:
        return self._interrupted.is_set()

    @property
    def paused(self) -> bool:
        return not self._going.is_set()

    @property
    def skipped(self) -> bool:
        return self._skipped.is_set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()


@dataclass(kw_only=True, eq=False)
class Job:
    """A job as everyone shares it. Written by the queue and its worker only; ``cancel`` is for everyone.

    payload: what was asked, as JSON. live: the same as objects of this process, where it was handed over; None after a restart. result: what the runner made, in memory while it is remembered.
    summary: what is worth keeping of it, as JSON; a runner may set it while it works, so that a crash keeps it.
    before: of a job that is a part of another: what stands in that one's summary already.
    failure: the exception behind ``error``, in this process only. attempts: how many times it was begun.
    """

    id: str
    kind: str
    payload: Mapping[str, Any]
    source: str = ""
    live: Any = None
    created: float = field(default_factory=time.time)
    started: float | None = None
    finished: float | None = None
    state: JobState = JobState.QUEUED
    attempts: int = 0
    summary: dict[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    result: Any = None
    failure: BaseException | None = None
    progress: Progress = field(default_factory=Progress)
    cancel: CancelToken = field(default_factory=CancelToken)
    over: threading.Event = field(default_factory=threading.Event)
    _listeners: list[Callable[[], None]] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _began: float = field(default=0.0, repr=False)

    def begin(self) -> None:
        """It is at work from now on."""
        self.state, self.started, self._began = JobState.RUNNING, time.time(), time.monotonic()

    def end(self, state: JobState, error: str | None, failure: BaseException | None = None) -> None:
        """It is over. How long it took is what ``finished - started`` says also where the computer's clock was set meanwhile."""
        self.state, self.finished, self.error, self.failure = state, time.time(), error, failure
        if self.started is not None:
            self.started = self.finished - (time.monotonic() - self._began)

    @property
    def is_over(self) -> bool:
        return self.state in FINAL

    def when_over(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` once when the job is over, on the worker's thread; at once, on this one, if it already is."""
        with self._lock:
            if not self.over.is_set():
                self._listeners.append(listener)
                return
        listener()

    def without_result(self) -> Job:
        """What is remembered of a job that was long ago. Whoever still holds the job itself keeps its result."""
        return replace(self, payload=without_pictures(self.payload), live=None, result=None, failure=None, progress=Progress(), _listeners=[])

    def announce(self) -> None:
        """The queue's last word on a job: it is over, and what is to be known of it can be read."""
        with self._lock:
            self.over.set()
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            try:
                listener()
            except Exception:
                log.exception("what waited for job %s failed", self.id)


def without_pictures(value: Any) -> Any:
    """A payload with its long texts replaced by NOT_KEPT: what is worth keeping of a request that was carried out."""
    if isinstance(value, str):
        return value if len(value) <= LONG_TEXT else NOT_KEPT
    if isinstance(value, Mapping):
        return {key: without_pictures(each) for key, each in value.items()}
    return [without_pictures(each) for each in value] if isinstance(value, list | tuple) else value


def is_whole(value: Any) -> bool:
    """Whether nothing of a payload was dropped by ``without_pictures``."""
    if isinstance(value, Mapping):
        return all(is_whole(each) for each in value.values())
    if isinstance(value, list | tuple):
        return all(is_whole(each) for each in value)
    return value != NOT_KEPT
