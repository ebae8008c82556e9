"""``post_sample``: what a batch has come to, as A1111 hands it to scripts, and what they left of it."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from modules.a1111.script import PostSampleArgs
from modules.engine.hooks import Decode
from modules.engine.pass_outcome import PassOutcome


class DecodedSamples(list[Tensor]):
    """Pictures (3, H, W) in -1 .. 1 where latents would be expected."""

    already_decoded = True


def post_sampled(p: Any, outcome: PassOutcome, decode: Decode, *, is_second: bool) -> PassOutcome:
    """Scripts are handed latents (B, C, h, w), after a hires pass DecodedSamples; they may leave either. Raises TypeError for anything else."""
    own, whole = outcome.pixels, outcome.whole
    if own is None and is_second:
        decoded, whole = decode()
        own = tuple(decoded)
    handed = None if own is None else DecodedSamples(each.cpu() * 2 - 1 for each in own)
    before = None if handed is None else [each.clone() for each in handed]
    ps = PostSampleArgs(outcome.latents if handed is None else handed)
    p.scripts.post_sample(p, ps)
    found = ps.samples
    if getattr(found, "already_decoded", False):
        known = [] if own is None or before is None else list(zip(before, own))
        return replace(outcome, pixels=tuple(_in_our_range(each, known) for each in found), whole=whole if found is handed else None)
    if not isinstance(found, Tensor) or found.ndim != 4:
        raise TypeError(f"they are latents (B, C, h, w), or pictures as DecodedSamples, not {type(found).__name__}")
    return outcome.with_latents(found)


def _in_our_range(picture: Tensor, known: list[tuple[Tensor, Tensor]]) -> Tensor:
    """In 0 .. 1, to the last bit what it was where nobody changed it."""
    found = next((own.cpu() for before, own in known if before.shape == picture.shape and torch.equal(before, picture)), None)
    return ((picture.float().cpu() + 1) / 2 if found is None else found).clamp(0, 1)
