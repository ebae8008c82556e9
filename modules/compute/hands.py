"""Threads for work that is cut into parts beforehand: each computes its part alone, on one core.

PyTorch's own threads share each single operation. Where many small ones follow each other on the same values, that is half as fast: these stay in one core's cache here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import pairwise
from threading import Barrier
from typing import TypeVar

import torch

Task = Callable[[], object]
Result = TypeVar("Result")


def hands() -> Hands:
    """As many as PyTorch has threads here and now; within a hand's task: one."""
    return hands_of(torch.get_num_threads())


class Hands:
    """``count`` threads, which wait without computing."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._threads = _started(count) if count > 1 else None

    def do(self, tasks: Sequence[Task]) -> None:
        """Run ``tasks`` side by side, in PyTorch's mode of the caller, and return when all have ended. Raises what the first failing one raised."""
        if self._threads is None or len(tasks) == 1:
            for task in tasks:
                task()
            return
        running = [self._threads.submit(in_this_mode(task)) for task in tasks]
        wait(running)
        for each in running:
            each.result()

    def alone(self, task: Callable[[], Result]) -> Result:
        """What ``task`` gives, computed on one core."""
        return task() if self._threads is None else self._threads.submit(in_this_mode(task)).result()


def in_this_mode(task: Callable[[], Result]) -> Callable[[], Result]:
    """``task`` for another thread, with PyTorch's mode of this one."""
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def run() -> Result:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return task()

    return run


@cache
def hands_of(count: int) -> Hands:
    return Hands(count)


def _started(count: int) -> ThreadPoolExecutor:
    threads = ThreadPoolExecutor(count, thread_name_prefix="hand", initializer=_compute_alone)
    all_are_there = Barrier(count + 1)
    for _ in range(count):
        threads.submit(all_are_there.wait)
    all_are_there.wait()
    torch.set_num_threads(count)                    # what a thread says about itself holds for those that begin later, too
    return threads


def _compute_alone() -> None:
    torch.get_num_threads()                         # else the first operation would set it anew
    torch.set_num_threads(1)


def shares(count: int, parts: int) -> list[tuple[int, int]]:
    """``range(count)`` in up to ``parts`` pieces of nearly one size, as (first, last + 1)."""
    bounds = [count * each // parts for each in range(parts + 1)]
    return [(first, last) for first, last in pairwise(bounds) if first < last]
