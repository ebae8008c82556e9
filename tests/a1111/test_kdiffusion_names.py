"""k_diffusion.sampling's functions, against the formulas and against the engine's own."""
from __future__ import annotations

from typing import Any

import pytest
import torch

from modules.a1111.attention_names import efficient_dot_product_attention, sub_quad_attention
from modules.a1111.kdiffusion_names import (
    SAMPLERS,
    SAMPLING,
    BrownianTreeNoiseSampler,
    engine_name,
    get_ancestral_step,
    restart_sampler,
    sample_lcm,
    to_d,
)

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


@pytest.mark.parametrize("sampler", [restart_sampler, sample_lcm])
def test_a1111s_own_samplers_arrive_there_too(sampler: Any) -> None:
    found = sampler(model, torch.randn(2, 4, 4, 4) * 14.6, SAMPLING["get_sigmas_karras"](8, 0.03, 14.6), disable=True)
    assert torch.allclose(found, GOAL.expand_as(found), atol=1e-4)


def test_attention_for_extensions_own_layers() -> None:
    q, k, v = torch.randn(6, 40, 8), torch.randn(6, 77, 8), torch.randn(6, 77, 8)
    expected = torch.softmax(q @ k.transpose(1, 2) * 8**-0.5, dim=-1) @ v
    assert torch.allclose(sub_quad_attention(q, k, v, q_chunk_size=16, chunk_threshold=0, use_checkpoint=False), expected, atol=1e-5)
    assert torch.allclose(efficient_dot_product_attention(q, k, v, query_chunk_size=16, kv_chunk_size=None), expected, atol=1e-5)


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
