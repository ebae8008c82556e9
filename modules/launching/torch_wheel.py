"""Which torch this machine gets: a pure function from machine, flags and environment to the pip commands to try, in order."""
from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modules.launching.machine import Machine, NvidiaGpu, check_machine

TORCH_VERSION = "2.13.0"
TORCH_RANGE = ">=2.10,<3"
"""What counts as installed. Below 2.10 a checkpoint file can run code in spite of ``weights_only`` (CVE-2026-24747)."""
PYTORCH_INDEX = "https://download.pytorch.org/whl/"
COMPANIONS = {"torchvision": (0, 15), "torchaudio": (2, 0)}  # package -> the version that came out with torch 2.0; its second number counts up with torch's
GB = 10**9
CPU_DISK, CUDA_DISK, ROCM_DISK = 3 * GB, 9 * GB, 18 * GB  # download, unpacked files and the packages that follow

CUDA_13_DRIVER, CUDA_12_DRIVER = 580, 525  # the oldest drivers that run programs built for CUDA 13.x and 12.x
CUDA_13_CAPABILITY = (7, 5)  # CUDA 13 dropped Maxwell, Pascal and Volta; the cu126 build still has them
CUDA_126_CAPABILITY_END = (10, 0)  # the cu126 build stops before Blackwell


@dataclass(frozen=True, kw_only=True)
class TorchAttempt:
    """One command to try. ``arguments``: what follows ``python -m``. ``reason``: why this build, half a sentence to follow a colon.

    ``build``: how the build is called to the user. ``disk_bytes``: free space it needs in all. ``asks_elsewhere``: it contacts
    an index that the user did not configure, which may be blocked here, so it must give up quickly.
    """

    arguments: tuple[str, ...]
    build: str
    reason: str
    disk_bytes: int
    asks_elsewhere: bool = False


def companion_build(name: str, torch_version: str) -> str:
    """The version of torchvision or torchaudio that fits a torch of one build: for torch 2.13.0+cpu torchvision 0.28.0+cpu.

    "" where any build will do: torch's version names none, or it is one that nobody can count from.
    """
    match = re.fullmatch(r"2\.(\d+)\.(\d+)\+([a-z0-9.]+)", torch_version)
    if match is None:
        return ""
    minor, patch, build = match.groups()
    first, second = COMPANIONS[name]
    return f"{first}.{second + int(minor)}.{patch}+{build}"


def torch_attempts(machine: Machine, *, wants_cpu: bool, wants_xpu: bool, environ: Mapping[str, str]) -> tuple[TorchAttempt, ...]:
    """The commands that may bring torch to ``machine``, best first; the next is tried when one finds no build.

    wants_cpu: ``--use-cpu all``. wants_xpu: ``--use-ipex``. environ: TORCH_COMMAND and TORCH_INDEX_URL as in A1111.
    LaunchError when no torch exists for the machine.
    """
    if environ.get("TORCH_COMMAND"):
        words = tuple(shlex.split(environ["TORCH_COMMAND"]))
        return (TorchAttempt(arguments=words, build="torch", reason="by TORCH_COMMAND", disk_bytes=CPU_DISK),)
    check_machine(machine)
    if environ.get("TORCH_INDEX_URL"):
        index = ("--extra-index-url", environ["TORCH_INDEX_URL"])
        return (_attempt("", "from TORCH_INDEX_URL", CPU_DISK, extra=index),)
    if machine.system == "Darwin":
        return (_attempt("", "Apple silicon, so the build with Metal", CPU_DISK),)
    if wants_xpu:
        return (_from_pytorch("xpu", "--use-ipex was given, so the build for Intel graphics", CUDA_DISK), *_cpu(machine, "no Intel build"))
    if wants_cpu:
        return _cpu(machine, "--use-cpu all was given")
    if machine.nvidia is not None:
        return _nvidia(machine, machine.nvidia)
    if machine.has_amd_compute and machine.system == "Linux":
        return (_from_pytorch("rocm7.2", "an AMD GPU is here, so the ROCm build", ROCM_DISK), *_cpu(machine, "no ROCm build"))
    return _cpu(machine, "no NVIDIA GPU is here")


def _nvidia(machine: Machine, gpu: NvidiaGpu) -> tuple[TorchAttempt, ...]:
    build = cuda_build(gpu)
    driver = f"{gpu.driver[0]}.{gpu.driver[1]:02}"
    if not build:
        return _cpu(
            machine,
            f"the NVIDIA driver {driver} is too old for this card's CUDA build (update it to {CUDA_13_DRIVER} or newer, "
            "then start once with --reinstall-torch)",
        )
    chosen = _from_pytorch(build, f"NVIDIA driver {driver}, so the {build} build", CUDA_DISK)
    if machine.system == "Windows":
        plain_reason = "PyTorch's index did not answer; the configured ones may have the CPU build only"
    else:
        plain_reason = "PyTorch's index did not answer, so the CUDA build of the configured ones"
    return (chosen, _attempt("", plain_reason, CUDA_DISK))


def cuda_build(gpu: NvidiaGpu) -> str:
    """The tag of the CUDA build that driver and card can both run, "" when there is none."""
    if gpu.capability is not None and gpu.capability < CUDA_13_CAPABILITY:
        return "cu126" if gpu.driver[0] >= CUDA_12_DRIVER else ""
    if gpu.driver[0] >= CUDA_13_DRIVER:
        return "cu130"
    is_blackwell = gpu.capability is not None and gpu.capability >= CUDA_126_CAPABILITY_END
    return "cu126" if gpu.driver[0] >= CUDA_12_DRIVER and not is_blackwell else ""


def _cpu(machine: Machine, why: str) -> tuple[TorchAttempt, ...]:
    """The CPU build by its local version first: an index or folder configured here may have it, and nothing else is then asked."""
    elsewhere = _from_pytorch("cpu", "no configured index has the CPU build, so PyTorch's own", CPU_DISK)
    if machine.system == "Windows":
        return (_attempt("", f"{why}, so the CPU build", CPU_DISK), elsewhere)
    last = _attempt("", "only the build with CUDA could be had: about 3 GB to download; it runs on the CPU all the same", CUDA_DISK)
    return (_attempt("cpu", f"{why}, so the CPU build", CPU_DISK), elsewhere, last)


def _from_pytorch(build: str, reason: str, disk_bytes: int) -> TorchAttempt:
    return _attempt(build, reason, disk_bytes, extra=("--extra-index-url", PYTORCH_INDEX + build), asks_elsewhere=True)


def _attempt(build: str, reason: str, disk_bytes: int, *, extra: Sequence[str] = (), asks_elsewhere: bool = False) -> TorchAttempt:
    name = f"torch=={TORCH_VERSION}" + (f"+{build}" if build else "")
    return TorchAttempt(
        arguments=("pip", "install", name, *extra),
        build=name.replace("==", " "),
        reason=reason,
        disk_bytes=disk_bytes,
        asks_elsewhere=asks_elsewhere,
    )
