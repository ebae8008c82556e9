"""Flags and hardware become one frozen ComputePolicy, with a reason per choice and a sentence per flag.

Pure: no torch, no look at the machine. No flag is an error; one that means nothing here says so in its sentence (``flag_lines.py``).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from modules.compute.choices import Attention, Choice, FlagLine, Residency
from modules.compute.flag_lines import Chosen, flag_lines, why_all_memory_is_one

if TYPE_CHECKING:
    from modules.compute.hardware import Hardware
    from modules.schema.flags import Flags

SMALL_GPU_BYTES = 3 * 2**30  # SD 1.x in float16 is 2.1 GB, and a 512x512 step needs about another
LARGE_GPU_BYTES = 48 * 2**30  # FLUX.1 and its text encoders are 33 GB in bfloat16: on less they take turns
WORKING_BYTES = 1536 * 2**20  # what drawing takes beside the weights: SD 1.x at 512x512 in float16, with its VAE
WORTH_IT = 1.15  # how many times as fast bfloat16 must be measured to be before a CPU computes in it
BLACK_ATTENTION_MACOS = (14, 5)  # from here on Metal's attention in float16 gives black pictures for some models
MAC_DEFAULTS = {"skip_torch_cuda_test": True, "upcast_sampling": True, "no_half_vae": True}  # as A1111's webui-macos-env.sh has them, and:
MAC_CPU_PARTS = ("interrogate",)


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
    query_chunk, key_chunk: queries and keys per chunk of sub-quadratic attention; no key_chunk: the square root of how many there are.
    chunk_threshold: what attention may take at once before it goes in chunks, in percent of ``memory_bytes``; None: always in chunks.
    attention_float32: attention is computed in float32 whatever the weights' type.
    residency_is_asked: by a flag. Without one the memory that is free when a model is loaded decides (``for_room``).
    float8_weights: the denoiser's large weights are kept in 8 bits, and computed with in ``compute_dtype``. float8_sdxl: those of SDXL models.
    records_calls: the denoiser's calls are recorded and replayed (replay.py). compiles: by torch.compile (compiled.py).
    openvino: what OpenVINO computes the UNet on, a name of openvino_calls.py; "": nothing.
    choices: what was chosen, and why. flag_lines: one for each given flag about memory, precision, attention and device.
    """

    device: str
    weight_dtype: str
    compute_dtype: str
    vae_dtype: str
    residency: Residency
    attention: Attention
    split_guidance: bool
    choices: tuple[Choice, ...]
    flag_lines: tuple[FlagLine, ...] = ()
    residency_sdxl: Residency | None = None
    residency_large: Residency | None = None
    nan_check: bool = True
    channels_last: bool = False
    cudnn_benchmark: bool = False
    cpu_parts: tuple[str, ...] = ()
    query_chunk: int = 1024
    key_chunk: int | None = None
    chunk_threshold: int | None = None
    memory_bytes: int = 0
    attention_float32: bool = False
    residency_is_asked: bool = False
    float8_weights: bool = False
    float8_sdxl: bool = False
    records_calls: bool = False
    compiles: bool = False
    openvino: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """The choices, then the flags, as lines of text."""
        return tuple(str(each) for each in (*self.choices, *self.flag_lines))

    @property
    def load_device(self) -> str:
        """Where weights are put as they are read: straight to the device, unless they are to wait in memory."""
        return self.device if self.residency is Residency.KEEP else "cpu"

    def for_family(self, family: FamilyNeeds) -> ComputePolicy:
        """This policy with what ``family`` needs merged in."""
        changed = self
        if family.is_sdxl and self.residency_sdxl is not None:
            changed = replace(changed, residency=self.residency_sdxl, residency_is_asked=True)
        if family.is_sdxl and self.float8_sdxl:
            changed = replace(changed, float8_weights=True)
        if family.needs_bfloat16 and self.residency_large is not None and self.residency is Residency.KEEP:
            changed = replace(changed, residency=self.residency_large)
        if family.vae_needs_float32:
            changed = replace(changed, vae_dtype="float32")
        if family.needs_bfloat16 and self.weight_dtype == "float16":        # they overflow float16
            vae_dtype = "bfloat16" if changed.vae_dtype == "float16" else changed.vae_dtype
            changed = replace(changed, weight_dtype="bfloat16", compute_dtype="bfloat16", vae_dtype=vae_dtype)
        return changed

    def for_room(self, model: ModelBytes, free_bytes: int) -> ComputePolicy:
        """This policy with the fastest memory mode whose share of ``model`` fits into what is free on the device.

        As it is where a flag asked for a mode, or nobody can tell how much is free (0).
        """
        if self.residency_is_asked or not free_bytes:
            return self
        room = free_bytes - WORKING_BYTES
        needed = {Residency.KEEP: model.whole, Residency.OFFLOAD_BETWEEN_STAGES: model.largest_part}
        residency = next((each for each, size in needed.items() if size <= room), Residency.STREAM_BLOCKS)
        return replace(self, residency=residency, split_guidance=self.split_guidance or residency is Residency.STREAM_BLOCKS)


