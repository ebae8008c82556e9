"""A1111's ``call_queue``, ``fifo_lock`` and ``progress``: extensions' own work, done where and when models may be used."""
from __future__ import annotations

import functools
import html
import logging
import random
import string
import threading
import time
from collections.abc import Callable
from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.foreign_jobs import carried_out
from modules.a1111.state import state
from modules.a1111.stubs import UNKNOWN
from modules.schema.errors import WebuiError

log = logging.getLogger(__name__)


class FIFOLock:
    """A lock that the same thread may take again."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def acquire(self, blocking: bool = True) -> bool:
        return self._lock.acquire(blocking=blocking)

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: Any) -> None:
        self.release()


queue_lock = FIFOLock()


def wrap_queued_call(func: Callable[..., Any]) -> Callable[..., Any]:
    """``func`` run on the worker, between jobs: nothing else uses models meanwhile."""

    @functools.wraps(func)
    def call(*arguments: Any, **keywords: Any) -> Any:
        return current().jobs.call(lambda: func(*arguments, **keywords))

    return call


def wrap_gradio_gpu_call(func: Callable[..., Any], extra_outputs: list[Any] | None = None) -> Callable[..., Any]:
    """For a button of an extension: ``func`` runs as a job, under the page's task id where that is its first argument. A failure is shown, not raised."""

    @functools.wraps(func)
    def call(*arguments: Any, **keywords: Any) -> Any:
        first = arguments[0] if arguments else None
        task = first if isinstance(first, str) and first.startswith("task(") else None

        def work() -> Any:
            state.begin(task or "extension")
            try:
                return func(*arguments, **keywords)
            finally:
                state.end()

        return carried_out(work, title=getattr(func, "__name__", "extension"), task_id=task)

    return wrap_gradio_call(call, extra_outputs=extra_outputs, add_stats=True)


def wrap_gradio_call(func: Callable[..., Any], extra_outputs: list[Any] | None = None, add_stats: bool = False) -> Callable[..., Any]:
    """A failure becomes ``extra_outputs`` and a sentence in the last output. add_stats: the time taken, behind the last output."""

    @functools.wraps(func)
    def call(*arguments: Any, **keywords: Any) -> Any:
        began = time.perf_counter()
        try:
            result = list(func(*arguments, **keywords))
        except Exception as error:
            if not isinstance(error, WebuiError):
                log.exception("an extension's button failed")
            outputs = [None, ""] if extra_outputs is None else list(extra_outputs)
            result = [*outputs, f"<div class='error'>{html.escape(f'{type(error).__name__}: {error}')}</div>"]
        if add_stats and result and isinstance(result[-1], str):
            result[-1] += f"<div class='performance'><p class='time'>Time taken: <wbr><span class='measurement'>{time.perf_counter() - began:.1f} sec.</span></p></div>"
        return tuple(result)

    return call


def wrap_gradio_call_no_job(func: Callable[..., Any], extra_outputs: list[Any] | None = None, add_stats: bool = False) -> Callable[..., Any]:
    return wrap_gradio_call(func, extra_outputs, add_stats)


# -- progress -------------------------------------------------------------------------------------------------------------


def create_task_id(task_type: str) -> str:
    letters = "".join(random.choices(string.ascii_letters + string.digits, k=7))
    return f"task({task_type}-{letters})"


def start_task(id_task: str) -> None:
    state.begin(id_task)


def finish_task(id_task: str) -> None:
    state.end()


def add_task_to_queue(id_job: str) -> None:
    """Jobs stand in the server's own queue."""


def record_results(id_task: str | None, res: Any) -> None:
    """Results of jobs are kept by the server."""


def restore_progress(id_task: str) -> Any:
    return None


def last_task_id() -> str | None:
    job = current().jobs.running()
    return job.id if job else None


def progress_value(name: str) -> Any:
    if name == "current_task":
        return last_task_id()
    if name == "pending_tasks":
        return {job.id: job.created for job in current().jobs.pending()}
    if name == "finished_tasks":
        return []
    return UNKNOWN
