"""CUDA's normal random numbers on any machine: Philox 4x32-10 with the Box-Muller transform.

A picture made from NVIDIA noise can then be made again without an NVIDIA card.
Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; counter layout as torch.randn on CUDA.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

_ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)              # golden ratio and sqrt(3) - 1, as 32-bit fractions
_WORD = 0xFFFFFFFF
_UNIT = np.float32(2.0**-32)                       # a 32-bit draw to (0, 1]
_TURN = np.float32(2.0**-32 * 6.2831855)           # a 32-bit draw to (0, 2 pi], with CUDA's float32 value of 2 pi


class Philox:
    """The stream that ``torch.randn(..., device="cuda")`` gives after ``manual_seed(seed)``.

    seed: any integer; its low 64 bits count. Equal to CUDA as long as one call asks for fewer numbers than the card runs threads.
    """

    def __init__(self, seed: int) -> None:
        self._key = (seed & _WORD, (seed >> 32) & _WORD)
        self._calls = 0

    def randn(self, shape: Sequence[int]) -> torch.Tensor:
        """The next float32 tensor of ``shape`` from N(0, 1), on the CPU."""
        count = int(np.prod(shape, dtype=np.int64))
        first, second = _philox(self._calls, count, self._key)
        self._calls += 1
        radius = np.sqrt(-2.0 * np.log(first * _UNIT + _UNIT / 2))
        values = radius * np.sin(second * _TURN + _TURN / 2)
        return torch.from_numpy(values.astype(np.float32)).reshape(tuple(shape))


def _philox(offset: int, count: int, key: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The first two of four output words for each of ``count`` threads; words are kept in uint64."""
    low_word = np.uint64(_WORD)
    shift = np.uint64(32)
    counter = [np.full(count, offset & _WORD, np.uint64), np.zeros(count, np.uint64), np.arange(count, dtype=np.uint64), np.zeros(count, np.uint64)]
    for turn in range(_ROUNDS):
        keys = [np.uint64((word + turn * step) & _WORD) for word, step in zip(key, _KEY_STEPS)]
        product_a = counter[0] * _MULTIPLIERS[0]
        product_b = counter[2] * _MULTIPLIERS[1]
        counter = [
            (product_b >> shift) ^ counter[1] ^ keys[0],
            product_b & low_word,
            (product_a >> shift) ^ counter[3] ^ keys[1],
            product_a & low_word,
        ]
    return counter[0], counter[1]
