"""k_diffusion.sampling's functions, against the formulas and against the engine's own."""
from __future__ import annotations

from typing import Any

import pytest
import torch

from modules.a1111.kdiffusion_names import SAMPLERS, SAMPLING, BrownianTreeNoiseSampler, engine_name, get_ancestral_step, to_d

GOAL = torch.tensor([0.5, -1.0]).view(2, 1, 1, 1)


def model(x: torch.Tensor, sigma: torch.Tensor, *, scale: float = 1.0) -> torch.Tensor:
    """A model that always sees the same clean latents."""
    assert sigma.shape == (len(x),)
    return GOAL.expand_as(x) * scale


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_every_sampler_arrives_where_the_model_points(name: str) -> None:
    sigmas = SAMPLING["get_sigmas_karras"](8, 0.03, 14.6)
    told: list[dict[str, Any]] = []
    found = SAMPLERS[name](model, torch.randn(2, 4, 4, 4) * 14.6, sigmas, extra_args={"scale": 2.0}, callback=told.append, disable=True)
    assert torch.allclose(found, (GOAL * 2).expand_as(found), atol=1e-4)
    assert [each["i"] for each in told][:8] == list(range(8)) and set(told[0]) == {"x", "i", "sigma", "sigma_hat", "denoised"}
    assert engine_name(SAMPLERS[name]) is not None and engine_name(model) is None


def test_schedules() -> None:
    karras, exponential = SAMPLING["get_sigmas_karras"](3, 1.0, 9.0, rho=1.0), SAMPLING["get_sigmas_exponential"](3, 1.0, 100.0)
    assert torch.allclose(karras, torch.tensor([9.0, 5.0, 1.0, 0.0])) and torch.allclose(exponential, torch.tensor([100.0, 10.0, 1.0, 0.0]))
    assert torch.allclose(SAMPLING["get_sigmas_polyexponential"](3, 1.0, 100.0, 2.0), torch.tensor([100.0, 100.0**0.25, 1.0, 0.0]))
    assert torch.equal(SAMPLING["get_sigmas_karras"](3, 1.0, 9.0, device="cuda").cpu(), SAMPLING["get_sigmas_karras"](3, 1.0, 9.0)), "where there is none"
    assert 150 < float(SAMPLING["get_sigmas_vp"](4)[0]) < 155


def test_steps_arithmetic() -> None:
    down, up = get_ancestral_step(torch.tensor(4.0), torch.tensor(2.0))
    assert abs(float(down) ** 2 + float(up) ** 2 - 4) < 1e-5 and get_ancestral_step(4.0, 2.0, eta=0) == (2.0, 0.0)
    assert torch.equal(to_d(torch.full((1, 1, 1, 1), 5.0), torch.tensor([2.0]), torch.ones(1, 1, 1, 1)), torch.full((1, 1, 1, 1), 2.0))


@pytest.mark.parametrize("seed", [None, 7, [7, 8]])
def test_the_tree_gives_the_same_noise_for_the_same_step(seed: Any) -> None:
    x = torch.zeros(2, 4, 16, 16)
    tree = BrownianTreeNoiseSampler(x, 0.1, 10.0, seed=seed)
    first = tree(torch.tensor(5.0), torch.tensor(2.0))
    assert first.shape == x.shape and torch.equal(first, tree(torch.tensor(5.0), torch.tensor(2.0))) and 0.9 < float(first.std()) < 1.1
    assert not torch.equal(first, tree(torch.tensor(2.0), torch.tensor(1.0))) and not torch.equal(first[0], first[1])
