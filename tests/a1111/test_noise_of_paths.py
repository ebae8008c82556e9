"""``p.sampler.create_noise_sampler``: what the SDE samplers' steps draw, to be asked and to be replaced."""
from __future__ import annotations

from typing import Any

import torch

from modules.application.app import App
from tests.a1111.test_changes_in_hooks import app, drawn, pixels, told

__all__ = ["app", "told"]


def test_it_gives_the_noise_of_each_pictures_seed(app: App, told: dict[str, Any]) -> None:
    """The numbers are A1111's own for seed 5."""
    asked: list[Any] = []

    def ask(p: Any, handed: Any) -> None:
        noise = p.sampler.create_noise_sampler(handed["x"], torch.tensor([0.1, 0.5, 10.0]), p)
        asked.append(noise(torch.tensor(9.0), torch.tensor(5.0)))

    told["acts"]["process_before_every_sampling"] = ask
    drawn(app, sampler_name="DPM++ SDE", batch_size=2)
    assert asked[0].shape == (2, 4, 8, 8) and torch.allclose(asked[0][0].flatten()[:3], torch.tensor([-0.87764, 1.03030, -0.05523]), atol=1e-4)


def test_what_takes_its_place_is_what_sde_samplers_draw(app: App, told: dict[str, Any]) -> None:
    def put(p: Any, _: Any) -> None:
        p.sampler.create_noise_sampler = lambda x, sigmas, p: lambda sigma, sigma_next: torch.full_like(x, 0.3 * float(sigma > sigma_next))

    usual = {name: drawn(app, sampler_name=name) for name in ("DPM++ 2M SDE", "Euler a")}
    told["acts"]["process_before_every_sampling"] = put
    found = {name: drawn(app, sampler_name=name) for name in usual}
    assert pixels(found["DPM++ 2M SDE"]) != pixels(usual["DPM++ 2M SDE"]) and pixels(found["Euler a"]) == pixels(usual["Euler a"])
    assert pixels(drawn(app, sampler_name="DPM++ 2M SDE", seed=77)) != pixels(found["DPM++ 2M SDE"])      # the start is the seed's
