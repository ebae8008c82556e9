"""What became of each given flag about memory, precision, attention and device: one sentence each, on every kind of hardware."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modules.compute.choices import Attention, FlagLine, Residency

if TYPE_CHECKING:
    from modules.compute.hardware import Hardware
    from modules.schema.flags import Flags


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What the sentences speak about. kind: "cuda", "xpu", "mps" or "cpu", after --use-cpu."""

    flags: Flags
    hardware: Hardware
    kind: str
    device: str
    weight_dtype: str
    vae_dtype: str
    residency: Residency
    attention: Attention

    @property
    def is_cpu(self) -> bool:
        return self.kind == "cpu"

    @property
    def has_own_memory(self) -> bool:
        """Whether the device has memory that the rest of the machine has not."""
        return self.kind in ("cuda", "xpu")


def why_all_memory_is_one(kind: str) -> str:
    return "the CPU computes, and the computer's memory is the only one" if kind == "cpu" else "a Mac's CPU and GPU share their memory"


def _medvram(chosen: Chosen) -> str:
    if not chosen.has_own_memory:
        return f"no effect here: {why_all_memory_is_one(chosen.kind)}."
    if chosen.flags.lowvram:
        return "included in --lowvram."
    return "text encoder, denoiser and VAE take turns on the GPU."


def _medvram_sdxl(chosen: Chosen) -> str:
    if not chosen.has_own_memory:
        return f"no effect here: {why_all_memory_is_one(chosen.kind)}."
    stronger = next((flag for flag in ("lowvram", "medvram") if getattr(chosen.flags, flag)), "")
    return f"included in --{stronger}." if stronger else "the parts of an SDXL model take turns on the GPU; other models stay there whole."


def _lowvram(chosen: Chosen) -> str:
    if not chosen.has_own_memory:
        return f"no effect here: {why_all_memory_is_one(chosen.kind)}."
    return "the denoiser's blocks come to the GPU one by one, the next one while one computes: least memory, slowest."


def _no_half(chosen: Chosen) -> str:
    if chosen.is_cpu and chosen.flags.precision != "half":
        return "not needed here: a CPU computes in float32 anyway."
    return "everything is computed in float32."


def _no_half_vae(chosen: Chosen) -> str:
    if chosen.is_cpu and not chosen.flags.no_half:
        return "not needed here: a CPU computes the VAE in float32 anyway."
    if chosen.flags.no_half or chosen.flags.precision == "full":
        return "included in --no-half." if chosen.flags.no_half else "included in --precision full."
    return "the VAE is computed in float32, as always on a Mac." if chosen.kind == "mps" else "the VAE is computed in float32."


def _precision(chosen: Chosen) -> str:
    asked = chosen.flags.precision
    if asked == "autocast":
        return "the usual: each part is computed in the type that is best for it here, without autocast."
    if asked == "full":
        if chosen.is_cpu:
            return "not needed here: a CPU computes in float32 anyway."
        return "everything is computed in float32."
    if chosen.flags.no_half:
        return "no effect: --no-half asks for float32."
    if not chosen.is_cpu:
        return "nothing to change: the models compute in float16 without autocast anyway."
    if chosen.weight_dtype == "bfloat16":
        return f"models compute in bfloat16, which was measured to be {chosen.hardware.bfloat16_speed:.1f} times as fast as float32 on this CPU."
    return "no effect here: 16-bit numbers were measured to be no faster than float32 on this CPU."


def _upcast_sampling(chosen: Chosen) -> str:
    if chosen.weight_dtype == "float32":
        return "nothing to change: everything is computed in float32 here."
    return "nothing to change: the sampler's arithmetic is always float32 here, and the weights stay in 16 bits."


def _xformers(chosen: Chosen) -> str:
    if chosen.kind != "cuda":
        return "no effect here: xformers is for NVIDIA and AMD GPUs."
    if not chosen.hardware.has_xformers:
        return "no effect: the xformers package is not installed; PyTorch's own attention is as fast."
    return _attention_line(chosen, Attention.XFORMERS)


def _installed(name: str, attention: Attention, has: Callable[[Hardware], bool]) -> Callable[[Chosen], str]:
    def says(chosen: Chosen) -> str:
        if chosen.kind != "cuda":
            return f"no effect here: the package {name} is for NVIDIA and AMD GPUs."
        if not has(chosen.hardware):
            return f"no effect: the package {name} is not installed."
        return _attention_line(chosen, attention)

    return says


def _attention_line(chosen: Chosen, attention: Attention) -> str:
    if chosen.attention is attention:
        return f"attention is computed as {attention.value}."
    return f"another flag decides: attention is computed as {chosen.attention.value}."


def _split(attention: Attention) -> Callable[[Chosen], str]:
    def says(chosen: Chosen) -> str:
        if chosen.is_cpu and chosen.attention is not attention:
            return "no effect here: PyTorch's own attention already works in pieces on a CPU, and is faster."
        return _attention_line(chosen, attention)

    return says


def _plain(chosen: Chosen) -> str:
    return "attention is computed whole, without saving memory: large pictures may not fit."


