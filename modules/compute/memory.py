"""When memory runs out: how that shows, and how what nobody holds any more is given back."""

from __future__ import annotations

import gc

import torch

_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")     # of CUDA, MPS, XPU and the CPU's allocator


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that a device, or the computer, has no memory left for what was asked."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _WORDS)


def free_memory() -> None:
    """Give back what nobody holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
