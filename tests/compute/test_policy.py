"""Every memory, precision, attention and device flag on every kind of machine: what is chosen, and that it is explained."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re

import pytest

from modules.compute.flag_lines import SENTENCES
from modules.compute.hardware import Hardware, probe
from modules.compute.policy import Attention, ComputePolicy, ModelBytes, Residency, policy_by_settings, policy_from_flags
from modules.families.flux import FLUX_DEV
from modules.families.sd15 import SD1
from modules.families.sdxl import SDXL
from modules.schema.flags import Flags, ParsedFlags, parse_flags

CUDA = Hardware(kind="cuda", name="NVIDIA GeForce RTX 3060", memory_bytes=12 * 2**30, cpu_count=8, reason="CUDA works.", has_xformers=True, has_flash=True, has_sage=True)
TWO = dataclasses.replace(CUDA, device_count=2)
SMALL = dataclasses.replace(CUDA, name="NVIDIA GeForce GTX 1050", memory_bytes=2 * 2**30, has_xformers=False, has_flash=False, has_sage=False)
GTX16 = dataclasses.replace(CUDA, name="NVIDIA GeForce GTX 1660 Ti", memory_bytes=6 * 2**30)
ROCM = dataclasses.replace(CUDA, name="AMD Radeon RX 6800", is_rocm=True, has_xformers=False, has_flash=False, has_sage=False)
XPU = Hardware(kind="xpu", name="Intel Arc A770", memory_bytes=16 * 2**30, cpu_count=8, reason="XPU works.")
MPS = Hardware(kind="mps", name="Apple M2", memory_bytes=16 * 2**30, cpu_count=8, reason="MPS works.")
NEW_MPS = dataclasses.replace(MPS, system_version=(15, 1))
CPU = Hardware(kind="cpu", name="AMD EPYC", memory_bytes=24 * 2**30, cpu_count=2, reason="No GPU.")
AMX = dataclasses.replace(CPU, name="Intel Xeon", bfloat16_speed=2.5)
MACHINES = {"cuda": CUDA, "two": TWO, "small": SMALL, "gtx16": GTX16, "rocm": ROCM, "xpu": XPU, "mps": MPS, "mps15": NEW_MPS, "cpu": CPU, "amx": AMX}

FLAGS = (
    "--medvram", "--medvram-sdxl", "--lowvram", "--lowram", "--always-batch-cond-uncond", "--no-half", "--no-half-vae",
    "--precision full", "--precision half", "--precision autocast", "--upcast-sampling", "--xformers", "--force-enable-xformers",
    "--xformers-flash-attention", "--opt-split-attention", "--opt-sub-quad-attention", "--sub-quad-q-chunk-size 512",
    "--sub-quad-kv-chunk-size 512", "--sub-quad-chunk-threshold 50", "--opt-split-attention-invokeai", "--opt-split-attention-v1",
    "--opt-sdp-attention", "--opt-sdp-no-mem-attention", "--disable-opt-split-attention", "--disable-nan-check", "--use-cpu all",
    "--use-cpu sd", "--use-cpu esrgan gfpgan", "--use-ipex", "--device-id 0", "--device-id 1", "--device-id 9", "--device-id x",
    "--skip-torch-cuda-test", "--opt-channelslast", "--disable-model-loading-ram-optimization", "--unload-gfpgan", "--reinstall-xformers",
    "--use-sage-attention", "--use-flash-attention",
)  # fmt: skip


@functools.cache
def parsed(text: str = "") -> ParsedFlags:
    found = parse_flags(text.split(), {})
    assert not found.unknown
    return found


def policy(text: str, machine: Hardware) -> ComputePolicy:
    return policy_from_flags(parsed(text).flags, machine, parsed(text).given)


# machine, device, weights, VAE, residency, attention with no flag at all
DEFAULTS = [
    ("cuda", "cuda:0", "float16", "float16", Residency.KEEP, Attention.SDPA),
    ("small", "cuda:0", "float16", "float16", Residency.OFFLOAD_BETWEEN_STAGES, Attention.SDPA),
    ("gtx16", "cuda:0", "float16", "float16", Residency.KEEP, Attention.SDPA),
    ("rocm", "cuda:0", "float16", "float16", Residency.KEEP, Attention.SDPA),
    ("xpu", "xpu:0", "float16", "float16", Residency.KEEP, Attention.SDPA),
    ("mps", "mps", "float16", "float32", Residency.KEEP, Attention.SDPA),
    ("mps15", "mps", "float16", "float32", Residency.KEEP, Attention.SDPA),
    ("cpu", "cpu", "float32", "float32", Residency.KEEP, Attention.SDPA),
    ("amx", "cpu", "float32", "float32", Residency.KEEP, Attention.SDPA),
]


@pytest.mark.parametrize(("machine", "device", "weights", "vae", "residency", "attention"), DEFAULTS, ids=[row[0] for row in DEFAULTS])
def test_nobody_needs_a_flag(machine: str, device: str, weights: str, vae: str, residency: Residency, attention: Attention) -> None:
    chosen = policy("", MACHINES[machine])
    assert (chosen.device, chosen.weight_dtype, chosen.compute_dtype, chosen.vae_dtype) == (device, weights, weights, vae)
    assert (chosen.residency, chosen.attention, chosen.split_guidance) == (residency, attention, False)
    assert chosen.nan_check and not chosen.channels_last
    assert chosen.attention_float32 == (machine == "mps15") and chosen.cpu_parts == (("interrogate",) if "mps" in machine else ())
    replays = machine in ("cuda", "small", "gtx16")
    assert [each.topic for each in chosen.choices] == ["Device", "Number types", "Memory", "Attention", *["Steps"] * replays] and not chosen.flag_lines
    assert chosen.records_calls == replays and not chosen.compiles


OFF, STREAM = Residency.OFFLOAD_BETWEEN_STAGES, Residency.STREAM_BLOCKS
TURNS = {"residency": OFF, "residency_is_asked": True}
STREAMS = {"residency": STREAM, "residency_is_asked": True, "split_guidance": True}
# machine, flags, what differs from that machine's default
ROWS: list[tuple[str, str, dict[str, object]]] = [
    ("cuda", "--medvram", TURNS),
    ("cuda", "--lowvram", STREAMS),
    ("cuda", "--lowvram --medvram", STREAMS),
    ("cuda", "--lowvram --always-batch-cond-uncond", STREAMS | {"split_guidance": False}),
    ("cuda", "--medvram-sdxl", {"residency_sdxl": OFF}),
    ("rocm", "--medvram", TURNS),
    ("xpu", "--medvram", TURNS),
    ("mps", "--medvram", {}),
    ("mps", "--lowvram", {}),
    ("cpu", "--medvram", {}),
    ("cpu", "--lowvram", {}),
    ("cpu", "--medvram-sdxl", {}),
    ("cuda", "--lowram", {}),
    ("cuda", "--no-half", {"weight_dtype": "float32", "compute_dtype": "float32", "vae_dtype": "float32"}),
    ("mps", "--no-half", {"weight_dtype": "float32", "compute_dtype": "float32"}),
    ("xpu", "--no-half", {"weight_dtype": "float32", "compute_dtype": "float32", "vae_dtype": "float32"}),
    ("cpu", "--no-half", {}),
    ("cuda", "--no-half-vae", {"vae_dtype": "float32"}),
    ("mps", "--no-half-vae", {}),
    ("cpu", "--no-half-vae", {}),
    ("cuda", "--precision full", {"weight_dtype": "float32", "compute_dtype": "float32", "vae_dtype": "float32"}),
    ("cuda", "--precision half", {}),
    ("cuda", "--precision autocast", {}),
    ("cpu", "--precision half", {}),
    ("cuda", "--upcast-sampling", {}),
    ("mps", "--upcast-sampling", {}),
    ("cuda", "--xformers", {"attention": Attention.XFORMERS}),
    ("cuda", "--force-enable-xformers", {"attention": Attention.XFORMERS}),
    ("small", "--xformers", {}),
    ("cpu", "--xformers", {}),
    ("mps", "--xformers", {}),
    ("cuda", "--opt-split-attention", {"attention": Attention.SPLIT}),
    ("mps", "--opt-split-attention", {"attention": Attention.SPLIT}),
    ("cpu", "--opt-split-attention", {}),
    ("cuda", "--opt-split-attention-v1", {"attention": Attention.SPLIT_V1}),
    ("cuda", "--opt-split-attention-invokeai", {"attention": Attention.SPLIT_INVOKE}),
    ("cuda", "--opt-sub-quad-attention", {"attention": Attention.SUB_QUADRATIC}),
    ("mps", "--opt-sub-quad-attention --sub-quad-q-chunk-size 512", {"attention": Attention.SUB_QUADRATIC, "query_chunk": 512}),
    ("cpu", "--opt-sub-quad-attention", {}),
    ("cuda", "--opt-sdp-attention", {}),
    ("cuda", "--opt-sdp-no-mem-attention", {"attention": Attention.SDPA_NO_MEMORY_EFFICIENT}),
    ("cuda", "--disable-opt-split-attention", {"attention": Attention.PLAIN}),
    ("cpu", "--disable-opt-split-attention", {"attention": Attention.PLAIN}),
    ("cuda", "--xformers --opt-sdp-attention", {"attention": Attention.XFORMERS}),
    ("small", "--xformers --opt-sub-quad-attention", {"attention": Attention.SUB_QUADRATIC}),
    ("cuda", "--disable-nan-check", {"nan_check": False}),
    ("cuda", "--opt-channelslast", {"channels_last": True}),
    ("cuda", "--use-cpu esrgan", {"cpu_parts": ("esrgan",)}),
    ("two", "--device-id 1", {"device": "cuda:1"}),
    ("two", "--device-id 9", {}),
    ("two", "--device-id x", {}),
    ("cpu", "--device-id 1", {}),
    ("mps", "--device-id 1", {}),
    ("xpu", "--use-ipex", {}),
    ("cuda", "--use-ipex", {}),
    ("cpu", "--skip-torch-cuda-test", {}),
    ("cpu", "--medvram --opt-split-attention --skip-torch-cuda-test --no-half", {}),
    ("mps", "--medvram --no-half", {"weight_dtype": "float32", "compute_dtype": "float32"}),
    ("mps15", "--no-half", {"weight_dtype": "float32", "compute_dtype": "float32", "attention_float32": False}),
    ("mps", "--skip-torch-cuda-test --upcast-sampling --no-half-vae --use-cpu interrogate", {}),
    ("mps", "--use-cpu esrgan", {"cpu_parts": ("esrgan", "interrogate")}),
    ("amx", "--precision half", {"weight_dtype": "bfloat16", "compute_dtype": "bfloat16"}),
    ("amx", "--precision half --no-half", {}),
    ("cuda", "--use-sage-attention", {"attention": Attention.SAGE}),
    ("cuda", "--use-flash-attention", {"attention": Attention.FLASH}),
    ("small", "--use-sage-attention --use-flash-attention --opt-sub-quad-attention", {"attention": Attention.SUB_QUADRATIC}),
    ("cpu", "--use-sage-attention", {}),
    ("cuda", "--disable-opt-split-attention --xformers --opt-split-attention", {"attention": Attention.PLAIN}),
    ("cuda", "--sub-quad-kv-chunk-size 512 --sub-quad-chunk-threshold 50", {"key_chunk": 512, "chunk_threshold": 50}),
    ("cuda", "--unload-gfpgan", {}),
]


@pytest.mark.parametrize(("machine", "text", "changes"), ROWS, ids=[f"{machine} {text}" for machine, text, _ in ROWS])
def test_a_flag_changes_this_and_nothing_else(machine: str, text: str, changes: dict[str, object]) -> None:
    expected = dataclasses.replace(policy("", MACHINES[machine]), **changes)
    chosen = policy(text, MACHINES[machine])
    assert dataclasses.replace(chosen, choices=(), flag_lines=()) == dataclasses.replace(expected, choices=(), flag_lines=())


@pytest.mark.parametrize(("machine", "part"), list(itertools.product(("cuda", "xpu", "mps"), ("all", "sd"))))
def test_use_cpu_is_the_cpus_policy(machine: str, part: str) -> None:
    chosen = policy(f"--use-cpu {part}", MACHINES[machine])
    assert (chosen.device, chosen.weight_dtype, chosen.vae_dtype) == ("cpu", "float32", "float32")


@pytest.mark.parametrize(("machine", "text"), list(itertools.product(MACHINES, FLAGS)))
def test_every_flag_on_every_machine_is_accepted_and_explained(machine: str, text: str) -> None:
    """In one line of its own, whether or not it does something here."""
    chosen = policy(text, MACHINES[machine])
    assert all(reason.endswith(".") and len(reason) < 260 and "\n" not in reason for reason in chosen.reasons)
    (line,) = chosen.flag_lines
    assert line.flag == text.split()[0] and line.says.rstrip(".")
    assert len(set(chosen.reasons)) == len(chosen.reasons)
    assert chosen == policy(text, MACHINES[machine])
    if chosen.device == "cpu" and text != "--precision half":
        assert {chosen.weight_dtype, chosen.compute_dtype, chosen.vae_dtype} == {"float32"}


def test_the_table_has_every_flag_of_a1111_of_this_kind() -> None:
    """What is about memory, precision, attention or device in A1111's list, or ours, has its sentence; and this test has it."""
    about = re.compile("vram|lowram|ram_opt|half|precision|upcast|nan_check|xformers|attention|sub_quad|use_cpu|use_ipex|device_id|cuda|channelslast|unload_gfpgan|batch_cond")
    ours = {field.name for field in dataclasses.fields(Flags) if about.search(field.name)}
    assert ours == set(SENTENCES)
    assert {f"--{name.replace('_', '-')}" for name in SENTENCES} == {text.split()[0] for text in FLAGS}


