"""Brownian noise is a function of (seed, sigma interval) and of nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from modules.engine.brownian import BrownianNoise, BrownianPath

LOW, HIGH = 0.0291675, 14.6146431


def randn(seed: int, shape: Sequence[int]) -> Tensor:
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed))


def noise(*seeds: int, size: int = 4) -> BrownianNoise:
    return BrownianNoise(shape=(4, size, size), sigma_min=LOW, sigma_max=HIGH, seeds=seeds, randn=randn)


def test_the_path_does_not_depend_on_what_was_asked_before() -> None:
    asked, fresh = noise(5), noise(5)
    for sigma in (3.0, 0.5, 11.2, 0.03):
        asked(sigma, sigma / 2 + 0.02)
    assert torch.equal(asked(7.25, 1.5), fresh(7.25, 1.5))


def test_increments_add_up() -> None:
    """Noise over [a, c], weighted by its width, is that over [a, b] and [b, c]: a finer schedule meets the same path."""
    path = noise(5)
    parts = path(9.0, 4.0) * math.sqrt(5.0) + path(4.0, 1.0) * math.sqrt(3.0)
    assert torch.allclose(path(9.0, 1.0) * math.sqrt(8.0), parts, atol=1e-5)


def test_images_have_their_own_paths() -> None:
    assert torch.equal(noise(5, 6)(9.0, 4.0)[1], noise(6)(9.0, 4.0)[0])


@pytest.mark.parametrize(("sigma", "sigma_next"), [(14.6, 9.0), (2.0, 1.9), (0.1, 0.03)])
def test_noise_is_standard_normal(sigma: float, sigma_next: float) -> None:
    drawn = noise(1, size=100)(sigma, sigma_next)
    assert float(drawn.mean()) == pytest.approx(0.0, abs=0.02)
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.02)


def test_going_up_is_going_down_with_the_other_sign() -> None:
    assert torch.equal(noise(5)(2.0, 1.0), -noise(5)(1.0, 2.0))


def test_sigmas_at_and_beyond_the_ends_are_allowed() -> None:
    path = BrownianPath(LOW, HIGH, (2,), 3, randn)
    assert torch.equal(path.value(LOW - 1), torch.zeros(2))
    assert torch.equal(path.value(HIGH + 1), path.value(HIGH))


def test_neighbouring_points_at_the_resolution_of_the_tree() -> None:
    """Six decimals: each point of the finest grid is found, and close points are close in value."""
    path = BrownianPath(0.0, 1.0, (64,), 3, randn)
    before = path.value(0.123456)
    for step in range(1, 8):
        assert float((path.value(0.123456 + step * 1e-6) - before).abs().max()) < 6e-3 * math.sqrt(step)


def test_the_numbers_stay() -> None:
    """The numbers of torchsde 0.2.6, which A1111 uses, for this seed and interval."""
    path = BrownianPath(0.0291675366461277, 14.614643096923828, (4, 12, 8), 12345, randn)
    step = path.value(14.614643096923828) - path.value(7.9029436111450195)
    assert step.flatten()[:4].tolist() == pytest.approx([-0.291095, 0.814779, 1.58652, 1.794311], abs=1e-5)
