"""A1111's ``rng``: noise by seed."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.device_names import get_optimal_device_name
from modules.compute.noise import ImageNoise, NoiseSource, NoiseSpec, Stream
from modules.compute.noise import slerp as _slerp

slerp = _slerp


def get_noise_source_type() -> NoiseSource:
    """The setting randn_source."""
    return current().settings.get("randn_source") if is_occupied() else "GPU"


def create_generator(seed: int) -> torch.Generator:
    device = "cpu" if get_noise_source_type() == "CPU" else get_optimal_device_name()
    return torch.Generator(device).manual_seed(int(seed))


def randn(seed: int, shape: Sequence[int], generator: Any = None) -> Tensor:
    return Stream(int(seed), get_noise_source_type(), get_optimal_device_name()).randn(tuple(shape))


def randn_local(seed: int, shape: Sequence[int]) -> Tensor:
    return randn(seed, shape)


def randn_without_seed(shape: Sequence[int], generator: torch.Generator | None = None) -> Tensor:
    device = generator.device if generator is not None else get_optimal_device_name()
    return torch.randn(tuple(shape), device=device, generator=generator)


def randn_like(x: Tensor) -> Tensor:
    return randn_without_seed(x.shape).to(x)


def manual_seed(seed: int) -> None:
    torch.manual_seed(int(seed))


class ImageRNG:
    """The noise of a batch: ``first`` to start from, ``next`` for each step."""

    def __init__(
        self, shape: Sequence[int], seeds: Sequence[int], subseeds: Sequence[int] | None = None, subseed_strength: float = 0.0,
        seed_resize_from_h: int = 0, seed_resize_from_w: int = 0,
    ) -> None:  # fmt: skip
        self.shape = tuple(int(each) for each in shape)
        self.seeds = list(seeds)
        self.subseeds = [*subseeds, *[0] * (len(self.seeds) - len(subseeds))] if subseeds else list(seeds)      # 0 for those missing, as in A1111
        self.subseed_strength = subseed_strength
        self.seed_resize_from_h = seed_resize_from_h
        self.seed_resize_from_w = seed_resize_from_w
        self.is_first = True
        self._noise = ImageNoise(NoiseSpec(
            shape=self.shape, seeds=tuple(map(int, self.seeds)), variation_seeds=tuple(map(int, self.subseeds)),  # type: ignore[arg-type]
            variation_strength=subseed_strength, resize_from=(max(0, seed_resize_from_h) // 8, max(0, seed_resize_from_w) // 8),
            ensd=int(current().settings.get("eta_noise_seed_delta") or 0) if is_occupied() else 0, source=get_noise_source_type(),
            device=get_optimal_device_name(), by_patches=_is_drawn_by_patches(self.shape)))

    def first(self) -> Tensor:
        return self._noise.first()

    def next(self) -> Tensor:
        if self.is_first:
            self.is_first = False
            return self.first()
        return self._noise.next()


def _is_drawn_by_patches(shape: Sequence[int]) -> bool:
    """Whether noise of this shape is for the loaded model, and that model's is."""
    model = current().checkpoints.components if is_occupied() else None
    return model is not None and model.family.latent.patched and len(shape) == 3 and shape[0] == model.family.latent.channels


def create_random_tensors(
    shape: Sequence[int], seeds: Sequence[int], subseeds: Sequence[int] | None = None, subseed_strength: float = 0.0, seed_resize_from_h: int = 0,
    seed_resize_from_w: int = 0, p: Any = None,
) -> Tensor:  # fmt: skip
    """The start noise of a batch."""
    return ImageRNG(shape, seeds, subseeds, subseed_strength, seed_resize_from_h, seed_resize_from_w).first()


def rng_of(p: Any) -> ImageRNG:
    """``p.rng`` of the batch whose seeds stand on ``p``."""
    model = current().checkpoints.components
    channels = 4 if model is None else model.family.latent.channels
    return ImageRNG((channels, int(p.height) // 8, int(p.width) // 8), p.seeds, p.subseeds, p.subseed_strength, p.seed_resize_from_h, p.seed_resize_from_w)


def replaced_rng(p: Any, own: ImageRNG | None) -> Any:
    """Another ``p.rng`` than the house's, where one was put there; else None."""
    now = p.rng
    return None if now is None or (now is own and not {"first", "next"} & set(vars(now))) else now


def replaced_noise(rng: Any, noise: Tensor) -> Tensor:
    """The start noise that a replaced ``p.rng`` gives, if it has the same shape; else ``noise``."""
    found = rng.next()
    return found if isinstance(found, Tensor) and found.shape == noise.shape else noise


class NoiseOfRng(ImageNoise):
    """Steps' noise of a replaced ``p.rng``, where its shape fits."""

    def __init__(self, rng: Any, own: ImageNoise) -> None:
        super().__init__(own.spec)
        self._rng, self._own = rng, own

    def next(self) -> Tensor:
        drawn, found = self._own.next(), self._rng.next()
        return found.to(drawn) if isinstance(found, Tensor) and found.shape == drawn.shape else drawn

    def copy(self) -> ImageNoise:
        return NoiseOfRng(self._rng, self._own.copy())
