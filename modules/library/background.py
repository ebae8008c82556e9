"""One quiet thread for work that nobody waits for: reading headers, hashing."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


class Background:
    """Runs what it is given, one after the other. The thread starts with the first task and ends with the process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def do(self, task: Callable[[], object]) -> None:
        """Run ``task`` later. What it raises is logged."""
        self._tasks.put(task)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Until everything given so far is done; False when ``timeout`` seconds passed first."""
        done = threading.Event()
        self.do(done.set)
        return done.wait(timeout)

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            try:
                task()
            except Exception:
                log.exception("a task of the %s thread failed", self._name)


class Precedence:
    """Those inside ``with precedence.taken():`` are waited for by whoever calls ``give_way`` between two pieces of work.

    A lock would not do: a thread that takes it again at once leaves no moment to those who wait for it.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        with self._condition:
            self._inside += 1
        try:
            yield
        finally:
            with self._condition:
                self._inside -= 1
                self._condition.notify_all()

    def give_way(self) -> None:
        """Return once nobody is inside."""
        with self._condition:
            self._condition.wait_for(lambda: self._inside == 0)