@pytest.mark.parametrize("machine", MACHINES)
def test_all_flags_at_once_are_no_error(machine: str) -> None:
    text = " ".join(flag for flag in FLAGS if not flag.startswith(("--use-cpu", "--device-id", "--precision")))
    lines = policy(text, MACHINES[machine]).flag_lines
    assert len(lines) == len({line.flag for line in lines}) == len(SENTENCES) - 3


def test_the_gtx_16_series_tries_its_convolutions() -> None:
    assert policy("", GTX16).cudnn_benchmark and not policy("", CUDA).cudnn_benchmark


def test_weights_wait_in_memory_where_the_device_is_small() -> None:
    assert policy("", CUDA).load_device == "cuda:0"
    assert policy("--medvram", CUDA).load_device == policy("--lowvram", CUDA).load_device == "cpu"


def test_a_family_adds_what_it_needs() -> None:
    chosen = policy("--medvram-sdxl", CUDA)
    assert chosen.for_family(SD1) == chosen
    for_xl = chosen.for_family(SDXL)
    assert (for_xl.residency, for_xl.vae_dtype, for_xl.weight_dtype) == (OFF, "float32", "float16")


def test_parts_of_a_model_that_is_larger_than_the_device_take_turns() -> None:
    flux = policy("", CUDA).for_family(FLUX_DEV)
    assert (flux.residency, flux.load_device, flux.weight_dtype, flux.vae_dtype) == (OFF, "cpu", "bfloat16", "bfloat16")
    assert policy("--no-half", CUDA).for_family(FLUX_DEV).weight_dtype == "float32"
    large = policy("", dataclasses.replace(CUDA, memory_bytes=80 * 2**30)).for_family(FLUX_DEV)
    assert large.residency is Residency.KEEP