@dataclass(frozen=True, kw_only=True)
class ModelBytes:
    """What a model's weights take in the types of its policy."""

    text_encoders: tuple[int, ...]
    denoiser: int
    vae: int

    @property
    def whole(self) -> int:
        return sum(self.text_encoders) + self.denoiser + self.vae

    @property
    def largest_part(self) -> int:
        return max(*self.text_encoders, self.denoiser, self.vae, 0)


def policy_from_flags(flags: Flags, hardware: Hardware, given: frozenset[str] = frozenset()) -> ComputePolicy:
    """What to run on, in which types, with which memory mode and attention.

    given: names of the flags that the user gave, where that is known: one that asks for the default is then explained as well.
    Same arguments, same policy: tested as a table over every flag and kind of hardware.
    """
    given |= {field.name for field in dataclasses.fields(flags) if getattr(flags, field.name) != field.default}
    device = _device(flags, hardware)
    kind = device.partition(":")[0]
    if kind == "mps":
        flags = replace(flags, **MAC_DEFAULTS, use_cpu=tuple(dict.fromkeys((*flags.use_cpu, *MAC_CPU_PARTS))))
    types = _types(flags, hardware, kind)
    residency = _residency(flags, hardware, kind)
    attention = _attention(flags, hardware, kind)
    chosen = Chosen(flags=flags, hardware=hardware, kind=kind, device=device, weight_dtype=types[0], vae_dtype=types[1], residency=residency[0], attention=attention)
    has_own_memory = chosen.has_own_memory
    return ComputePolicy(
        device=device,
        weight_dtype=types[0],
        compute_dtype=types[0],
        vae_dtype=types[1],
        residency=residency[0],
        residency_sdxl=Residency.OFFLOAD_BETWEEN_STAGES if has_own_memory and flags.medvram_sdxl and residency[0] is Residency.KEEP else None,
        residency_large=Residency.OFFLOAD_BETWEEN_STAGES if has_own_memory and 0 < hardware.memory_bytes < LARGE_GPU_BYTES else None,
        residency_is_asked=not has_own_memory or flags.medvram or flags.lowvram,
        attention=attention,
        attention_float32=_needs_float32_attention(hardware, kind, types[0]),
        split_guidance=residency[0] is Residency.STREAM_BLOCKS and not flags.always_batch_cond_uncond,
        nan_check=not flags.disable_nan_check,
        channels_last=flags.opt_channelslast,
        cudnn_benchmark=kind == "cuda" and "GTX 16" in hardware.name,
        cpu_parts=tuple(part for part in flags.use_cpu if part != "sd"),
        query_chunk=max(1, flags.sub_quad_q_chunk_size),
        key_chunk=flags.sub_quad_kv_chunk_size if (flags.sub_quad_kv_chunk_size or 0) > 0 else None,
        chunk_threshold=flags.sub_quad_chunk_threshold,
        memory_bytes=hardware.memory_bytes,
        records_calls=_can_record(hardware, kind),
        choices=(
            Choice("Device", device, _why_device(flags, hardware, kind)),
            Choice("Number types", _spoken_types(types), _why_types(flags, hardware, kind, types)),
            Choice("Memory", residency[0].value, residency[1]),
            Choice("Attention", attention.value, _why_attention(flags, hardware, kind, types[0])),
            *_calls(hardware, kind),
        ),
        flag_lines=flag_lines(chosen, given),
    )


