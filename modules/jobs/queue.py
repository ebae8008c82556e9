"""One worker thread, first come first served. Whatever a job does, the worker lives on to the next one."""
from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from modules.jobs.job import Job, JobState, is_whole
from modules.jobs.ledger import Ledger
from modules.jobs.store import MAX_ATTEMPTS, JobStore
from modules.schema.errors import Busy, FileChanged, InvalidValue, WebuiError

log = logging.getLogger(__name__)
T = TypeVar("T")
Runner = Callable[[Job], tuple[Any, dict[str, Any]]]    # job -> (result kept in memory, summary kept on disk)

MAX_PENDING = 1000
KEEP_RESULTS = 12               # jobs whose pictures stay in memory
KEEP_IN_MEMORY = 200            # jobs that are answered without asking the store
MAX_ID_LENGTH = 200
PAUSED = "paused"               # the store's fact


class QueueFull(Busy):
    """So many jobs wait already that another is refused."""

    status = 429


@dataclass(kw_only=True, eq=False)
class _Call:
    """A function to run on the worker between jobs, and the promise of what it returns."""

    function: Callable[[], Any]
    promise: Future[Any] = field(default_factory=Future)


class JobQueue:
    """The queue and its worker. Nothing runs before ``start()``; ``close()`` lets the running step end."""

    def __init__(self, store: JobStore, runners: MutableMapping[str, Runner], *, max_pending: int = MAX_PENDING) -> None:
        """runners: kind -> function; looked up when a job starts, so the mapping may be filled later."""
        self._store = store
        self._ledger = Ledger(store, lambda: [each.id for each in self.pending()])
        self._runners = runners
        self._max_pending = max_pending
        self._pending: deque[Job] = deque()
        self._calls: deque[_Call] = deque()
        self._recent: OrderedDict[str, Job] = OrderedDict()
        self._running: Job | None = None
        self._change = threading.Condition()
        self._closing = False
        self._paused = False
        self._worker: threading.Thread | None = None
        self.around: Callable[[Job], AbstractContextManager[None]] = lambda job: nullcontext()      # entered while a job is at work
        self._before_start = threading.RLock()      # held by whoever does the worker's work before there is one

    def also_run(self, runners: Mapping[str, Runner]) -> None:
        """More kinds of jobs, from those who stand above the builder of this queue."""
        self._runners.update(runners)

    def start(self) -> None:
        """Take up the jobs that a former server left, and begin to work."""
        with self._before_start, self._change:
            if self._worker is not None:
                return
            for job in self._from_store(self._store.recover) or ():
                self._pending.append(job)
                self._remember(job)
            self._paused = self._from_store(lambda: self._store.fact(PAUSED)) == "yes"
            self._worker = threading.Thread(target=self._work, name="jobs", daemon=True)
            self._worker.start()

    def submit(self, kind: str, payload: Mapping[str, Any], *, id: str | None = None, source: str = "", live: Any = None) -> Job:
        """Put a job in line and return it at once; on the worker thread itself it runs here and now, inside the running job.

        payload must be JSON. Raises InvalidValue (unusable id, or one that is still in line) and Busy (queue full, or closing).
        """
        job = Job(id=id or secrets.token_hex(16), kind=kind, payload=payload, source=source, live=live)
        _check_id(job.id)
        if threading.current_thread() is self._worker:
            return self._run_nested(job)
        with self._change:
            if self._closing:
                raise Busy("The server is shutting down.", "Send the request again when it is back.")
            if len(self._pending) >= self._max_pending:
                raise QueueFull(f"{len(self._pending)} jobs are waiting, and no more fit in the queue.", "Try again when some are done.")
            if (known := self._recent.get(job.id)) is not None and not known.is_over:
                raise InvalidValue(f"The task id {job.id!r} belongs to a job that is not over.", "Use another id.", field="force_task_id")
            self._pending.append(job)
            self._remember(job)
            self._ledger.add(job)
            self._change.notify_all()
        return job

    def call(self, function: Callable[[], T], timeout: float | None = None) -> T:
        """Run ``function`` on the worker thread, after the running job and before the waiting ones, and return what it returns.

        Its exception is raised here. TimeoutError when it did not end within ``timeout`` seconds; then it still runs later.
        Before ``start()`` it runs here and now: an extension may want the model while the server is being built.
        """
        if threading.current_thread() is self._worker:
            return function()
        with self._before_start if self._worker is None else nullcontext():
            if self._worker is None and not self._closing:
                return function()
        return self.call_soon(function).result(timeout)

    def call_soon(self, function: Callable[[], T]) -> Future[T]:
        """``call`` without waiting: the promise of its result. Raises Busy when the server is shutting down."""
        call = _Call(function=function)
        with self._change:
            if self._closing:
                raise Busy("The server is shutting down.")
            self._calls.append(call)
            self._change.notify_all()
        return call.promise

    def wait(self, job: Job, timeout: float | None = None) -> Job:
        """Block until ``job`` is over, or ``timeout`` seconds have passed; returns it either way."""
        job.over.wait(timeout)
        return job

    def running(self) -> Job | None:
        """The job at work, if any."""
        return self._running

    def pending(self) -> tuple[Job, ...]:
        """Jobs in line, next one first."""
        with self._change:
            return tuple(self._pending)

    def position(self, job_id: str) -> int | None:
        """0 for the running job, 1 for the next one and so on; None for one that is not in line."""
        with self._change:
            if self._running is not None and self._running.id == job_id:
                return 0
            return next((place for place, job in enumerate(self._pending, 1) if job.id == job_id), None)

    def find(self, job_id: str) -> Job | None:
        """A job by id: one in line, a recent one with its result, or an older one from the store without."""
        with self._change:
            known = self._recent.get(job_id)
        return known or self._from_store(lambda: self._store.find(job_id))

    def recent(self, count: int) -> list[Job]:
        """The last ``count`` jobs that are over, newest first; also those of former servers."""
        stored = self._from_store(lambda: self._store.finished(count)) or []
        with self._change:
            return [self._recent.get(job.id, job) for job in stored]

    def interrupt(self, job_id: str | None = None) -> bool:
        """Stop a job: the running one at its next step, a waiting one at once. No id: the running one. False when there is none such."""
        with self._change:
            running = self._running
            if running is not None and job_id in (None, running.id):
                running.cancel.interrupt()
                return True
            waiting = next((job for job in self._pending if job.id == job_id), None)
            if waiting is None:
                return False
            self._pending.remove(waiting)
            waiting.cancel.interrupt()
        self._finish(waiting, JobState.INTERRUPTED, error="Taken out of the queue.")
        return True

    def skip(self, job_id: str | None = None) -> bool:
        """Leave the current batch of the running job; False when it does not run."""
        running = self._running
        if running is None or job_id not in (None, running.id):
            return False
        running.cancel.skip()
        return True

    def stop_after_image(self, job_id: str | None = None) -> bool:
        """Let the running job finish its current batch and begin no other; False when it does not run."""
        running = self._running
        if running is None or job_id not in (None, running.id):
            return False
        running.cancel.stop_after_image()
        running.cancel.resume()
        return True

    @property
    def paused(self) -> bool:
        """Whether the running job waits between two steps, and no other is begun."""
        return self._paused

    def pause(self, paused: bool = True) -> None:
        """Hold the running job at its next step and begin no other, or go on; also after a restart."""
        with self._change:
            self._paused = paused
            if self._running is not None:
                self._running.cancel.pause() if paused else self._running.cancel.resume()
            self._change.notify_all()
        self._ledger.change(lambda: self._store.set_fact(PAUSED, "yes" if paused else ""))

    def move(self, job_id: str, place: int) -> bool:
        """Put a waiting job at ``place`` (1: next), the others close up; False when it does not wait."""
        with self._change:
            job = next((each for each in self._pending if each.id == job_id), None)
            if job is None:
                return False
            self._pending.remove(job)
            self._pending.insert(max(0, min(place - 1, len(self._pending))), job)
            ids = [each.id for each in self._pending]
            self._ledger.change(lambda: self._store.reorder(ids))
        return True

    def retry(self, job_id: str) -> Job | None:
        """Put what a finished job was asked in line once more, as a new job; None when nobody knows that job.

        Raises InvalidValue for a job that is not over, or whose input pictures are kept no longer.
        """
        old = self.find(job_id)
        if old is None:
            return None
        if not old.is_over:
            raise InvalidValue(f"Job {job_id[:80]!r} is not over.", "Wait for it, or take it out of the queue.")
        payload = old.payload
        if old.live is not None:
            return self.submit(old.kind, payload, source=old.source, live=old.live)
        if not is_whole(payload):
            stored = self._from_store(lambda: self._store.find(job_id))
            payload = stored.payload if stored is not None else payload
        if not is_whole(payload) or payload.get("lost"):
            raise InvalidValue("The pictures that this job started from are kept no longer.", "Send it again from its tab.")
        return self.submit(old.kind, payload, source=old.source)

    def forget(self, job_id: str) -> bool:
        """Take a finished job out of the history; its files stay. False when there is none such."""
        job = self.find(job_id)
        if job is None or not job.is_over:
            return False
        with self._change:
            self._recent.pop(job_id, None)
        self._ledger.change(lambda: self._store.remove(job_id))
        return True

    def keep(self, job: Job) -> None:
        """Write down how a running job stands, so that its ``summary`` survives a crash."""
        self._ledger.save(job)

    def close(self, timeout: float = 10.0) -> bool:
        """Interrupt the running job, keep the waiting ones for the next start, end the worker, close the store.

        timeout: seconds that are waited for the running step. False where it takes longer: its job counts as interrupted all the same.
        """
        with self._change:
            self._closing = True
            if self._running is not None:
                self._running.cancel.interrupt()
            self._change.notify_all()
        if self._worker is not None and self._worker is not threading.current_thread():
            self._worker.join(timeout)
        if self._worker is not None and self._worker.is_alive():
            if (running := self._running) is not None:
                over = replace(running, _listeners=[])
                over.end(JobState.INTERRUPTED, None)
                self._ledger.save(over)
            return False
        self._ledger.settle()
        self._store.close()
        return True

    # -- the worker ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._change:
                while not (self._closing or self._calls or (self._pending and not self._paused)):
                    self._change.wait()
                if self._closing:
                    calls, self._calls = list(self._calls), deque()
                    break
                call = self._calls.popleft() if self._calls else None
                job = None if call else self._pending.popleft()
                self._running = job
            if call is not None:
                _answer(call)
            elif job is not None:
                self._run(job)
        for call in calls:
            call.promise.set_exception(Busy("The server is shutting down."))

    def _run(self, job: Job) -> None:
        state, failure = self._attempt(job)
        if isinstance(failure, FileChanged) and job.attempts < MAX_ATTEMPTS and not job.cancel.interrupted:
            log.warning("%s The job is begun again with what is there now.", failure.message)
            state, failure = self._attempt(job)
        self._finish(job, state, error=_sentence(failure) if failure else None, failure=failure)

    def _attempt(self, job: Job) -> tuple[JobState, BaseException | None]:
        job.begin()
        job.attempts += 1
        self._ledger.save(job)
        with self.around(job):
            return self._run_kind(job)

    def _run_kind(self, job: Job) -> tuple[JobState, BaseException | None]:
        try:
            runner = self._runners.get(job.kind)
            if runner is None:
                raise InvalidValue(f"Jobs of the kind {job.kind!r} are not known here.", "Switch on the extension that sent it, or bring the newer version of the program that did, and try it again.")
            job.result, job.summary = runner(job)
        except BaseException as error:  # a job may call sys.exit() or run out of memory: the worker must not die of it
            if not isinstance(error, WebuiError):
                log.exception("job %s (%s) failed", job.id, job.kind)
            return JobState.FAILED, error
        return (JobState.INTERRUPTED if job.cancel.interrupted else JobState.DONE), None

    def _run_nested(self, job: Job) -> Job:
        """Inside the running job: shares its progress and its cancel token, and is not in the store."""
        if self._running is not None:
            job.progress, job.cancel = self._running.progress, self._running.cancel
        job.begin()
        state, failure = self._run_kind(job)
        job.end(state, _sentence(failure) if failure else None, failure)
        job.announce()
        return job

    def _finish(self, job: Job, state: JobState, *, error: str | None = None, failure: BaseException | None = None) -> None:
        with self._change:              # at once: nobody sees a job that is neither at work nor over
            job.end(state, error, failure)
            if self._running is job:
                self._running = None
        job.progress.drop_previews()
        self._ledger.save(job)
        with self._change:
            self._remember(job)
            self._forget_old()
        job.announce()

    def _remember(self, job: Job) -> None:
        self._recent[job.id] = job
        self._recent.move_to_end(job.id)

    def _forget_old(self) -> None:
        over = [job for job in self._recent.values() if job.is_over]
        for job in over[-KEEP_IN_MEMORY:-KEEP_RESULTS]:
            if job.result is not None or job.failure is not None:
                self._recent[job.id] = job.without_result()
        for job in over[:-KEEP_IN_MEMORY]:
            del self._recent[job.id]
        if len(over) > KEEP_IN_MEMORY:
            self._ledger.change(self._store.trim)

    def _from_store(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except (sqlite3.Error, OSError) as error:
            if not self._closing:  # closed already for a page that still asks
                log.error("the queue's file cannot be read: %s", error)
            return None


def _answer(call: _Call) -> None:
    try:
        result = call.function()
    except BaseException as error:      # as for jobs: the worker goes on
        if not isinstance(error, WebuiError):
            log.exception("a call on the worker failed")
        call.promise.set_exception(error)
    else:
        call.promise.set_result(result)


def _check_id(job_id: str) -> None:
    if len(job_id) > MAX_ID_LENGTH or not job_id.isprintable():
        raise InvalidValue("A task id is printable text of at most 200 characters.", field="force_task_id")


def _sentence(error: BaseException) -> str:
    """What the job's error says, in text that can be written down: half a character, or an error that cannot say what it is, is no reason for the worker to end."""
    try:
        return _said(error).encode("utf-8", "replace").decode("utf-8")
    except Exception:
        return f"{type(error).__name__}."


def _said(error: BaseException) -> str:
    if isinstance(error, WebuiError):
        return str(error)
    if isinstance(error, MemoryError):
        return "The computer ran out of memory. Choose a smaller size or batch."
    return f"{type(error).__name__}: {error}"[:2000]
