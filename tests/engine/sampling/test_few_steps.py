"""Every sampler and every schedule gives a picture with one step, and with so little strength that hardly a step is left."""
from __future__ import annotations

from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest
from PIL import Image

from modules.engine.generate import generate
from modules.engine.resolved import PreviewOptions, ResolvedHires, ResolvedInit, ResolvedRequest, SamplingOptions
from modules.engine.sampler_registry import samplers, schedules
from tests.golden.stages import components, policy
from tests.short_form import one_in

pytestmark = pytest.mark.golden
ASKED = ResolvedRequest(
    prompt="a cat", width=16, height=16, steps=1, seed=5, options=SamplingOptions(noise_source="CPU"), preview=PreviewOptions(every_steps=0)
)
GREY = ResolvedInit(pictures=(Image.new("RGB", (16, 16), (90, 120, 150)),))
ADAPTIVE = "DPM adaptive"       # takes thousands of steps of its own on weights that know nothing; tests/engine/passes/test_whole_passes.py has one step of it
PAIRS = [(sampler.name, schedule.label) for sampler, schedule in zip(samplers(), cycle(schedules())) if sampler.name != ADAPTIVE]


def drawn(request: ResolvedRequest) -> np.ndarray:
    return np.asarray(generate(request, components(), policy=policy()).images[0].picture)


@pytest.mark.parametrize(("sampler", "schedule"), PAIRS)
def test_one_step_is_a_picture(sampler: str, schedule: str) -> None:
    assert drawn(replace(ASKED, sampler_name=sampler, schedule_name=schedule)).shape == (16, 16, 3)


@pytest.mark.parametrize("sampler", one_in(3, [spec.name for spec in samplers()]))
def test_hardly_any_strength_is_a_picture(sampler: str) -> None:
    request = replace(ASKED, sampler_name=sampler, steps=3)
    for strength in (0.0, 0.3):
        assert drawn(replace(request, init=GREY, denoising_strength=strength)).shape == (16, 16, 3)
    if sampler != ADAPTIVE:
        assert drawn(replace(request, hires=ResolvedHires(enabled=True, scale=1.5, upscaler="Latent"), denoising_strength=0.0)).shape == (24, 24, 3)
