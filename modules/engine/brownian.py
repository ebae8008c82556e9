"""Noise that is a function of (seed, sigma interval), so that another step count meets the same random path.

Gives the numbers of the Brownian tree that A1111's SDE samplers use: a dyadic bridge, each node seeded by its place in the tree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

RandnFromSeed = Callable[[int, Sequence[int]], Tensor]
"""(seed, shape) -> the first numbers of that seed's stream."""

_DIGITS = 6                 # sigmas are rounded to this many decimals: the tree's smallest interval
_ENTROPY_POOL = 24          # words in numpy's seed mixer; part of what fixes the numbers
_KEPT_POINTS = 4            # a sampler asks for [a, b] and then [b, c]: the path's value at b is reused


class BrownianPath:
    """One Brownian path on [start, end]; ``value(t)`` is W(t) - W(start).

    Sources: Kidger et al. 2021 (arXiv:2105.13493) and Li et al. 2020 (arXiv:2001.01328, virtual Brownian tree).
    """

    def __init__(self, start: float, end: float, shape: Sequence[int], seed: int, randn: RandnFromSeed) -> None:
        self._start, self._end = round(start, _DIGITS), round(end, _DIGITS)
        self._shape, self._seed, self._randn = tuple(shape), seed & (2**64 - 1), randn
        whole = np.random.SeedSequence(entropy=self._seed, pool_size=_ENTROPY_POOL).generate_state(3)[0]
        self._whole = self._draw(whole) * math.sqrt(end - start)
        self._points: dict[float, Tensor] = {}

    def value(self, time: float) -> Tensor:
        """W(time) - W(start); times outside of the path are moved to its nearer end."""
        point = round(min(max(time, self._start), self._end), _DIGITS)
        if point not in self._points:
            while len(self._points) >= _KEPT_POINTS:
                self._points.pop(next(iter(self._points)))
            self._points[point] = self._descend(point)
        return self._points[point]

    def _descend(self, point: float) -> Tensor:
        """Halve the path until ``point`` is an edge, adding up what lies left of it."""
        left_edge, right_edge = self._start, self._end
        increment, before = self._whole, torch.zeros_like(self._whole)
        place, depth = 0, 0
        if point == left_edge:
            return before
        while point < right_edge:
            middle = round(0.5 * (right_edge + left_edge), _DIGITS)
            left_part = self._left_increment(increment, left_edge, middle, right_edge, (place, depth))
            if point < middle:
                right_edge, increment, place = middle, left_part, 2 * place
            else:
                before = before + left_part
                left_edge, increment, place = middle, increment - left_part, 2 * place + 1
                if point == middle:
                    return before
            depth += 1
        return before + increment

    def _left_increment(self, increment: Tensor, left: float, middle: float, right: float, node: tuple[int, int]) -> Tensor:
        """The bridge: what of ``increment`` over [left, right] falls into [left, middle]."""
        seed = np.random.SeedSequence(entropy=self._seed, spawn_key=node, pool_size=_ENTROPY_POOL).generate_state(1)[0]
        share = 1 / (right - left)
        spread = math.sqrt((middle - left) * (right - middle) * share)
        return (middle - left) * increment * share + spread * self._draw(seed)

    def _draw(self, seed: np.uint32) -> Tensor:
        return self._randn(int(seed), self._shape)


class BrownianNoise:
    """Unit-variance noise for the step from one sigma to another: one path per image of the batch."""

    def __init__(self, *, shape: Sequence[int], sigma_min: float, sigma_max: float, seeds: Sequence[int], randn: RandnFromSeed) -> None:
        """shape: (C, h, w) of one image, or the whole batch's when ``seeds`` holds a single one for all."""
        low, high = sorted((sigma_min, sigma_max))
        self._paths = [BrownianPath(low, high, shape, seed, randn) for seed in seeds]

    def __call__(self, sigma: float, sigma_next: float) -> Tensor:
        """(B, C, h, w), standard normal; the same for the same two sigmas."""
        low, high = sorted((sigma, sigma_next))
        steps = torch.stack([path.value(high) - path.value(low) for path in self._paths])
        sign = 1.0 if sigma < sigma_next else -1.0
        return steps * (sign / math.sqrt(abs(sigma_next - sigma)))
