"""Sums of a few numbers with weights that are learned from past jobs: how long, how much memory. Fitted once for the same jobs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from statistics import median

Sample = tuple[tuple[float, ...], float]        # (features, what was measured)
_ROUNDS = 80
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
    """Asked for with each request and each key that is typed on the page; a fit takes some 2 ms."""
    weights = _fitted(good, usual)
    near = [(each, value) for each, value in good if 1 / _FAR_OFF < value / max(_sum(each, weights), 1e-9) < _FAR_OFF]
    if len(near) < len(good) and len(near) >= 3:
        weights = _fitted(near, usual)
    return weights


def _fitted(samples: Sequence[Sample], usual: Sequence[float]) -> list[float]:
    """Weights >= 0 that make the relative errors small, by coordinate descent; held near the usual proportions."""
    scale = median(value / max(_sum(each, usual), 1e-9) for each, value in samples)
    start = [weight * scale for weight in usual]
    rows = [([number * weight / value for number, weight in zip(each, start)], _FADING ** (len(samples) - 1 - place)) for place, (each, value) in enumerate(samples)]
    places, factors = range(len(start)), [1.0] * len(start)
    wanted = [sum(weight * row[place] for row, weight in rows) for place in places]
    shared = [[sum(weight * row[place] * row[other] for row, weight in rows) for other in places] for place in places]      # what two parts have to do with each other
    for _ in range(_ROUNDS):
        for place in places:
            rest = sum(shared[place][other] * factors[other] for other in places if other != place)
            factors[place] = max(0.0, (_HOLD + wanted[place] - rest) / (_HOLD + shared[place][place]))
    return [weight * factor for weight, factor in zip(start, factors)]


def _sum(features: Sequence[float], weights: Sequence[float]) -> float:
    return sum(number * weight for number, weight in zip(features, weights))
