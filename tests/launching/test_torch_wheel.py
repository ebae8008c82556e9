"""Which torch a machine gets, as a table."""
from __future__ import annotations

import pytest

from modules.launching import machine as machine_module
from modules.launching.failure import LaunchError
from modules.launching.machine import Machine, NvidiaGpu, normalised_arch
from modules.launching.torch_wheel import TORCH_VERSION, TorchAttempt, cuda_build, torch_attempts

T = f"torch=={TORCH_VERSION}"
PYTORCH = "https://download.pytorch.org/whl/"
NEW, OLD, ANCIENT = (580, 95), (535, 129), (470, 57)
ADA, PASCAL, BLACKWELL = (8, 9), (6, 1), (12, 0)


def linux(**rest) -> Machine:
    return Machine(system="Linux", arch="x86_64", **rest)


def windows(**rest) -> Machine:
    return Machine(system="Windows", arch="x86_64", **rest)


MAC = Machine(system="Darwin", arch="arm64")


def nvidia(driver: tuple[int, int], capability: tuple[int, int] | None = None) -> NvidiaGpu:
    return NvidiaGpu(driver=driver, capability=capability)


def attempts(machine: Machine, *, wants_cpu: bool = False, wants_xpu: bool = False, **environ: str) -> tuple[TorchAttempt, ...]:
    return torch_attempts(machine, wants_cpu=wants_cpu, wants_xpu=wants_xpu, environ=environ)


def specs(machine: Machine, **rest) -> list[tuple[str, str]]:
    """(what, from which index) of each attempt."""
    found = []
    for attempt in attempts(machine, **rest):
        words = attempt.arguments
        found.append((words[2], words[words.index("--extra-index-url") + 1].removeprefix(PYTORCH) if "--extra-index-url" in words else ""))
    return found


CPU_LADDER = [(f"{T}+cpu", ""), (f"{T}+cpu", "cpu"), (T, "")]


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (linux(), CPU_LADDER),
        (Machine(system="Linux", arch="arm64"), CPU_LADDER),
        (linux(nvidia=nvidia(NEW, ADA)), [(f"{T}+cu130", "cu130"), (T, "")]),
        (linux(nvidia=nvidia(NEW)), [(f"{T}+cu130", "cu130"), (T, "")]),
        (linux(nvidia=nvidia(OLD, ADA)), [(f"{T}+cu126", "cu126"), (T, "")]),
        (linux(nvidia=nvidia(NEW, PASCAL)), [(f"{T}+cu126", "cu126"), (T, "")]),
        (linux(nvidia=nvidia(ANCIENT, PASCAL)), CPU_LADDER),
        (linux(has_amd_compute=True), [(f"{T}+rocm7.2", "rocm7.2"), *CPU_LADDER]),
        (linux(has_amd_compute=True, nvidia=nvidia(NEW, ADA)), [(f"{T}+cu130", "cu130"), (T, "")]),
        (windows(), [(T, ""), (f"{T}+cpu", "cpu")]),
        (windows(nvidia=nvidia(NEW, BLACKWELL)), [(f"{T}+cu130", "cu130"), (T, "")]),
        (MAC, [(T, "")]),
    ],
)
def test_each_machine_gets_its_build(machine: Machine, expected: list[tuple[str, str]]) -> None:
    assert specs(machine) == expected


@pytest.mark.parametrize(
    ("driver", "capability", "build"),
    [
        (NEW, ADA, "cu130"), (NEW, BLACKWELL, "cu130"), (NEW, PASCAL, "cu126"), (NEW, (7, 0), "cu126"), (NEW, (7, 5), "cu130"),
        (OLD, ADA, "cu126"), (OLD, PASCAL, "cu126"), (OLD, None, "cu126"), (OLD, BLACKWELL, ""), (ANCIENT, ADA, ""), (ANCIENT, None, ""),
    ],
)  # fmt: skip
def test_driver_and_card_decide_the_cuda_build(driver: tuple[int, int], capability: tuple[int, int] | None, build: str) -> None:
    assert cuda_build(nvidia(driver, capability)) == build


def test_a_driver_that_is_too_old_is_said_with_what_to_do() -> None:
    reason = attempts(linux(nvidia=nvidia(ANCIENT)))[0].reason
    assert "470.57" in reason
    assert "--reinstall-torch" in reason


def test_without_nvidia_no_cuda_is_asked_for_before_the_cpu_builds_are_exhausted() -> None:
    *cpu, last = attempts(linux())
    assert all("+cpu" in attempt.arguments[2] for attempt in cpu)
    assert not cpu[0].asks_elsewhere
    assert "GB" in last.reason


@pytest.mark.parametrize("flag", ["wants_cpu"])
def test_use_cpu_all_means_the_cpu_build_even_beside_a_card(flag: str) -> None:
    assert specs(linux(nvidia=nvidia(NEW, ADA)), **{flag: True}) == CPU_LADDER


def test_intel_graphics_on_request() -> None:
    assert specs(linux(), wants_xpu=True) == [(f"{T}+xpu", "xpu"), *CPU_LADDER]


@pytest.mark.parametrize("machine", [linux(), windows(), MAC, Machine(system="Darwin", arch="x86_64")])
def test_torch_command_replaces_all_that_we_know(machine: Machine) -> None:
    (attempt,) = attempts(machine, TORCH_COMMAND='pip install "torch==2.12.0" --extra-index-url https://example.org/a b')
    assert attempt.arguments == ("pip", "install", "torch==2.12.0", "--extra-index-url", "https://example.org/a", "b")


def test_torch_index_url_is_asked_besides_the_configured_ones() -> None:
    (attempt,) = attempts(linux(nvidia=nvidia(NEW)), TORCH_INDEX_URL="https://example.org/whl")
    assert attempt.arguments == ("pip", "install", T, "--extra-index-url", "https://example.org/whl")


@pytest.mark.parametrize(("is_translated", "word"), [(False, "Intel processor"), (True, "Apple silicon")])
def test_an_intel_mac_gets_a_sentence_before_any_download(is_translated: bool, word: str) -> None:
    with pytest.raises(LaunchError, match=word) as caught:
        attempts(Machine(system="Darwin", arch="x86_64", is_translated=is_translated))
    assert caught.value.remedy


def test_every_attempt_says_why_in_a_line() -> None:
    for machine in (linux(), windows(), MAC, linux(nvidia=nvidia(NEW)), linux(has_amd_compute=True)):
        for attempt in attempts(machine):
            assert attempt.reason
            assert "\n" not in attempt.reason


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("580.95.05, 8.9", nvidia((580, 95), (8, 9))),
        ("470.57.02", nvidia((470, 57))),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19", nvidia((535, 129))),
        ("", None),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", None),
    ],
)
def test_the_drivers_answer_is_read(monkeypatch: pytest.MonkeyPatch, answer: str, expected: NvidiaGpu | None) -> None:
    monkeypatch.setattr(machine_module, "_ask_nvidia_smi", lambda: answer)
    monkeypatch.setattr(machine_module, "_ask_kernel_module", lambda: "")
    assert machine_module.nvidia_gpu() == expected


@pytest.mark.parametrize(("told", "arch"), [("AMD64", "x86_64"), ("aarch64", "arm64"), ("arm64", "arm64"), ("x86_64", "x86_64")])
def test_processors_have_one_name(told: str, arch: str) -> None:
    assert normalised_arch(told) == arch
