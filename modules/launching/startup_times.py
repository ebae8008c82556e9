"""What a start spends its seconds on."""
from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

WORTH_SAYING = 0.05  # seconds


class StartupTimes:
    """Parts in order; ``with times.part("import torch"): ...``."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self._parts: list[tuple[str, float]] = []
        self._total: float | None = None

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._parts.append((name, time.perf_counter() - start))

    def is_over(self) -> None:
        """The start took until now."""
        self._total = time.perf_counter() - self._begin

    def record(self) -> dict[str, object]:
        """Seconds, in the form of A1111's /internal/profile-startup."""
        return {"total": time.perf_counter() - self._begin if self._total is None else self._total, "records": dict(self._parts)}

    def sentence(self) -> str:
        parts = ", ".join(f"{name}: {seconds:.1f}s" for name, seconds in self._parts if seconds >= WORTH_SAYING)
        return f"Startup time: {self.record()['total']:.1f}s ({parts})."
