"""The kinds of choice that a ComputePolicy is made of, and the sentences that it explains itself with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Residency(Enum):
    """Where the weights stay while they are not used. In order: each needs less of the device's memory than the one before."""

    KEEP = "keep everything on the device"
    OFFLOAD_BETWEEN_STAGES = "one of text encoder, denoiser and VAE on the device at a time"
    STREAM_BLOCKS = "the denoiser block by block"


class Attention(Enum):
    """How attention is computed; the values are A1111's names for the setting of the same meaning, then ComfyUI's for what A1111 has not."""

    SDPA = "sdp"
    SDPA_NO_MEMORY_EFFICIENT = "sdp-no-mem"
    XFORMERS = "xformers"
    SPLIT = "Doggettx"
    SUB_QUADRATIC = "sub-quadratic"
    SPLIT_V1 = "V1"
    SPLIT_INVOKE = "InvokeAI"
    FLASH = "flash"
    SAGE = "sage"
    PLAIN = "None"


@dataclass(frozen=True)
class Choice:
    """One choice and its reason. topic: "Device", "Number types", "Memory", "Attention". why: whole sentences."""

    topic: str
    value: str
    why: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.value}. {self.why}"


@dataclass(frozen=True)
class FlagLine:
    """What became of one given flag here. flag: as it is spelt on the command line. says: one sentence."""

    flag: str
    says: str

    def __str__(self) -> str:
        return f"{self.flag}: {self.says}"
