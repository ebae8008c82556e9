"""Noise is A1111's noise, image by image, from each of its three sources."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from modules.compute.noise import ImageNoise, NoiseSpec, Stream, centred, slerp
from modules.compute.rng_philox import Philox
from tests.golden.cases import Case, cases

NOISE_CASES = [case for case in cases() if "noise" in case.arrays and case.name.startswith(("seed-", "rng-", "size-"))]


def spec_of(case: Case) -> NoiseSpec:
    request = case.request
    strength, count = request.get("subseed_strength", 0), request["batch_size"]
    return NoiseSpec(
        shape=(4, request["height"] // 8, request["width"] // 8),
        seeds=tuple(request["seed"] + (0 if strength else index) for index in range(count)),
        variation_seeds=tuple(request.get("subseed", 0) + index for index in range(count)),
        variation_strength=strength,
        resize_from=(request.get("seed_resize_from_h", 0) // 8, request.get("seed_resize_from_w", 0) // 8),
        source=request["override_settings"]["randn_source"],
    )


@pytest.mark.golden
@pytest.mark.parametrize("case", NOISE_CASES, ids=str)
def test_start_noise_is_a1111s_bit_for_bit(case: Case) -> None:
    assert np.array_equal(ImageNoise(spec_of(case)).first().numpy(), case.arrays["noise"])


def spec(*seeds: int, **more: object) -> NoiseSpec:
    return NoiseSpec(shape=(4, 8, 6), seeds=seeds, variation_seeds=tuple(seed + 100 for seed in seeds), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["CPU", "GPU", "NV"])
def test_an_image_does_not_depend_on_its_neighbours(source: str) -> None:
    batch, alone = ImageNoise(spec(5, 6, 7, source=source)), ImageNoise(spec(6, source=source))
    for draw in ("first", "next", "next"):
        assert torch.equal(getattr(batch, draw)()[1:2], getattr(alone, draw)())


def test_philox_is_cudas_stream() -> None:
    """The first numbers of torch.randn(4, device="cuda") after manual_seed(0), published in PyTorch's forum and by many users."""
    assert Philox(0).randn((4,)).tolist() == pytest.approx([-0.9247, -0.4253, -2.6438, 0.1452], abs=1e-4)


def test_philox_draws_are_normal_and_go_on() -> None:
    stream = Philox(2**40 + 3)
    first, second = stream.randn((100, 100)), stream.randn((100, 100))
    assert not torch.equal(first, second)
    assert abs(float(first.mean())) < 0.03
    assert float(first.std()) == pytest.approx(1, abs=0.03)


def test_ensd_changes_what_follows_the_start_noise_only() -> None:
    plain, shifted = ImageNoise(spec(5)), ImageNoise(spec(5, ensd=31337))
    assert torch.equal(plain.first(), shifted.first())
    assert torch.equal(shifted.next(), Stream(5 + 31337, "CPU").randn((4, 8, 6))[None])


def test_variation_strength_one_is_the_variation_seed() -> None:
    """Near enough: the sphere's end is reached to rounding."""
    varied = ImageNoise(spec(5, variation_strength=1.0)).first()
    assert torch.allclose(varied, ImageNoise(spec(105)).first(), atol=1e-4)


def test_slerp_keeps_the_length_of_the_noise() -> None:
    low, high = torch.randn(4, 64, 64), torch.randn(4, 64, 64)
    assert float(slerp(0.5, low, high).std()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("patch", [(4, 4), (5, 3), (10, 12), (11, 2), (8, 6)])
def test_the_middle_of_a_patch_lands_in_the_middle(patch: tuple[int, int]) -> None:
    marked = centred(torch.ones(1, *patch), torch.zeros(1, 8, 6))[0]
    assert int(marked.sum()) in range(min(patch[0], 8) * min(patch[1], 6) - 8, min(patch[0], 8) * min(patch[1], 6) + 1)
    assert marked[4, 3] == 1


def test_seeds_outside_of_64_bits_work() -> None:
    for seed in (-5, 2**64 + 3, -(2**70)):
        assert torch.isfinite(Stream(seed, "CPU").randn((2,))).all()
        assert torch.isfinite(Stream(seed, "NV").randn((2,))).all()
