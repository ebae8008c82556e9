"""How large the second pass is: A1111's rule, by hand-worked cases."""

from __future__ import annotations

import pytest

from modules.engine.hires import hires_sampler, hires_size, hires_steps, with_first_pass_size
from modules.engine.resolved import ResolvedHires, ResolvedRequest, SamplingOptions
from modules.schema.errors import InvalidValue


def request(width: int = 512, height: int = 768, **hires: object) -> ResolvedRequest:
    return ResolvedRequest(width=width, height=height, steps=20, hires=ResolvedHires(enabled=True, **hires))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "enlarged", "cells"),
    [
        ({"scale": 2.0}, (1024, 1536), (192, 128)),
        ({"scale": 1.55}, (793, 1190), (148, 99)),
        ({"resize_width": 1024}, (1024, 1536), (192, 128)),
        ({"resize_height": 1024}, (682, 1024), (128, 85)),
        ({"resize_width": 1024, "resize_height": 1536}, (1024, 1536), (192, 128)),
        ({"resize_width": 1024, "resize_height": 1024}, (1024, 1536), (128, 128)),      # rows cut off
        ({"resize_width": 512, "resize_height": 1536}, (1024, 1536), (192, 64)),        # columns cut off
    ],
)
def test_sizes(asked: dict[str, object], enlarged: tuple[int, int], cells: tuple[int, int]) -> None:
    size = hires_size(request(**asked))
    assert (size.enlarged, size.cells) == (enlarged, cells)


def test_the_old_form_draws_the_first_pass_small() -> None:
    old = ResolvedRequest(width=1024, height=1536, hires=ResolvedHires(enabled=True), options=SamplingOptions(use_old_hires_size=True))
    found = with_first_pass_size(old)
    assert (found.width, found.height) == (448, 640)
    assert hires_size(found).cells == (1536 // 8, 1024 // 8)
    assert with_first_pass_size(found) == found


def test_a_second_pass_without_pixels_is_refused() -> None:
    with pytest.raises(InvalidValue, match="width"):
        with_first_pass_size(request(64, 64, scale=0.05))


def test_what_is_not_said_is_the_first_passs() -> None:
    plain = request()
    assert (hires_sampler(plain), hires_steps(plain)) == (("DPM++ 2M", "Automatic"), 20)
    assert hires_sampler(request(sampler_name="Euler a Karras")) == ("Euler a", "Karras")
    assert hires_steps(request(steps=7)) == 7


def test_a_size_that_stretches_is_met_as_it_is() -> None:
    size = hires_size(ResolvedRequest(width=64, height=64, hires=ResolvedHires(enabled=True, resize_width=128, resize_height=96, stretched=(0, 2))))
    assert (size.enlarged, size.cut) == ((128, 96), (0, 2))
