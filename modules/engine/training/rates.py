"""Learning rates that change with the steps, as A1111 writes them: "0.005:100, 1e-3:1000, 1e-5"."""

from __future__ import annotations

from dataclasses import dataclass

from modules.schema.errors import InvalidValue

_TO_THE_END = -1


@dataclass(frozen=True)
class Rates:
    """spans: (rate, the step before which it ends), in order."""

    spans: tuple[tuple[float, int], ...]

    @classmethod
    def parsed(cls, text: str, steps: int, *, field: str = "learn_rate") -> Rates:
        """Of ``text``, for a training of ``steps``. A rate without a step, or with -1, holds to the end. Raises InvalidValue."""
        spans: list[tuple[float, int]] = []
        for part in (each.strip() for each in text.split(",")):
            if not part:
                continue
            rate, _, until = part.partition(":")
            try:
                last = int(until) if until.strip() else _TO_THE_END
                spans.append((float(rate), steps if last == _TO_THE_END else min(last, steps)))
            except ValueError as error:
                raise _unreadable(text, field) from error
            if last == _TO_THE_END or last >= steps:
                break
        if not spans or not all(0 <= rate < float("inf") for rate, _ in spans):
            raise _unreadable(text, field)
        return cls(tuple(spans))

    def at(self, step: int) -> float | None:
        """The rate of the step after ``step`` others; None behind the last span."""
        return next((rate for rate, until in self.spans if step < until), None)


def _unreadable(text: str, field: str) -> InvalidValue:
    return InvalidValue(f"{field}: {text[:80]!r} is no learning rate.", 'Write a number, or rates with the steps until which they hold: "0.005:100, 1e-3:1000, 1e-5".', field=field)
