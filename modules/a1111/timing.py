"""A1111's Timer: how long each part of something took."""
from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Timer:
    """records: seconds by category. total: since it was made or reset."""

    def __init__(self, print_log: bool = False) -> None:
        self.print_log = print_log
        self.reset()

    def elapsed(self) -> float:
        """Seconds since the last call."""
        now = time.time()
        found, self.start = now - self.start, now
        return found

    def add_time_to_record(self, category: str, amount: float) -> None:
        self.records[category] = self.records.get(category, 0.0) + amount

    def record(self, category: str, extra_time: float = 0, disable_log: bool = False) -> None:
        seconds = self.elapsed()
        self.add_time_to_record(self.base_category + category, seconds + extra_time)
        self.total += seconds + extra_time

    @contextmanager
    def subcategory(self, name: str) -> Iterator[Timer]:
        before, began = self.base_category, time.time()
        self.base_category = f"{before}{name}/"
        try:
            yield self
        finally:
            self.base_category = before
            self.add_time_to_record(before + name, time.time() - began)

    def summary(self) -> str:
        parts = [f"{name}: {seconds:.1f}s" for name, seconds in self.records.items() if seconds >= 0.1 and "/" not in name]
        return f"{self.total:.1f}s" + (f" ({', '.join(parts)})" if parts else "")

    def dump(self) -> dict[str, Any]:
        return {"total": self.total, "records": self.records}

    def reset(self) -> None:
        self.start = time.time()
        self.records: dict[str, float] = {}
        self.total = 0.0
        self.base_category = ""


TimerSubcategory = Timer.subcategory