def _pieces(what: str) -> Callable[[Chosen], str]:
    def says(chosen: Chosen) -> str:
        if chosen.attention is Attention.SUB_QUADRATIC:
            return what
        return "no effect: it is for --opt-sub-quad-attention, which is not in use here."

    return says


def _use_cpu(chosen: Chosen) -> str:
    parts = [part for part in chosen.flags.use_cpu if part != "sd"]
    if "all" in chosen.flags.use_cpu or "sd" in chosen.flags.use_cpu:
        return "nothing to change: the CPU draws anyway." if chosen.hardware.kind == "cpu" else f"the CPU draws; {chosen.hardware.name} stays idle."
    if chosen.is_cpu:
        return "nothing to change: all parts are computed on the CPU here."
    return f"{', '.join(parts)}: on the CPU; all else on {chosen.hardware.name}."


def _use_ipex(chosen: Chosen) -> str:
    if chosen.kind == "xpu":
        return f"{chosen.hardware.name} draws, by PyTorch's own XPU support; IPEX is not needed."
    return "no effect: PyTorch finds no Intel GPU here."


def _device_id(chosen: Chosen) -> str:
    asked = chosen.flags.device_id
    if not chosen.has_own_memory:
        return f"{asked} has no effect: there is only one {'CPU' if chosen.is_cpu else 'GPU in a Mac'}."
    if chosen.device.endswith(f":{asked}"):
        return f"{asked}: that device draws."
    return f"{asked} has no effect: this machine has devices 0 to {chosen.hardware.device_count - 1}; device 0 draws."


def _skip_torch_cuda_test(chosen: Chosen) -> str:
    return "not needed here: " + ("a missing GPU is never an error." if chosen.is_cpu else "the device was tested, and works.")


def _channels_last(chosen: Chosen) -> str:
    return "convolutions keep their channels last in memory."


def _always(sentence: str) -> Callable[[Chosen], str]:
    return lambda chosen: sentence


_SPLIT_BY: Mapping[str, Attention] = {
    "opt_split_attention": Attention.SPLIT, "opt_sub_quad_attention": Attention.SUB_QUADRATIC,
    "opt_split_attention_invokeai": Attention.SPLIT_INVOKE, "opt_split_attention_v1": Attention.SPLIT_V1,
}  # fmt: skip
SENTENCES: Mapping[str, Callable[[Chosen], str]] = {
    "medvram": _medvram,
    "medvram_sdxl": _medvram_sdxl,
    "lowvram": _lowvram,
    "lowram": _always("nothing to change: weights always go straight from the file to where they are used."),
    "always_batch_cond_uncond": lambda chosen: "positive and negative prompt are computed in one batch" + (", in spite of --lowvram." if chosen.flags.lowvram else ", as always."),
    "unload_gfpgan": _always("nothing to change: face restorers leave the device when memory is needed; the setting face_restoration_unload sends them at once."),
    "disable_model_loading_ram_optimization": _always("nothing to change: models are never built with weights of their own before the file's are read."),
    "no_half": _no_half,
    "no_half_vae": _no_half_vae,
    "precision": _precision,
    "upcast_sampling": _upcast_sampling,
    "disable_nan_check": _always("a picture that is no numbers comes out black instead of as an error."),
    "xformers": _xformers,
    "force_enable_xformers": _xformers,
    "reinstall_xformers": _always("no effect: xformers is not installed by this program; `pip install xformers` does it."),
    "xformers_flash_attention": _always("nothing to change: xformers chooses the fastest of its kernels itself."),
    "use_flash_attention": _installed("flash-attn", Attention.FLASH, lambda hardware: hardware.has_flash),
    "use_sage_attention": _installed("sageattention", Attention.SAGE, lambda hardware: hardware.has_sage),
    **{flag: _split(attention) for flag, attention in _SPLIT_BY.items()},
    "sub_quad_q_chunk_size": _pieces("that many queries at a time."),
    "sub_quad_kv_chunk_size": _pieces("that many keys at a time."),
    "sub_quad_chunk_threshold": _pieces("attention that needs less than this share of the memory is computed whole."),
    "opt_sdp_attention": lambda chosen: _attention_line(chosen, Attention.SDPA),
    "opt_sdp_no_mem_attention": lambda chosen: _attention_line(chosen, Attention.SDPA_NO_MEMORY_EFFICIENT),
    "disable_opt_split_attention": _plain,
    "opt_channelslast": _channels_last,
    "use_cpu": _use_cpu,
    "use_ipex": _use_ipex,
    "device_id": _device_id,
    "skip_torch_cuda_test": _skip_torch_cuda_test,
}
"""Field of Flags -> what it did here. Every flag of A1111 about memory, precision, attention and device is among them."""


def flag_lines(chosen: Chosen, given: frozenset[str]) -> tuple[FlagLine, ...]:
    """One line for each of the flags ``given`` that is of this kind, in the table's order."""
    return tuple(FlagLine(f"--{name.replace('_', '-')}", says(chosen)) for name, says in SENTENCES.items() if name in given)
