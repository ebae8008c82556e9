"""A loaded control network: hint picture and noisy latents in, what is added inside the UNet out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from modules.compute.placement import KeepResident, Placement
from modules.library.model_file import ModelFile
from modules.loading.control_kinds import ControlKind

KEPT_HINTS = 4


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """What is added inside the UNet.

    skips: to the skip connections, first to last, then the middle block's. inside: to the encoder's levels.
    levels: how often each of ``inside`` is halved from the latent's size.
    """

    skips: tuple[Tensor, ...] = ()
    inside: tuple[Tensor, ...] = ()
    levels: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlNetwork:
    """One control file as modules. hint_encoder: run once per hint. pools: its residuals are averaged over the picture (shuffle models).

    context_width: of the text conditioning it was trained with; None where it reads none. hint_channels: 3, or 4 for inpainting adapters.
    levels: an adapter's, see Residuals. unshuffle: the hint's sides must be multiples of this.
    hint_kinds: how many kinds of hint a union network tells apart, 0 for all others.
    reads_person: its cross-attentions read an IP-Adapter's tokens in place of the prompt (InstantID).
    base: the UNet whose weights it shares or was made with (Control-LoRA, difference models); it is of no use with another one.
    placement: who brings it to the device. leaves: it goes home after each evaluation.
    """

    kind: ControlKind
    module: nn.Module
    file: ModelFile
    hint_encoder: nn.Module
    hint_channels: int = 3
    context_width: int | None = None
    in_channels: int = 4
    pools: bool = False
    levels: tuple[int, ...] = ()
    unshuffle: int = 1
    hint_kinds: int = 0
    reads_person: bool = False
    base: nn.Module | None = None
    shares_weights: bool = False
    placement: Placement = field(default_factory=KeepResident)
    leaves: bool = False
    _encoded: list[tuple[Tensor, Any, Any]] = field(default_factory=list, repr=False)

    @property
    def dtype(self) -> torch.dtype:
        return next(self.module.parameters()).dtype

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return (self.module,) if self.hint_encoder is self.module else (self.module, self.hint_encoder)

    def encoded(self, hint: Tensor, hint_kind: int | None = None) -> Any:
        """``hint`` (1 or B, C, H, W; 0 .. 1) through the part that needs it only; remembered while the same tensor is asked for."""
        for known, kind, found in self._encoded:
            if known is hint and kind == hint_kind:
                return found
        if self.unshuffle > 1:                      # an edge that fills no whole square is repeated
            across, down = -hint.shape[3] % self.unshuffle, -hint.shape[2] % self.unshuffle
            whole = pad(hint, (0, across, 0, down), mode="replicate") if across or down else hint
        else:
            whole = hint
        with self.placement.beside(self.hint_encoder, leaves=self.leaves):
            whole = whole.to(device=self.placement.device, dtype=self.dtype)
            found = self.hint_encoder(whole, hint_kind) if self.hint_kinds else self.hint_encoder(whole)
        self._encoded[:] = [*self._encoded[1 - KEPT_HINTS :], (hint, hint_kind, found)]
        return found

    def __call__(
        self, x: Tensor, timesteps: Tensor, context: Tensor, hint: Tensor, vector: Tensor | None = None, hint_kind: int | None = None
    ) -> Residuals:
        """x: (R, C, h, w) as the UNet sees it; context (R, T, width); vector: SDXL's size and pooled text embedding, (R, V).

        hint_kind: which of a union network's kinds the hint is, None where that is not known.
        """
        encoded = self.encoded(hint, hint_kind)
        if self.kind is ControlKind.T2I_ADAPTER:
            return Residuals(inside=tuple(encoded), levels=self.levels)
        labels = None if vector is None else vector.to(self.dtype)
        if labels is not None and self.hint_kinds:
            told = torch.zeros(self.hint_kinds, device=labels.device, dtype=labels.dtype)
            if hint_kind is not None:
                told[hint_kind] = 1.0
            labels = torch.cat([labels, told.expand(len(labels), -1)], dim=1)
        with self._on_device():
            down, middle = self.module(
                x[:, : self.in_channels].to(self.dtype), timesteps, encoder_hidden_states=context.to(self.dtype), controlnet_cond=encoded,
                class_labels=labels, return_dict=False,
            )  # fmt: skip
        return Residuals(skips=(*down, middle))

    @contextmanager
    def _on_device(self) -> Iterator[None]:
        with ExitStack() as stack:
            if self.shares_weights and self.base is not None:
                stack.enter_context(self.placement.resident(self.base))
            stack.enter_context(self.placement.beside(self.module, leaves=self.leaves))
            yield
