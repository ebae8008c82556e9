"""Sums of a few numbers with weights that are learned from past jobs: how long, how much memory. Fitted once for the same jobs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import mul
from statistics import median

Sample = tuple[tuple[float, ...], float]        # (features, what was measured)
_ROUNDS = 80
_SETTLED = 1e-4         # of a weight's usual value, from one round to the next
_HOLD = 0.15            # how firmly the weights keep their usual proportions while there are few samples
_FADING = 0.94          # an older job counts this much less than the one after it
_FAR_OFF = 2.5          # a job that took so many times more or less than the others say is left out: the machine was busy, or a model was read


def expected(features: Sequence[float], samples: Sequence[Sample], usual: Sequence[float]) -> float | None:
    """What ``features`` will come to, by what was measured before; None without any sample.

    samples: the oldest first. usual: the weights' proportions to begin with; only their ratios matter.
    """
    good = [(each, value) for each, value in samples if value > 0 and len(each) == len(usual)]
    if not good:
        return None
    return _sum(features, _weights(tuple(good), tuple(usual)))


@lru_cache(maxsize=64)
def _weights(good: tuple[Sample, ...], usual: tuple[float, ...]) -> list[float]:
    """Asked for with each request and each key that is typed on the page; a fit takes some 0.3 ms."""
    weights = _fitted(good, usual)
    near = [(each, value) for each, value in good if 1 / _FAR_OFF < value / max(_sum(each, weights), 1e-9) < _FAR_OFF]
    if len(near) < len(good) and len(near) >= 3:
        weights = _fitted(near, usual)
    return weights


def _fitted(samples: Sequence[Sample], usual: Sequence[float]) -> list[float]:
    """Weights >= 0 that make the relative errors small, by coordinate descent; held near the usual proportions."""
    scale = median(value / max(_sum(each, usual), 1e-9) for each, value in samples)
    start = [weight * scale for weight in usual]
    fading = [_FADING ** (len(samples) - 1 - place) for place in range(len(samples))]
    columns = [[each[place] * weight / value for each, value in samples] for place, weight in enumerate(start)]
    faded = [list(map(mul, column, fading)) for column in columns]
    wanted, factors = list(map(sum, faded)), [1.0] * len(start)
    shared = [[_sum(one, other) for other in columns] for one in faded]         # what two parts have to do with each other
    for _ in range(_ROUNDS):
        before = tuple(factors)
        for place, row in enumerate(shared):
            rest = _sum(row, factors) - row[place] * factors[place]
            factors[place] = max(0.0, (_HOLD + wanted[place] - rest) / (_HOLD + row[place]))
        if all(abs(each - last) < _SETTLED for each, last in zip(factors, before)):
            break
    return [weight * factor for weight, factor in zip(start, factors)]


def _sum(features: Sequence[float], weights: Sequence[float]) -> float:
    return sum(map(mul, features, weights))