def _can_record(hardware: Hardware, kind: str) -> bool:
    return kind == "cuda" and not hardware.is_rocm  # AMD's graphs were never tried here


def _calls(hardware: Hardware, kind: str) -> tuple[Choice, ...]:
    if not _can_record(hardware, kind):
        return ()
    why = "While the whole model is on the GPU and nothing listens at it, its second step is recorded and the others are replayed; the setting cuda_graphs ends that."
    return (Choice("Steps", "CUDA graphs", why),)


def _device(flags: Flags, hardware: Hardware) -> str:
    """What --use-cpu and --device-id make of the hardware."""
    if hardware.kind == "cpu" or "all" in flags.use_cpu or "sd" in flags.use_cpu:
        return "cpu"
    if hardware.kind == "mps":
        return "mps"
    asked = flags.device_id or "0"
    is_there = asked.isdecimal() and int(asked) < hardware.device_count
    return f"{hardware.kind}:{int(asked) if is_there else 0}"


def _why_device(flags: Flags, hardware: Hardware, kind: str) -> str:
    if hardware.kind != "cpu" and kind == "cpu":
        return f"Because of --use-cpu; {hardware.name} stays idle."
    return hardware.reason


def _types(flags: Flags, hardware: Hardware, kind: str) -> tuple[str, str]:
    """(weights, VAE)."""
    if flags.no_half or flags.precision == "full":
        return "float32", "float32"
    if kind == "cpu":
        return ("bfloat16" if flags.precision == "half" and hardware.bfloat16_speed >= WORTH_IT else "float32"), "float32"
    return "float16", "float32" if flags.no_half_vae else "float16"


def _spoken_types(types: tuple[str, str]) -> str:
    weights, vae = types
    return f"{weights} for everything" if weights == vae else f"{weights}, the VAE {vae}"


def _why_types(flags: Flags, hardware: Hardware, kind: str, types: tuple[str, str]) -> str:
    if kind == "cpu":
        if types[0] == "bfloat16":
            return f"bfloat16 was measured to be {hardware.bfloat16_speed:.1f} times as fast as float32 on this CPU; pictures differ a little from those in float32."
        return "CPUs compute 16-bit numbers more slowly, or not more quickly."
    if types[0] == "float32":
        return f"Because of {'--no-half' if flags.no_half else '--precision full'}."
    half = "float16 is half the memory of float32, and faster."
    if kind == "mps":
        return f"{half} The VAE would overflow in it on Macs."
    if flags.no_half_vae:
        return f"{half} The VAE is not, because of --no-half-vae."
    black = f" cuDNN tries its convolutions first: float16 gives black pictures on {hardware.name} otherwise." if "GTX 16" in hardware.name and kind == "cuda" else ""
    return f"{half} The VAE goes to float32 by itself if it overflows.{black}"


def _residency(flags: Flags, hardware: Hardware, kind: str) -> tuple[Residency, str]:
    """For all models, and why; what SDXL has beside it is ``residency_sdxl``."""
    if kind in ("cpu", "mps"):
        return Residency.KEEP, f"There is nowhere else: {why_all_memory_is_one(kind)}."
    if flags.lowvram:
        return Residency.STREAM_BLOCKS, "Because of --lowvram. Positive and negative prompt are computed one after the other, which saves memory too."
    if flags.medvram:
        return Residency.OFFLOAD_BETWEEN_STAGES, "Because of --medvram."
    if 0 < hardware.memory_bytes < SMALL_GPU_BYTES:
        return Residency.OFFLOAD_BETWEEN_STAGES, f"{hardware.name} has only {hardware.memory_bytes / 2**30:.1f} GB. The memory that is free when a model is loaded has the last word."
    sdxl = "; the parts of SDXL models take turns, because of --medvram-sdxl" if flags.medvram_sdxl else ""
    return Residency.KEEP, f"That is fastest{sdxl}. A model that is too large for the memory that is free takes turns, or comes block by block, by itself."


