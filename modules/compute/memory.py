"""When memory runs out: how that shows, and how what nobody holds any more is given back."""

from __future__ import annotations

import ctypes
import gc
import sys
from functools import cache
from pathlib import Path

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
    give_freed_blocks_back()


def give_freed_blocks_back() -> None:
    """To the system, what the process freed and its allocator kept."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> ctypes._FuncPointer | None:
    """glibc keeps freed blocks under its threshold to itself; other systems need no asking."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # musl has none
        return None


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


def spare_bytes(device: torch.device, *, system: Path = Path("/")) -> int:
    """``free_bytes``, for a CPU of the computer's memory, where Linux tells: what programs can still have, within the limit of a container. 0: nobody knows."""
    if device.type != "cpu":
        return free_bytes(device)
    try:
        lines = (system / "proc/meminfo").read_text("ascii").splitlines()
        available = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
    except (OSError, ValueError, IndexError):
        return 0
    try:
        limit, used = ((system / "sys/fs/cgroup" / name).read_text("ascii").strip() for name in ("memory.max", "memory.current"))
        return available if limit == "max" else max(min(available, int(limit) - int(used)), 0)
    except (OSError, ValueError):
        return available


class MemoryPeak:
    """The most memory that was in use since it was made: the device's, or the process' own on a CPU. (0, 0) where nobody tells."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._before = 0
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)
        elif self._device.type == "cpu":
            self._before = _process_bytes("VmRSS") if _forget_process_peak() else 0

    def bytes(self) -> tuple[int, int]:
        """(when it was made, at most since then)."""
        if self._device.type == "cuda":
            return self._before, torch.cuda.max_memory_allocated(self._device)
        return (self._before, _process_bytes("VmHWM")) if self._before else (0, 0)


def _forget_process_peak() -> bool:
    """Whether Linux began to count the process' peak anew; other systems do not offer it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")       # not a file that is kept: the kernel's switch
        return True
    except OSError:
        return False


def _process_bytes(name: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text("ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)
