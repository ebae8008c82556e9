"""What torch must find in the environment of a Mac. The choice of types and memory mode is the compute policy's, as everywhere."""
from __future__ import annotations

from collections.abc import MutableMapping

ENVIRONMENT = {"PYTORCH_ENABLE_MPS_FALLBACK": "1"}  # the few operations Metal lacks run on the CPU instead of failing


def set_mac_environment(environ: MutableMapping[str, str], system: str) -> None:
    """Set what torch reads at import, where the user has not set it."""
    if system == "Darwin":
        for name, value in ENVIRONMENT.items():
            environ.setdefault(name, value)