GB = 2**30
SD15 = ModelBytes(text_encoders=(250 * 2**20,), denoiser=1720 * 2**20, vae=170 * 2**20)
XL = ModelBytes(text_encoders=(250 * 2**20, 1400 * 2**20), denoiser=5140 * 2**20, vae=340 * 2**20)


@pytest.mark.parametrize(
    ("text", "model", "free", "residency"),
    [
        ("", SD15, 11 * GB, Residency.KEEP), ("", SD15, 3.5 * GB, OFF), ("", SD15, 2 * GB, STREAM), ("", SD15, 0, Residency.KEEP),
        ("", XL, 11 * GB, Residency.KEEP), ("", XL, 7.5 * GB, OFF), ("", XL, 4 * GB, STREAM),
        ("--medvram", SD15, 11 * GB, OFF), ("--lowvram", XL, 40 * GB, STREAM), ("--medvram-sdxl", SD15, 11 * GB, Residency.KEEP),
    ],
)  # fmt: skip
def test_free_memory_chooses_the_mode_where_no_flag_did(text: str, model: ModelBytes, free: float, residency: Residency) -> None:
    chosen = policy(text, CUDA).for_room(model, int(free))
    assert chosen.residency is residency
    assert chosen.split_guidance == (residency is STREAM)


def test_medvram_sdxl_is_kept_however_much_is_free() -> None:
    assert policy("--medvram-sdxl", CUDA).for_family(SDXL).for_room(XL, 80 * GB).residency is OFF
    assert policy("", MPS).for_room(XL, GB).residency is policy("", CPU).for_room(XL, GB).residency is Residency.KEEP


