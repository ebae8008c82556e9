"""Work that is shared out between threads: done as a whole, in the caller's mode, with the caller's errors; the same numbers as one thread's."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from modules.compute import products
from modules.compute.hands import hands, hands_of, shares
from modules.compute.products import rows_product


@pytest.mark.parametrize("count", [1, 2, 7])
def test_shares_are_everything_once(count: int) -> None:
    for things in (0, 1, 6, 7, 100):
        parts = shares(things, count)
        assert [each for first, last in parts for each in range(first, last)] == list(range(things))
        assert len(parts) == min(things, count)


def test_tasks_run_side_by_side_each_with_one_thread_of_its_own(three_threads: None) -> None:
    meeting, found = threading.Barrier(3), []

    def task() -> None:
        meeting.wait(10)                            # nobody gets past it alone
        found.append((torch.get_num_threads(), hands().count, torch.is_inference_mode_enabled()))

    with torch.inference_mode():
        hands().do([task] * 3)
    assert found == [(1, 1, True)] * 3
    assert torch.get_num_threads() == 3             # the caller's stay
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [3]                             # and so do those of threads that begin afterwards


def test_the_first_error_comes_out_when_all_have_ended(three_threads: None) -> None:
    ended: list[int] = []

    def fail() -> None:
        raise MemoryError("of the first")

    with pytest.raises(MemoryError, match="of the first"):
        hands_of(3).do([fail, lambda: ended.append(1), lambda: ended.append(2)])
    assert sorted(ended) == [1, 2]
    hands_of(3).do([lambda: ended.append(3)] * 2)   # they go on working


@pytest.mark.parametrize(("rows", "inner", "wide"), [(2, 3, 4), (40, 700, 1201), (2100, 320, 64), (1, 5000, 4000)])
def test_products_of_rows_are_the_plain_ones(three_threads: None, monkeypatch: pytest.MonkeyPatch, rows: int, inner: int, wide: int) -> None:
    monkeypatch.setattr(products, "by_numpy", lambda: True)
    monkeypatch.setattr(products, "_FEWEST_MULTIPLICATIONS", 0)
    left, weight, bias = torch.randn(rows, inner), torch.randn(wide, inner), nn.Parameter(torch.randn(wide))
    for matrix in (weight.t(), weight.t().contiguous()):
        for more in (None, bias):
            with torch.no_grad():
                found = rows_product(left, matrix, more)
                wanted = nn.functional.linear(left.double(), weight.double(), None if more is None else more.double())
            assert (found - wanted).norm() < 1e-6 * wanted.norm()
