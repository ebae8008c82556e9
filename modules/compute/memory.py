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


def free_bytes(device: torch.device) -> int:
    """What can still be put on ``device``; 0 where it has no memory of its own, or does not tell. Looks, and moves nothing."""
    try:
        if device.type == "cuda":
            spare = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)     # PyTorch's own, for its next tensors
            return torch.cuda.mem_get_info(device)[0] + spare
        if device.type == "xpu":
            spare = torch.xpu.memory_reserved(device) - torch.xpu.memory_allocated(device)
            return torch.xpu.mem_get_info(device)[0] + spare
    except (RuntimeError, AssertionError):          # some drivers of Intel's cannot tell
        return 0
    return 0
