"""The quantile function of the Beta distribution, for the Beta schedule; scipy is not needed to run."""

from __future__ import annotations

import math

_TINY = 1e-300
_HALVINGS = 200


def beta_quantile(probability: float, alpha: float, beta: float) -> float:
    """The x in 0 .. 1 below which a Beta(alpha, beta) variable falls with ``probability``; by bisection to double precision."""
    if probability <= 0.0:
        return 0.0
    if probability >= 1.0:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if beta_cumulative(middle, alpha, beta) < probability:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def beta_cumulative(x: float, alpha: float, beta: float) -> float:
    """The regularised incomplete beta function I_x(alpha, beta)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (alpha + 1) / (alpha + beta + 2):       # the fraction converges fast on the other side only
        return 1.0 - beta_cumulative(1.0 - x, beta, alpha)
    log_front = alpha * math.log(x) + beta * math.log1p(-x) - math.log(alpha)
    log_front -= math.lgamma(alpha) + math.lgamma(beta) - math.lgamma(alpha + beta)
    return math.exp(log_front) * _continued_fraction(x, alpha, beta)


def _continued_fraction(x: float, alpha: float, beta: float) -> float:
    """Lentz's method on the fraction of Abramowitz & Stegun 26.5.8."""
    c, d = 1.0, 1.0 - (alpha + beta) * x / (alpha + 1)
    d = 1.0 / (d or _TINY)
    value = d
    for m in range(1, 1000):
        for term in (
            m * (beta - m) * x / ((alpha + 2 * m - 1) * (alpha + 2 * m)),
            -(alpha + m) * (alpha + beta + m) * x / ((alpha + 2 * m) * (alpha + 2 * m + 1)),
        ):
            d = 1.0 / ((1.0 + term * d) or _TINY)
            c = (1.0 + term / c) or _TINY
            value *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return value
