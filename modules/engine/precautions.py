"""What a model needed before to give numbers, so that the next job begins with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from modules.compute.attention import Float32Attention

if TYPE_CHECKING:
    from modules.loading.components import Components

ATTENTION, UNET, VAE = "attention", "unet", "vae "      # the VAE's is followed by its type


@dataclass
class Precautions:
    """What each model needed on this device to give numbers: the next job begins with it. Lives as long as the server."""

    _known: dict[tuple[Path, float, str], set[str]] = field(default_factory=dict)

    def of(self, components: Components, device: str) -> set[str]:
        """Of one model; what is added to it is remembered."""
        return self._known.setdefault((components.checkpoint.path, components.checkpoint.modified, device), set())


def prepare(components: Components, known: set[str]) -> None:
    """Put a model that was just loaded into the state that it needed before."""
    unet, vae = components.unet, components.vae
    if ATTENTION in known:
        unet.set_attn_processor(Float32Attention())     # pyright: ignore[reportArgumentType]
    if UNET in known:
        nn.Module.to(unet, torch.float32)
    for name in ("bfloat16", "float32"):
        if f"{VAE}{name}" in known:
            nn.Module.to(vae, getattr(torch, name))
