"""What a run really did, in the order in which A1111's "parameters" text names it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

METADATA_KEY = "fact"


def fact(default: Any, infotext: str, *, unless: tuple[Any, ...] = (None,)) -> Any:
    """A field of RunFacts: its infotext key, and the values that are not worth a word."""
    return field(default=default, metadata={METADATA_KEY: (infotext, unless)})


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """The facts of one picture. The order of the fields is the order of the text; None is never written.

    size and seed_resize_from: "WIDTHxHEIGHT" in pixels, as asked, not rounded. Settings that stand at A1111's
    default (clip skip 1, RNG GPU ...) stay unwritten. extra: what samplers, hires fix, scripts and extensions add,
    in their order.
    """

    steps: int = fact(20, "Steps")
    sampler: str = fact("", "Sampler", unless=("",))
    schedule: str | None = fact(None, "Schedule type", unless=(None, ""))
    guidance_scale: float = fact(7.0, "CFG scale")
    image_guidance_scale: float | None = fact(None, "Image CFG scale")
    seed: int = fact(-1, "Seed")
    face_restoration: str | None = fact(None, "Face restoration", unless=(None, ""))
    size: str = fact("512x512", "Size")
    model_hash: str | None = fact(None, "Model hash", unless=(None, ""))
    model_name: str | None = fact(None, "Model", unless=(None, ""))
    fp8_weight: str | None = fact(None, "FP8 weight", unless=(None, "", "Disable"))
    vae_hash: str | None = fact(None, "VAE hash", unless=(None, ""))
    vae_name: str | None = fact(None, "VAE", unless=(None, ""))
    variation_seed: int | None = fact(None, "Variation seed")
    variation_strength: float | None = fact(None, "Variation seed strength", unless=(None, 0))
    seed_resize_from: str | None = fact(None, "Seed resize from")
    denoising_strength: float | None = fact(None, "Denoising strength")
    conditional_mask_weight: float | None = fact(None, "Conditional mask weight")
    clip_skip: int = fact(1, "Clip skip", unless=(-1, 0, 1))
    ensd: int | None = fact(None, "ENSD", unless=(None, 0))
    token_merging_ratio: float = fact(0.0, "Token merging ratio", unless=(0,))
    token_merging_ratio_hires: float = fact(0.0, "Token merging ratio hr", unless=(0,))
    init_image_hash: str | None = fact(None, "Init image hash", unless=(None, ""))
    noise_source: str = fact("GPU", "RNG", unless=("GPU",))
    tiling: bool = fact(False, "Tiling", unless=(False,))
    extra: Mapping[str, object] = field(default_factory=dict)
    version: str | None = fact(None, "Version", unless=(None, ""))
    user: str | None = fact(None, "User", unless=(None, ""))

    def fields(self) -> dict[str, object]:
        """The facts by infotext key, in order, without those that go unsaid."""
        named: dict[str, object] = {}
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if each.name == "extra":
                named.update({key: inner for key, inner in value.items() if inner is not None})
                continue
            key, unless = each.metadata[METADATA_KEY]
            if value not in unless and key not in named:
                named[key] = value
        if self.variation_strength in (None, 0):
            named.pop("Variation seed", None)
        return named
