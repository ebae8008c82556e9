"""Callbacks of DDIM and its like are handed what A1111 hands them: latents in the model's range, timesteps, noise; and what they change acts as there."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from modules.a1111 import callbacks
from modules.a1111.state import state
from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.schema.request import Txt2ImgRequest
from tests.a1111.golden_app import golden_app, take_script

pytestmark = pytest.mark.golden
SCRIPT = Path(__file__).parents[1] / "extensions" / "every-hook" / "scripts" / "every_hook.py"
SMALL = {"prompt": "a cat", "negative_prompt": "blurry", "steps": 4, "width": 64, "height": 64, "seed": 5}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with golden_app(tmp_path_factory.mktemp("timesteps")) as app:
        take_script(app, SCRIPT)
        yield app


def drawn(app: App, **values: Any) -> bytes:
    return generate_blocking(app, Txt2ImgRequest.from_flat(SMALL | values)).images[0].picture.tobytes()


@contextmanager
def heard(**by_callback: Callable[[Any], None]) -> Iterator[None]:
    for name, function in by_callback.items():
        getattr(callbacks, f"on_{name}")(function)
    try:
        yield
    finally:
        for function in by_callback.values():
            callbacks.remove_callbacks_for_function(function)


@pytest.mark.parametrize("sampler", ["DDIM", "DDIM CFG++", "PLMS", "UniPC"])
def test_they_are_told_timesteps_and_noise_and_the_picture_stays(app: App, sampler: str) -> None:
    seen: list[Any] = []
    agree: list[bool] = []

    def before(params: Any) -> None:
        seen.append((params.x.clone(), params.sigma.clone()))

    def after(params: Any) -> None:
        x, timesteps = seen[-1]
        alpha = params.inner_model.inner_model.alphas_cumprod[timesteps.long()][:, None, None, None]
        clean = (x - (1 - alpha).sqrt() * params.x) / alpha.sqrt()
        after.clean = clean[:1]         # type: ignore[attr-defined]

    def result(params: Any) -> None:
        if sampler != "UniPC":          # asks between timesteps
            agree.append(torch.allclose(state.current_latent, after.clean, rtol=1e-3, atol=2e-3))       # type: ignore[attr-defined]

    plain = drawn(app, sampler_name=sampler)
    with heard(cfg_denoiser=before, cfg_denoised=after, cfg_after_cfg=result):
        assert drawn(app, sampler_name=sampler) == plain
    assert all(agree)
    if sampler == "DDIM":
        assert [float(timesteps[0]) for _, timesteps in seen] == [751, 501, 251]        # A1111's last step goes from there to the end
    assert 0.8 < float(seen[0][0].std()) < 1.2


@pytest.mark.parametrize("deep", [False, True])
def test_the_model_can_be_asked_once_more_at_a_timestep(app: App, deep: bool) -> None:
    """What it answers is the noise of that call. deep: a list in the list, which A1111 does not open where the model reads no picture (SAG)."""
    given: list[Any] = []
    differences: list[float] = []

    def before(params: Any) -> None:
        given[:] = [params.x.clone(), params.sigma, torch.cat([params.text_cond, params.text_uncond]), params.image_cond]

    def after(params: Any) -> None:
        x, timesteps, text, picture = given
        again = params.inner_model(x, timesteps, cond={"c_crossattn": [text], "c_concat": [[picture]] if deep else [picture]})
        differences.append(float((again - params.x).abs().max()))

    with heard(cfg_denoiser=before, cfg_denoised=after):
        drawn(app, sampler_name="DDIM")
    assert max(differences) < 1e-3


@pytest.mark.parametrize("callback", ["cfg_denoised", "cfg_after_cfg"])
def test_no_noise_at_all_leaves_what_the_sampler_has(app: App, callback: str) -> None:
    """A1111's DDIM then only scales its latents, at each step by the same root: the start's noise is decoded."""
    def nothing(params: Any) -> None:
        params.x.mul_(0)

    latents: list[Any] = []
    names = app.scripts.host.txt2img.script("every hook").__class__.process.__globals__     # type: ignore[union-attr]
    names["acts"].update(process_before_every_sampling=lambda p, told: latents.append(told["x"].clone()), post_sample=lambda p, ps: latents.append(ps.samples.clone()))
    try:
        with heard(**{callback: nothing}):
            drawn(app, sampler_name="DDIM")
    finally:
        names["acts"].clear()
    start, end = latents
    ratio = end / start
    assert torch.allclose(ratio, ratio.mean(), rtol=1e-3) and float(ratio.mean()) > 1


def test_a_changed_input_changes_what_the_model_sees_and_not_what_the_sampler_goes_on_from(app: App) -> None:
    def nothing(params: Any) -> None:
        params.x = params.x * 0.9

    def no_noise(params: Any) -> None:
        params.x.mul_(0)

    with heard(cfg_after_cfg=no_noise):
        without = drawn(app, sampler_name="DDIM")
    with heard(cfg_denoiser=nothing, cfg_after_cfg=no_noise):
        assert drawn(app, sampler_name="DDIM") == without
