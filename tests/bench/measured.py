"""A line of the speed table."""

from __future__ import annotations

from dataclasses import dataclass

GIGABYTE = 10**9


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One line of the table. value: what the limit is about; cpu, wall: (ours, the other side) in seconds, where there are two."""

    name: str
    value: float
    limit: float
    unit: str
    cpu: tuple[float, ...] = ()
    wall: tuple[float, ...] = ()
    remark: str = ""

    @property
    def holds(self) -> bool:
        return self.value <= self.limit