# In A1111's order of preference where several are given; its --disable-opt-split-attention beats all.
_ATTENTION_FLAGS: tuple[tuple[str, Attention], ...] = (
    ("disable_opt_split_attention", Attention.PLAIN),
    ("use_sage_attention", Attention.SAGE),
    ("use_flash_attention", Attention.FLASH),
    ("force_enable_xformers", Attention.XFORMERS),
    ("xformers", Attention.XFORMERS),
    ("opt_split_attention", Attention.SPLIT),
    ("opt_sdp_no_mem_attention", Attention.SDPA_NO_MEMORY_EFFICIENT),
    ("opt_sdp_attention", Attention.SDPA),
    ("opt_sub_quad_attention", Attention.SUB_QUADRATIC),
    ("opt_split_attention_v1", Attention.SPLIT_V1),
    ("opt_split_attention_invokeai", Attention.SPLIT_INVOKE),
)
_CHUNKED = (Attention.SPLIT, Attention.SUB_QUADRATIC, Attention.SPLIT_V1, Attention.SPLIT_INVOKE)


def can_run(attention: Attention, hardware: Hardware, kind: str) -> bool:
    """Whether this way to compute attention works on a device of ``kind`` of this machine."""
    installed = {Attention.XFORMERS: hardware.has_xformers, Attention.FLASH: hardware.has_flash, Attention.SAGE: hardware.has_sage}
    return attention not in installed or (kind == "cuda" and installed[attention])


def _asked_attention(flags: Flags, hardware: Hardware, kind: str) -> tuple[str, Attention] | None:
    asked = ((flag, attention) for flag, attention in _ATTENTION_FLAGS if getattr(flags, flag))
    return next((each for each in asked if can_run(each[1], hardware, kind) and not (kind == "cpu" and each[1] in _CHUNKED)), None)


def _attention(flags: Flags, hardware: Hardware, kind: str) -> Attention:
    asked = _asked_attention(flags, hardware, kind)
    return asked[1] if asked else Attention.SDPA


def _needs_float32_attention(hardware: Hardware, kind: str, weight_dtype: str) -> bool:
    return kind == "mps" and weight_dtype == "float16" and hardware.system_version >= BLACK_ATTENTION_MACOS


def _why_attention(flags: Flags, hardware: Hardware, kind: str, weight_dtype: str) -> str:
    asked = _asked_attention(flags, hardware, kind)
    why = f"Because of --{asked[0].replace('_', '-')}." if asked else "PyTorch's own is the fastest here."
    if kind == "mps":
        why += " In pieces that Metal can count."
    if _needs_float32_attention(hardware, kind, weight_dtype):
        why += " In float32, because this macOS gives black pictures otherwise."
    return why


def policy_by_settings(
    policy: ComputePolicy, hardware: Hardware, *, attention: str, attention_float32: bool, float8: str, graphs: bool = True, compiled: bool = False, openvino: str = "",
) -> ComputePolicy:
    """``policy`` with what the settings of one job ask for; they beat the flags.

    attention: the setting ``cross_attention_optimization``: "Automatic", or a name of ``Attention``, perhaps with " - " and a description.
    A way that is unknown, or cannot run here, leaves the policy's own. float8: the setting ``fp8_storage``: "Disable", "Enable for SDXL" or "Enable".
    graphs, compiled, openvino: the settings ``cuda_graphs``, ``compile_model`` and ``openvino``.
    """
    name = attention.partition(" - ")[0].strip().casefold()
    asked = next((each for each in Attention if each.value.casefold() == name), None)
    kind = policy.device.partition(":")[0]
    if asked is not None and can_run(asked, hardware, kind):
        policy = replace(policy, attention=asked)
    has_float8 = kind != "mps"                      # Metal has no such type
    return replace(
        policy, attention_float32=policy.attention_float32 or (attention_float32 and policy.compute_dtype != "float32"),
        records_calls=policy.records_calls and graphs, compiles=compiled and kind == "cuda", openvino=openvino if kind == "cpu" else "",
        float8_weights=has_float8 and float8 == "Enable", float8_sdxl=has_float8 and float8 == "Enable for SDXL",
    )
