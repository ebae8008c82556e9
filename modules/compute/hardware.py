"""What this machine computes on: the first of CUDA (or ROCm), XPU, MPS that works, else the CPU. Probed once, at start."""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """kind: "cuda" (AMD's ROCm too), "xpu", "mps" or "cpu".

    memory_bytes: of the device the models run on; on "mps" and "cpu" that is the machine's own memory.
    reason: one sentence: why this device.
    device_count: how many devices of this kind there are.
    has_xformers, has_flash, has_sage: the packages xformers, flash-attn, sageattention are installed.
    system_version: of macOS, e.g. (14, 5); empty elsewhere.
    bfloat16_speed: how many times as fast as float32 the CPU was measured to compute bfloat16; 0.0 where nobody measured.
    """

    kind: str
    name: str
    memory_bytes: int
    cpu_count: int
    reason: str
    device_count: int = 1
    is_rocm: bool = False
    has_xformers: bool = False
    has_flash: bool = False
    has_sage: bool = False
    system_version: tuple[int, ...] = ()
    bfloat16_speed: float = 0.0


def probe(*, measures_bfloat16: bool = False) -> Hardware:
    """Look at the machine. Never raises: a driver that fails leaves the CPU, and the reason says so.

    measures_bfloat16: find out ``bfloat16_speed``, which takes up to half a second.
    """
    found = _found()
    return replace(found, bfloat16_speed=bfloat16_speed()) if measures_bfloat16 else found


def _found() -> Hardware:
    import torch

    trouble = ""
    for look in (_cuda, _xpu, _mps):
        try:
            found = look()
        except Exception as error:  # a broken driver raises anything
            trouble = trouble or f" ({look.__name__.strip('_')}: {str(error).splitlines()[0][:160] if str(error) else type(error).__name__})"
            continue
        if found is not None:
            return found
    return Hardware(
        kind="cpu",
        name=_cpu_name(),
        memory_bytes=machine_memory(),
        cpu_count=usable_cpus(),
        reason=f"No GPU that this PyTorch ({torch.__version__}) can use was found, so the CPU draws{trouble}.",
    )


def _cuda() -> Hardware | None:
    from torch import cuda, version

    if not cuda.is_available():
        return None
    properties = cuda.get_device_properties(0)
    maker = "ROCm" if version.hip else "CUDA"
    return Hardware(
        kind="cuda",
        name=properties.name,
        memory_bytes=properties.total_memory,
        cpu_count=usable_cpus(),
        reason=f"{properties.name} works with {maker}.",
        device_count=cuda.device_count(),
        is_rocm=bool(version.hip),
        has_xformers=find_spec("xformers") is not None,
        has_flash=find_spec("flash_attn") is not None,
        has_sage=find_spec("sageattention") is not None,
    )


def _xpu() -> Hardware | None:
    from torch import xpu

    if not xpu.is_available():
        return None
    properties = xpu.get_device_properties(0)
    return Hardware(
        kind="xpu",
        name=properties.name,
        memory_bytes=properties.total_memory,
        cpu_count=usable_cpus(),
        reason=f"{properties.name} works with PyTorch's XPU backend.",
        device_count=xpu.device_count(),
    )


def _mps() -> Hardware | None:
    from torch.backends import mps

    if not mps.is_available():
        return None
    return Hardware(
        kind="mps",
        name=_cpu_name(),
        memory_bytes=machine_memory(),
        cpu_count=usable_cpus(),
        reason="This Mac's GPU works with PyTorch's MPS backend.",
        system_version=tuple(int(part) for part in platform.mac_ver()[0].split(".") if part.isdecimal()),
    )


def bfloat16_speed() -> float:
    """How many times as fast this CPU multiplies bfloat16 matrices as float32 ones, of the size of SD 1.x's at 512x512. About 0.05 to 4.

    Measured, because a processor's name does not tell: some emulate the instructions. A slow one is not waited for.
    """
    import torch

    def seconds(rows: int, dtype: torch.dtype) -> float:
        left, right = torch.ones(rows, 640, dtype=dtype), torch.ones(640, 640, dtype=dtype)
        started = time.perf_counter()
        torch.mm(left, right)
        return time.perf_counter() - started

    for rows in (16, 128, 1024):    # the small ones tell at once where bfloat16 is many times slower
        both = [min(seconds(rows, dtype) for _ in range(4)) for dtype in (torch.float32, torch.bfloat16)]
        if both[1] > 3 * both[0]:
            break
    return both[0] / max(both[1], 1e-9)


def usable_cpus() -> int:
    """How many processors this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_memory() -> int:
    """Bytes of the machine's memory; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _windows_memory()


def _windows_memory() -> int:
    if sys.platform != "win32":
        return 0
    import ctypes

    class MemoryStatus(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [(name, ctypes.c_ulonglong) for name in "abcdefg"]

    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.a)  # the first of the seven is the total physical memory


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "CPU"
