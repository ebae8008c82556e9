"""Matrix products by the library that is the quicker one on this processor: PyTorch's, or NumPy's, by hands that work side by side.

PyTorch's is Intel's, which knows its own processors best. On AMD's, NumPy's OpenBLAS takes a tenth less time, once each of its calls stays in one thread.
"""

from __future__ import annotations

import os
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from modules.compute.hands import Hands, hands, hands_of, shares

VARIABLE = "WEBUI_PRODUCTS"         # of the environment: "numpy", where whoever starts the program saw to what that needs
_FEWEST_MULTIPLICATIONS = 1 << 26   # a millisecond
_MOST_HANDS = 8                     # with two it was measured
_ROWS_AT_ONCE = 256                 # so that the bias is added to what is in the cache


@cache
def by_numpy() -> bool:
    return os.environ.get(VARIABLE) == "numpy"


class Team:
    """Those between whom the parts of a calculation are shared out, and how each multiplies. It has one member where PyTorch's own threads share each product."""

    def __init__(self, hands: Hands, *, numpy: bool) -> None:
        self.count = hands.count
        self.do = hands.do
        self.by_numpy = numpy

    def product(self, left: Tensor, right: Tensor, out: Tensor) -> Tensor:
        """``left @ right``, both of two or both of three dimensions, in ``out``, which is returned."""
        if self.by_numpy:
            np.matmul(left.numpy(), right.numpy(), out=out.numpy())
            return out
        return torch.mm(left, right, out=out) if left.dim() == 2 else torch.bmm(left, right, out=out)

    def add_product(self, left: Tensor, right: Tensor, onto: Tensor, spare: Tensor) -> None:
        """``onto += left @ right``, of three dimensions. spare: memory of the same shape."""
        if self.by_numpy:
            onto += self.product(left, right, spare)
        else:
            onto.baddbmm_(left, right)


def team(multiplications: int) -> Team:
    """For a calculation of so many. A small one is not worth the way to other threads; for many hands no part would be large enough."""
    if by_numpy() and multiplications >= _FEWEST_MULTIPLICATIONS and torch.get_num_threads() <= _MOST_HANDS:
        return Team(hands(), numpy=True)
    return Team(hands_of(1), numpy=False)


def rows_product(rows: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
    """``rows @ matrix + bias``: (M, K), (K, N), (N,) -> (M, N). float32 on the CPU, without gradients."""
    count, wide = len(rows), matrix.shape[1]
    mine = team(rows.numel() * wide)
    if not mine.by_numpy:
        return rows @ matrix if bias is None else torch.addmm(bias, rows, matrix)
    rows, matrix, found = rows.detach(), matrix.detach(), torch.empty(count, wide)

    def fill(top: int, bottom: int, columns: slice) -> None:
        for first in range(top, bottom, _ROWS_AT_ONCE):
            part = slice(first, min(first + _ROWS_AT_ONCE, bottom))
            done = mine.product(rows[part], matrix[:, columns], found[part, columns])
            if bias is not None:
                done += bias[columns]

    if count >= mine.count * _ROWS_AT_ONCE // 2:
        mine.do([partial(fill, first, last, slice(None)) for first, last in shares(count, mine.count)])
    else:
        mine.do([partial(fill, 0, count, slice(first, last)) for first, last in shares(wide, mine.count)])
    return found
