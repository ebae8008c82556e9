"""Noise for a batch: each image has its own generator, so that a picture does not depend on its neighbours."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from modules.compute.rng_philox import Philox

NoiseSource = Literal["CPU", "GPU", "NV"]


class Stream:
    """One seeded stream of normal numbers.

    source: "CPU" torch's CPU generator, "GPU" the generator of ``device``, "NV" CUDA's numbers computed anywhere.
    Numbers arrive as float32 on ``device``.
    """

    def __init__(self, seed: int, source: NoiseSource, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        self._philox = Philox(seed) if source == "NV" else None
        # Apple's generator gives other numbers on each system version: A1111 draws on the CPU there too.
        draws_on = self._device if source == "GPU" and self._device.type != "mps" else torch.device("cpu")
        self._generator = torch.Generator(draws_on).manual_seed(as_torch_seed(seed))

    def copy(self) -> Stream:
        """One that gives the same numbers from here on."""
        other = copy.copy(self)
        other._philox = copy.copy(self._philox)
        other._generator = torch.Generator(self._generator.device)
        other._generator.set_state(self._generator.get_state())
        return other

    def randn(self, shape: Sequence[int]) -> Tensor:
        """The next tensor of ``shape`` from N(0, 1)."""
        if self._philox is not None:
            return self._philox.randn(shape).to(self._device)
        numbers = torch.randn(tuple(shape), generator=self._generator, device=self._generator.device, dtype=torch.float32)
        return numbers.to(self._device)


def as_torch_seed(seed: int) -> int:
    """Torch refuses seeds outside of 64 bits; those keep their low 64 bits."""
    return seed if -(2**63) <= seed < 2**64 else seed & (2**64 - 1)


@dataclass(frozen=True, kw_only=True)
class NoiseSpec:
    """What fixes the noise of one batch.

    shape: (C, h, w) of one latent. seeds, variation_seeds: one per image.
    variation_strength: 0 gives the seed's noise, 1 the variation seed's.
    resize_from: (h, w) in latent cells of the picture whose composition is wanted; (0, 0) is off.
    ensd: added to the seed for all noise after the first.
    by_patches: drawn as (4 * C, h / 2, w / 2), each patch of two by two cells as one: as other programs draw FLUX.2's, whose seeds then mean the same.
    """

    shape: tuple[int, int, int]
    seeds: tuple[int, ...]
    variation_seeds: tuple[int, ...]
    variation_strength: float = 0.0
    resize_from: tuple[int, int] = (0, 0)
    ensd: int = 0
    source: NoiseSource = "CPU"
    device: str = "cpu"
    by_patches: bool = False


class ImageNoise:
    """Start noise and step noise of one batch, drawn in the order in which A1111 draws it."""

    def __init__(self, spec: NoiseSpec) -> None:
        self.spec = spec
        self._streams = self._fresh_streams(0)

    def first(self) -> Tensor:
        """The start noise (B, C, h, w); call it once, before ``next``."""
        spec = self.spec
        images = [self._start(index, stream) for index, stream in enumerate(self._streams)]
        if spec.ensd:
            self._streams = self._fresh_streams(spec.ensd)
        return torch.stack(images)

    def next(self) -> Tensor:
        """Fresh noise (B, C, h, w) for one step, each image from its own stream."""
        return torch.stack([self._drawn(stream, self.spec.shape) for stream in self._streams])

    def copy(self) -> ImageNoise:
        """One that gives the same noise from here on."""
        other = copy.copy(self)
        other._streams = [stream.copy() for stream in self._streams]
        return other

    def _fresh_streams(self, delta: int) -> list[Stream]:
        return [Stream(seed + delta, self.spec.source, self.spec.device) for seed in self.spec.seeds]

    def _start(self, index: int, stream: Stream) -> Tensor:
        spec = self.spec
        resized = min(spec.resize_from) > 0 and spec.resize_from != spec.shape[1:]
        drawn_shape = (spec.shape[0], *spec.resize_from) if resized else spec.shape
        noise = self._drawn(self._stream(spec.seeds[index]) if resized else stream, drawn_shape)
        if spec.variation_strength:
            variation = self._drawn(self._stream(spec.variation_seeds[index]), drawn_shape)
            noise = slerp(spec.variation_strength, noise, variation)
        return centred(noise, self._drawn(stream, spec.shape)) if resized else noise

    def _drawn(self, stream: Stream, shape: tuple[int, int, int]) -> Tensor:
        if not self.spec.by_patches:
            return stream.randn(shape)
        channels, rows, columns = shape
        patches = stream.randn((channels * 4, -(-rows // 2), -(-columns // 2)))
        whole = patches.unflatten(0, (channels, 2, 2)).permute(0, 3, 1, 4, 2).flatten(3, 4).flatten(1, 2)
        return whole[:, :rows, :columns].contiguous()

    def _stream(self, seed: int) -> Stream:
        return Stream(seed, self.spec.source, self.spec.device)


def slerp(strength: float, low: Tensor, high: Tensor) -> Tensor:
    """Go from ``low`` (strength 0) to ``high`` (1) on the sphere, per row of the last axis but one.

    Straight mixing where the two point the same way (A1111's limit: cosine above 0.9995 on average).
    """
    cosine = ((low / torch.norm(low, dim=1, keepdim=True)) * (high / torch.norm(high, dim=1, keepdim=True))).sum(1)
    if cosine.mean() > 0.9995:
        return low * (1.0 - strength) + high * strength
    angle = torch.acos(cosine)
    sine = torch.sin(angle)
    low_part = (torch.sin((1.0 - strength) * angle) / sine).unsqueeze(1) * low
    high_part = (torch.sin(strength * angle) / sine).unsqueeze(1) * high
    return low_part + high_part


def centred(patch: Tensor, canvas: Tensor) -> Tensor:
    """``canvas`` (C, h, w) with the middle of ``patch`` in its middle, cropped where the patch is larger."""
    result = canvas.clone()
    (top, patch_top, height), (left, patch_left, width) = (_overlap(canvas.shape[axis], patch.shape[axis]) for axis in (1, 2))
    result[:, top : top + height, left : left + width] = patch[:, patch_top : patch_top + height, patch_left : patch_left + width]
    return result


def _overlap(canvas: int, patch: int) -> tuple[int, int, int]:
    """(start in canvas, start in patch, length) along one axis."""
    margin = (canvas - patch) // 2
    if margin >= 0:
        return margin, 0, patch
    return 0, -margin, patch + 2 * margin
