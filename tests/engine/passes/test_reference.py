"""Laws of reference units."""

from __future__ import annotations

import pytest
import torch

from modules.compute.noise import Stream
from modules.engine.control import Beginning, Emphasis, Evaluation
from modules.engine.reference import ReferenceUnit, referring
from tests.golden import stages

SIGMA = 2.0


def evaluation(rows: int = 2) -> Evaluation:
    generator = torch.Generator().manual_seed(3)
    width = stages.components().unet.config.cross_attention_dim
    marks = torch.tensor([1.0, 0.0]).view(2, 1, 1, 1)[:rows]
    return Evaluation(x=torch.randn(rows, 4, 8, 8, generator=generator), timesteps=torch.full((rows,), 500.0), vector=None, is_cond=marks, sigma=SIGMA,
                      context=torch.randn(rows, 77, width, generator=generator))


def unit(**changes: object) -> ReferenceUnit:
    given = ReferenceUnit(picture=torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)), **{"attention": True, "statistics": True, **changes})  # type: ignore[arg-type]
    return given.prepared(Beginning(encode=lambda picture: picture[:, :1, ::8, ::8].repeat(1, 4, 1, 1), stream=Stream(7, "CPU")))


def predicted(units: list[ReferenceUnit]) -> torch.Tensor:
    unet, call = stages.components().unet, evaluation()
    inputs = {"timestep": call.timesteps, "encoder_hidden_states": call.context, "added_cond_kwargs": None, "return_dict": False}
    with torch.no_grad(), referring(unet, units, call, **inputs):
        return unet(call.x, **inputs)[0]


def test_weight_zero_draws_as_without_a_unit() -> None:
    torch.testing.assert_close(predicted([unit(weight=0.0)]), predicted([]), rtol=0, atol=0)


def test_the_unet_is_left_as_it_was() -> None:
    before = predicted([])
    predicted([unit()])
    torch.testing.assert_close(predicted([]), before, rtol=0, atol=0)


@pytest.mark.parametrize("kind", [{"attention": True, "statistics": False}, {"attention": False, "statistics": True}])
def test_full_fidelity_lets_the_rows_without_prompt_alone(kind: dict[str, bool]) -> None:
    plain, shown = predicted([]), predicted([unit(emphasis=Emphasis.CONTROL, **kind)])
    assert (shown[0] - plain[0]).abs().max() > 1e-4
    torch.testing.assert_close(shown[1], plain[1], rtol=1e-4, atol=1e-5)


def test_a_picture_is_made_as_noisy_as_the_one_being_drawn() -> None:
    noisy = unit().noisy(evaluation())
    assert noisy.shape == (2, 4, 8, 8)
    assert float(noisy.std()) == pytest.approx(SIGMA / (1 + SIGMA**2) ** 0.5, rel=0.2)
