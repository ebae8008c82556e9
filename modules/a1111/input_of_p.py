"""``p.init_latent`` of img2img, and a replaced ``p.init``."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from modules.a1111.by_hand import replacement, trouble_of


class InputOfP:
    """What a run begins with. Once a run, when that is there, ``p.init`` is called where an extension put its own."""

    def __init__(self, p: Any) -> None:
        self._p = p
        self._shown: Tensor | None = None
        self._is_called = False

    def begin(self) -> None:
        """Nothing more comes."""
        p, function = self._p, replacement(self._p, "init")
        if self._is_called or function is None:
            return
        self._is_called = True
        with trouble_of(function, "p.init", p):
            function(p.all_prompts, p.all_seeds, p.all_subseeds)

    def show(self, latents: Tensor) -> None:
        """What the run begins with is there, before its first batch: scripts find it, and what they put in its place is taken."""
        p = self._p
        p.init_latent = self._shown = latents
        if not p.is_using_inpainting_conditioning:
            p.image_conditioning = latents.new_zeros(len(latents), 5, 1, 1)      # A1111's nothing, for a model that reads no picture

    def taken(self, latents: Tensor) -> Tensor:
        """``latents`` of a batch (B, C, h, w), or what was put on ``p.init_latent`` in their place since the run began."""
        if not self._is_other(latents):
            self._p.init_latent = self._shown = latents
        self.begin()
        return self._p.init_latent if self._is_other(latents) else latents

    def _is_other(self, latents: Tensor) -> bool:
        now = self._p.init_latent
        return self._shown is not None and now is not self._shown and isinstance(now, Tensor) and now.shape == latents.shape
