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
_FEWEST_PRODUCTS = 1 << 24          # a fifth of a millisecond: less is not worth the way to another thread
_ROWS_AT_ONCE = 256                 # so that the bias is added to what is in the cache


@cache
def by_numpy() -> bool:
    return os.environ.get(VARIABLE) == "numpy"


def team() -> Hands:
    """Those between whom what follows may be shared out; one alone where PyTorch's own threads share each product."""
    return hands() if by_numpy() else hands_of(1)


def product(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """``left @ right``, both of two or both of three dimensions, in ``out``, which is returned."""
    if by_numpy():
        np.matmul(left.numpy(), right.numpy(), out=out.numpy())
        return out
    return torch.mm(left, right, out=out) if left.dim() == 2 else torch.bmm(left, right, out=out)


def add_product(left: Tensor, right: Tensor, onto: Tensor, spare: Tensor) -> None:
    """``onto += left @ right``, of three dimensions. spare: memory of the same shape."""
    if by_numpy():
        onto += product(left, right, spare)
    else:
        onto.baddbmm_(left, right)


def rows_product(rows: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
    """``rows @ matrix + bias``: (M, K), (K, N), (N,) -> (M, N). float32 on the CPU, without gradients."""
    count, wide = len(rows), matrix.shape[1]
    if not by_numpy() or rows.numel() * wide < _FEWEST_PRODUCTS:
        return rows @ matrix if bias is None else torch.addmm(bias, rows, matrix)
    rows, matrix, found, mine = rows.detach(), matrix.detach(), torch.empty(count, wide), team()

    def fill(top: int, bottom: int, columns: slice) -> None:
        for first in range(top, bottom, _ROWS_AT_ONCE):
            part = slice(first, min(first + _ROWS_AT_ONCE, bottom))
            done = product(rows[part], matrix[:, columns], found[part, columns])
            if bias is not None:
                done += bias[columns]

    if count >= mine.count * _ROWS_AT_ONCE // 2:
        mine.do([partial(fill, first, last, slice(None)) for first, last in shares(count, mine.count)])
    else:
        mine.do([partial(fill, 0, count, slice(first, last)) for first, last in shares(wide, mine.count)])
    return found
