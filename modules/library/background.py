"""One quiet thread for work that nobody waits for: reading headers, hashing."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

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
