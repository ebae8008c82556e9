"""Flags and hardware become one frozen ComputePolicy, with a sentence of reason per choice.

Pure: no torch, no look at the machine. No flag is an error; one that means nothing here says so in its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from modules.compute.hardware import Hardware

if TYPE_CHECKING:
    from modules.schema.flags import Flags

SMALL_GPU_BYTES = 3 * 2**30  # SD 1.x in float16 is 2.1 GB, and a 512x512 step needs about another
LARGE_GPU_BYTES = 48 * 2**30  # FLUX.1 and its text encoders are 33 GB in bfloat16: on less they take turns


class Residency(Enum):
    """Where the weights stay while they are not used."""

    KEEP = "keep everything on the device"
    OFFLOAD_BETWEEN_STAGES = "one of text encoder, denoiser and VAE on the device at a time"
    STREAM_BLOCKS = "the denoiser block by block"


class Attention(Enum):
    """How attention is computed; the values are A1111's names for the setting of the same meaning."""

    SDPA = "sdp"
    SDPA_NO_MEMORY_EFFICIENT = "sdp-no-mem"
    XFORMERS = "xformers"
    SPLIT = "Doggettx"
    SUB_QUADRATIC = "sub-quadratic"
    SPLIT_V1 = "V1"
    SPLIT_INVOKE = "InvokeAI"
    PLAIN = "None"


