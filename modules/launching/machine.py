"""What this machine is, as far as the choice of torch depends on it: system, processor, graphics driver. Nothing is imported for it."""
from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from modules.launching.failure import LaunchError

NVIDIA_SMI_ELSEWHERE = ("/usr/lib/wsl/lib/nvidia-smi", r"C:\Windows\System32\nvidia-smi.exe")  # not on PATH in some WSL and service shells
NVIDIA_KERNEL_MODULE = Path("/proc/driver/nvidia/version")
AMD_COMPUTE_DEVICE = Path("/dev/kfd")


@dataclass(frozen=True, kw_only=True)
class NvidiaGpu:
    """``driver``: e.g. (580, 95). ``capability``: CUDA compute capability such as (8, 9), None when the driver does not say."""

    driver: tuple[int, int]
    capability: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """``system``: "Linux", "Windows", "Darwin" or other. ``arch``: of the running Python, "x86_64", "arm64" or other."""

    system: str
    arch: str
    nvidia: NvidiaGpu | None = None
    has_amd_compute: bool = False
    is_translated: bool = False
    """An x86_64 Python under Rosetta on Apple silicon."""


def this_platform() -> Machine:
    """This machine without its graphics card, which takes a moment to ask for."""
    system, arch = platform.system(), normalised_arch(platform.machine())
    return Machine(system=system, arch=arch, is_translated=system == "Darwin" and arch == "x86_64" and _runs_under_rosetta())


def this_machine() -> Machine:
    """This machine with its graphics card; the driver is asked only where it can exist."""
    machine = this_platform()
    if machine.system == "Darwin":
        return machine
    return replace(machine, nvidia=nvidia_gpu(), has_amd_compute=AMD_COMPUTE_DEVICE.exists())


def normalised_arch(machine: str) -> str:
    return {"amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64"}.get(machine.lower(), machine.lower())


def check_machine(machine: Machine) -> None:
    """LaunchError, before any download, on a machine for which no torch of today exists."""
    if machine.system != "Darwin" or machine.arch != "x86_64":
        return
    if machine.is_translated:
        raise LaunchError(
            "This Mac has Apple silicon, but this Python is built for Intel processors, for which torch no longer exists.",
            "Install Python 3.12 for Apple silicon (the python.org installer, or `brew install python@3.12` in a terminal that does not "
            "run under Rosetta), delete the folder venv, and start again with that Python.",
        )
    raise LaunchError(
        "This Mac has an Intel processor, and torch no longer ships for it: 2.2 was the last version, too old for the models of today.",
        "Nothing was downloaded. Run the web UI on another computer with --listen and open its page from this Mac, or install Linux "
        "or Windows on this machine. With a torch of your own, start with --skip-prepare-environment.",
    )


def nvidia_gpu() -> NvidiaGpu | None:
    """The first NVIDIA card and its driver; None without a working driver."""
    answer = _ask_nvidia_smi() or _ask_kernel_module()
    match = re.search(r"(\d{3,4})\.(\d+)", answer)
    if match is None:
        return None
    capability = re.search(r",\s*(\d+)\.(\d+)", answer)
    return NvidiaGpu(
        driver=(int(match.group(1)), int(match.group(2))),
        capability=(int(capability.group(1)), int(capability.group(2))) if capability else None,
    )


def _ask_nvidia_smi() -> str:
    program = shutil.which("nvidia-smi") or next((path for path in NVIDIA_SMI_ELSEWHERE if os.path.exists(path)), None)
    if program is None:
        return ""
    for fields in ("driver_version,compute_cap", "driver_version"):  # drivers before 510 do not know compute_cap
        answer = _output_of([program, f"--query-gpu={fields}", "--format=csv,noheader"])
        if answer:
            return answer.splitlines()[0]
    return ""


def _ask_kernel_module() -> str:
    try:
        return NVIDIA_KERNEL_MODULE.read_text(encoding="utf-8", errors="replace").splitlines()[0]
    except (OSError, IndexError):
        return ""


def _runs_under_rosetta() -> bool:
    return _output_of(["sysctl", "-n", "sysctl.proc_translated"]).strip() == "1"


def _output_of(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, errors="replace")
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""