@pytest.mark.parametrize(
    ("machine", "asked", "attention"),
    [
        ("cuda", "Automatic", Attention.SPLIT), ("cuda", "sdp - scaled dot product", Attention.SDPA), ("cpu", "sub-quadratic", Attention.SUB_QUADRATIC),
        ("cuda", "xformers", Attention.XFORMERS), ("small", "xformers", Attention.SPLIT), ("cuda", "None", Attention.PLAIN), ("mps", "V1 - original v1", Attention.SPLIT_V1),
        ("cuda", "of tomorrow", Attention.SPLIT),
    ],
)  # fmt: skip
def test_the_setting_beats_the_flag_where_it_can_run(machine: str, asked: str, attention: Attention) -> None:
    base = policy("--opt-split-attention", MACHINES[machine])
    assert policy_by_settings(base, MACHINES[machine], attention=asked, attention_float32=False, float8="Disable").attention is attention


def test_settings_about_types_act_where_they_can() -> None:
    def by(machine: str, float8: str, float32: bool = False) -> ComputePolicy:
        return policy_by_settings(policy("", MACHINES[machine]), MACHINES[machine], attention="Automatic", attention_float32=float32, float8=float8)

    assert by("cuda", "Enable").float8_weights and not by("cuda", "Disable").float8_weights and not by("mps", "Enable").float8_weights
    for_sdxl = by("cuda", "Enable for SDXL")
    assert for_sdxl.for_family(SDXL).float8_weights and not for_sdxl.for_family(SD1).float8_weights
    assert by("cuda", "Disable", True).attention_float32 and not by("cpu", "Disable", True).attention_float32


def test_the_users_own_line_on_a_machine_without_gpu_is_explained_flag_by_flag() -> None:
    chosen = policy("--medvram --opt-split-attention --skip-torch-cuda-test --no-half", CPU)
    said = {line.flag: line.says for line in chosen.flag_lines}
    assert set(said) == {"--medvram", "--opt-split-attention", "--skip-torch-cuda-test", "--no-half"}
    assert "no effect" in said["--medvram"] and "float32 anyway" in said["--no-half"]


def test_this_machine_can_be_probed() -> None:
    hardware = probe()
    assert hardware.kind in ("cpu", "cuda", "mps", "xpu") and hardware.cpu_count >= 1 and hardware.memory_bytes > 0
    assert hardware.reason.endswith(".")


def test_a_driver_that_fails_leaves_the_cpu_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def broken() -> bool:
        raise RuntimeError("driver too old\nmore lines")

    monkeypatch.setattr(torch.cuda, "is_available", broken)
    hardware = probe()
    assert "driver too old" in hardware.reason or hardware.kind != "cpu"
