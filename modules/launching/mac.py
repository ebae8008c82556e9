"""What a Mac needs where the user said nothing. A1111's Mac set was replaced by any flag of the user's; here the two are merged."""
from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modules.schema.flags import Flags

ENVIRONMENT = {"PYTORCH_ENABLE_MPS_FALLBACK": "1"}  # the few operations Metal lacks run on the CPU instead of failing


def with_mac_defaults(flags: Flags, system: str) -> Flags:
    """``flags`` with sampling in fp32 arithmetic, the VAE in fp32 and captioning on the CPU, unless the user chose otherwise."""
    if system != "Darwin":
        return flags
    chose_precision = flags.no_half or flags.precision != "autocast"
    return replace(
        flags,
        upcast_sampling=flags.upcast_sampling or not chose_precision,
        no_half_vae=True,
        use_cpu=flags.use_cpu or ("interrogate",),
    )


def set_mac_environment(environ: MutableMapping[str, str], system: str) -> None:
    """Set what torch reads at import, where the user has not set it."""
    if system == "Darwin":
        for name, value in ENVIRONMENT.items():
            environ.setdefault(name, value)