class FamilyNeeds(Protocol):
    """What a model family asks of the policy."""

    @property
    def is_sdxl(self) -> bool: ...
    @property
    def vae_needs_float32(self) -> bool: ...
    @property
    def needs_bfloat16(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class ComputePolicy:
    """Types are torch's names ("float16"). The latents and the sampler's arithmetic are float32 always.

    weight_dtype: what the denoiser's and the text encoders' weights are kept in.
    compute_dtype: what their layers compute in.
    residency_sdxl, residency_large: replace ``residency`` for SDXL models, and for transformers of FLUX.1's size; ``for_family`` does it.
    split_guidance: cond and uncond in two calls instead of one batch; saves memory.
    nan_check: raise on a result that is no number, instead of saving a black picture.
    cpu_parts: parts other than Stable Diffusion that --use-cpu keeps on the CPU ("esrgan", "gfpgan" ...).
    query_chunk: queries per chunk of sub-quadratic attention.
    reasons: one sentence per choice and per flag that has no effect here.
    """

    device: str
    weight_dtype: str
    compute_dtype: str
    vae_dtype: str
    residency: Residency
    attention: Attention
    split_guidance: bool
    reasons: tuple[str, ...]
    residency_sdxl: Residency | None = None
    residency_large: Residency | None = None
    nan_check: bool = True
    channels_last: bool = False
    cudnn_benchmark: bool = False
    cpu_parts: tuple[str, ...] = ()
    query_chunk: int = 1024

    @property
    def load_device(self) -> str:
        """Where weights are put as they are read: straight to the device, unless they are to wait in memory."""
        return self.device if self.residency is Residency.KEEP else "cpu"

    def for_family(self, family: FamilyNeeds) -> ComputePolicy:
        """This policy with what ``family`` needs merged in."""
        changed = self
        if family.is_sdxl and self.residency_sdxl is not None:
            changed = replace(changed, residency=self.residency_sdxl)
        if family.needs_bfloat16 and self.residency_large is not None and self.residency is Residency.KEEP:
            changed = replace(changed, residency=self.residency_large)
        if family.vae_needs_float32:
            changed = replace(changed, vae_dtype="float32")
        if family.needs_bfloat16 and self.weight_dtype == "float16":        # they overflow float16
            vae_dtype = "bfloat16" if changed.vae_dtype == "float16" else changed.vae_dtype
            changed = replace(changed, weight_dtype="bfloat16", compute_dtype="bfloat16", vae_dtype=vae_dtype)
        return changed


def policy_from_flags(flags: Flags, hardware: Hardware) -> ComputePolicy:
    """What to run on, in which types, with which memory mode and attention.

    Same flags and hardware, same policy: tested as a table over every flag and kind of hardware.
    """
    reasons: list[str] = []
    kind, device = _device(flags, hardware, reasons)
    weight_dtype, vae_dtype = _types(flags, kind, reasons)
    residency, residency_sdxl = _residency(flags, hardware, kind, reasons)
    large = Residency.OFFLOAD_BETWEEN_STAGES if kind in ("cuda", "xpu") and 0 < hardware.memory_bytes < LARGE_GPU_BYTES else None
    attention = _attention(flags, hardware, kind, reasons)
    split = residency is Residency.STREAM_BLOCKS and not flags.always_batch_cond_uncond
    if split:
        reasons.append("Positive and negative prompt are computed one after the other, because --lowvram saves memory.")
    if flags.disable_nan_check:
        reasons.append("--disable-nan-check: a picture that is no numbers comes out black instead of as an error.")
    cpu_parts = tuple(part for part in flags.use_cpu if part not in ("sd",))
    if cpu_parts and kind != "cpu":
        reasons.append(f"--use-cpu keeps on the CPU: {', '.join(cpu_parts)}.")
    _explain_the_rest(flags, kind, reasons)
    benchmark = kind == "cuda" and "GTX 16" in hardware.name
    if benchmark:
        reasons.append(f"cuDNN tries its convolutions first: float16 gives black pictures on {hardware.name} otherwise.")
    return ComputePolicy(
        device=device,
        weight_dtype=weight_dtype,
        compute_dtype=weight_dtype,
        vae_dtype=vae_dtype,
        residency=residency,
        residency_sdxl=residency_sdxl,
        residency_large=large,
        attention=attention,
        split_guidance=split,
        nan_check=not flags.disable_nan_check,
        channels_last=flags.opt_channelslast,
        cudnn_benchmark=benchmark,
        cpu_parts=cpu_parts,
        query_chunk=max(1, flags.sub_quad_q_chunk_size),
        reasons=tuple(reasons),
    )


def _device(flags: Flags, hardware: Hardware, reasons: list[str]) -> tuple[str, str]:
    """(kind, device string): what --use-cpu and --device-id make of the hardware."""
    if hardware.kind != "cpu" and ("all" in flags.use_cpu or "sd" in flags.use_cpu):
        reasons.append(f"The CPU draws, because of --use-cpu; {hardware.name} stays idle.")
        return "cpu", "cpu"
    reasons.append(hardware.reason)
    if hardware.kind not in ("cuda", "xpu"):
        if flags.device_id is not None:
            reasons.append(f"--device-id {flags.device_id} has no effect: there is only one {_spoken(hardware.kind)}.")
        return hardware.kind, hardware.kind
    asked = flags.device_id or "0"
    if not asked.isdecimal() or int(asked) >= hardware.device_count:
        last = hardware.device_count - 1
        reasons.append(f"--device-id {asked} has no effect: this machine has devices 0 to {last}; device 0 is used.")
        asked = "0"
    return hardware.kind, f"{hardware.kind}:{int(asked)}"


def _types(flags: Flags, kind: str, reasons: list[str]) -> tuple[str, str]:
    """(weights, VAE)."""
    if kind == "cpu":
        reasons.append("Everything is computed in float32: CPUs compute float16 many times slower.")
        asked = _given(flags, "no_half", "no_half_vae") + (["--precision full"] if flags.precision == "full" else [])
        reasons += [f"{spelt} is not needed: a CPU computes in float32 anyway." for spelt in asked]
        if flags.precision == "half":
            reasons.append("--precision half has no effect on a CPU, where float16 is slow.")
        return "float32", "float32"
    asked = _given(flags, "no_half") + (["--precision full"] if flags.precision == "full" else [])
    if asked:
        reasons.append(f"Everything is computed in float32, because of {' and '.join(asked)}.")
        reasons += [f"{spelt} is included in that." for spelt in _given(flags, "no_half_vae")]
        return "float32", "float32"
    if flags.no_half_vae:
        reasons.append("Weights are float16; the VAE is float32, because of --no-half-vae.")
        return "float16", "float32"
    if kind == "mps":
        reasons.append("Weights are float16; the VAE is float32, because float16 overflows in it on Macs.")
        return "float16", "float32"
    reasons.append("Weights are float16, half the memory of float32 and faster; the VAE goes to float32 by itself if it overflows.")
    return "float16", "float16"


def _residency(flags: Flags, hardware: Hardware, kind: str, reasons: list[str]) -> tuple[Residency, Residency | None]:
    """(for all models, for SDXL if that differs)."""
    given = _given(flags, "lowvram", "medvram", "medvram_sdxl")
    if kind in ("cpu", "mps"):
        why = "the CPU's memory is the only one" if kind == "cpu" else "the Mac's memory is shared by CPU and GPU"
        reasons += [f"{spelt} has no effect: {why}." for spelt in given]
        return Residency.KEEP, None
    if flags.lowvram:
        reasons.append("The denoiser's blocks come to the GPU one by one, because of --lowvram: least memory, slowest.")
        reasons += [f"{spelt} is included in that." for spelt in given[1:]]
        return Residency.STREAM_BLOCKS, None
    is_small = 0 < hardware.memory_bytes < SMALL_GPU_BYTES
    if flags.medvram or is_small:
        why = "of --medvram" if flags.medvram else f"it has only {hardware.memory_bytes / 2**30:.1f} GB"
        reasons.append(f"Text encoder, denoiser and VAE take turns on the GPU, because {why}.")
        reasons += [f"{spelt} is included in that." for spelt in _given(flags, "medvram_sdxl")]
        return Residency.OFFLOAD_BETWEEN_STAGES, None
    if flags.medvram_sdxl:
        reasons.append("All of a model stays on the GPU; the parts of an SDXL model take turns, because of --medvram-sdxl.")
        return Residency.KEEP, Residency.OFFLOAD_BETWEEN_STAGES
    reasons.append("All of a model stays on the GPU: fastest.")
    return Residency.KEEP, None


# In A1111's order of preference where several are given.
_ATTENTION_FLAGS: tuple[tuple[str, Attention], ...] = (
    ("force_enable_xformers", Attention.XFORMERS),
    ("xformers", Attention.XFORMERS),
    ("opt_split_attention", Attention.SPLIT),
    ("opt_sdp_no_mem_attention", Attention.SDPA_NO_MEMORY_EFFICIENT),
    ("opt_sdp_attention", Attention.SDPA),
    ("opt_sub_quad_attention", Attention.SUB_QUADRATIC),
    ("opt_split_attention_v1", Attention.SPLIT_V1),
    ("opt_split_attention_invokeai", Attention.SPLIT_INVOKE),
    ("disable_opt_split_attention", Attention.PLAIN),
)
_CHUNKED = (Attention.SPLIT, Attention.SUB_QUADRATIC, Attention.SPLIT_V1, Attention.SPLIT_INVOKE)


def _attention(flags: Flags, hardware: Hardware, kind: str, reasons: list[str]) -> Attention:
    given = [(flag, attention) for flag, attention in _ATTENTION_FLAGS if getattr(flags, flag)]
    for flag, attention in given:
        spelt = f"--{flag.replace('_', '-')}"
        if attention is Attention.XFORMERS and kind != "cuda":
            reasons.append(f"{spelt} has no effect: xformers is for NVIDIA and AMD GPUs.")
        elif attention is Attention.XFORMERS and not hardware.has_xformers:
            reasons.append(f"{spelt} has no effect: the xformers package is not installed; PyTorch's own attention is as fast.")
        elif attention in _CHUNKED and kind == "cpu":
            reasons.append(f"{spelt} has no effect: PyTorch's own attention already works in chunks on a CPU, and is faster.")
        else:
            reasons.append(f"Attention is computed as {attention.value}, because of {spelt}.")
            return attention
    if not given:
        reasons.append("Attention is PyTorch's own (sdp), the fastest here.")
    return Attention.SDPA


def _explain_the_rest(flags: Flags, kind: str, reasons: list[str]) -> None:
    """One sentence for each given flag that changes nothing, by design or on this device."""
    if flags.upcast_sampling:
        reasons.append("--upcast-sampling changes nothing: the sampler's arithmetic is always float32 here.")
    if flags.precision == "half" and kind != "cpu":
        reasons.append("--precision half changes nothing: the models compute in float16 without autocast anyway.")
    if flags.lowram:
        reasons.append("--lowram changes nothing: weights always go straight from the file to where they are used.")
    if flags.disable_model_loading_ram_optimization:
        reasons.append("--disable-model-loading-ram-optimization changes nothing: models are never built with weights of their own first.")
    if flags.use_ipex and kind != "xpu":
        reasons.append("--use-ipex has no effect: PyTorch finds no Intel GPU.")
    if flags.always_batch_cond_uncond:
        reasons.append("--always-batch-cond-uncond: positive and negative prompt are computed in one batch.")
    if flags.skip_torch_cuda_test and kind == "cpu":
        reasons.append("--skip-torch-cuda-test is not needed: a missing GPU is never an error here.")
    if flags.xformers_flash_attention:
        reasons.append("--xformers-flash-attention changes nothing: xformers chooses its kernel itself.")
    if flags.opt_channelslast:
        reasons.append("--opt-channelslast: convolutions keep their channels last in memory.")
    if flags.sub_quad_kv_chunk_size is not None or flags.sub_quad_chunk_threshold is not None:
        reasons.append("--sub-quad-kv-chunk-size and --sub-quad-chunk-threshold change nothing: only queries are chunked here.")


def _given(flags: Flags, *names: str) -> list[str]:
    """Those of the switches ``names`` that are set, as they are spelt on the command line."""
    return [f"--{name.replace('_', '-')}" for name in names if getattr(flags, name)]


def _spoken(kind: str) -> str:
    return {"cpu": "CPU", "mps": "Mac GPU"}.get(kind, kind)
