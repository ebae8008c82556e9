"""What the queue writes down. What its file does not take, locked by a backup or on a full disk, is written after the next thing that it takes."""
from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from modules.jobs.job import Job
from modules.jobs.store import JobStore

log = logging.getLogger(__name__)
_MOST_OWED = 1000


class Ledger:
    """Writes to ``store``, for which no failure stops the work in memory. in_line: ids of the waiting jobs, next one first. Callable from any thread."""

    def __init__(self, store: JobStore, in_line: Callable[[], Sequence[str]]) -> None:
        self._store = store
        self._in_line = in_line
        self._owed: dict[str, tuple[Callable[[Job], None], Job]] = {}

    def add(self, job: Job) -> None:
        """Remember a new job."""
        self._write(self._store.add, job)

    def save(self, job: Job) -> None:
        """Write down how a job stands."""
        self._write(self._store.save, job)

    def change(self, write: Callable[[], None]) -> None:
        """Anything else; it is not tried again."""
        if self._taken(lambda _job: write(), None):
            self.settle()

    def settle(self) -> None:
        """Write what is owed, in the order in which the jobs came."""
        added = False
        for id in list(self._owed):
            write, job = self._owed.pop(id, (None, None))
            if write is None or job is None:
                continue                    # another thread was quicker
            if not self._taken(write, job) and id in self._owed:
                return                      # still locked, or full
            added = added or write == self._store.add
        if added:                           # the store put them behind those that came later
            self._taken(lambda _job: self._store.reorder(self._in_line()), None)

    def _write(self, write: Callable[[Job], None], job: Job) -> None:
        if job.id in self._owed:            # one that was never added is added as it stands by then
            self._owe(self._owed[job.id][0], job)
            return self.settle()
        if self._taken(write, job):
            return self.settle()
        return None

    def _owe(self, write: Callable[[Any], None], job: Job) -> None:
        self._owed[job.id] = write, job.without_result() if job.is_over else job
        while len(self._owed) > _MOST_OWED:
            self._owed.pop(next(iter(self._owed)))

    def _taken(self, write: Callable[[Any], None], job: Job | None) -> bool:
        try:
            write(job)
        except Exception as error:          # a full disk, or what no file can hold, must not stop the work in memory
            passes = isinstance(error, sqlite3.OperationalError | OSError)
            what = f"job {job.id}" if job else "a change of the queue"
            log.error("%s is not written to the queue's file (%s): %s", what, error,
                      "until it can be, it would not survive a restart" if passes and job else "it will not survive a restart")  # fmt: skip
            if passes and job:
                self._owe(write, job)
            return False
        return True
