"""What extensions replace in A1111's samplers acts in a real job, and a job without any of it is the same to the last bit."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio
import pytest
import torch
from PIL.Image import Image

from modules.a1111 import app_slot, sampler_list
from modules.a1111.kdiffusion import CFGDenoiser, CFGDenoiserKDiffusion, KDiffusionSampler
from modules.a1111.kdiffusion_names import SAMPLING
from modules.a1111.processing import StableDiffusionProcessingTxt2Img
from modules.a1111.script_host import install_scripts
from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.engine.sampler_registry import remove_added_samplers
from modules.schema.request import Txt2ImgRequest
from tests.golden.cases import data_dir
from tests.short_form import one_in


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    from modules.application.build import build_app
    from modules.schema.flags import parse_flags

    torch.set_num_threads(1)
    flags = ["--data-dir", str(tmp_path_factory.mktemp("live")), "--models-dir", str(data_dir() / "models"), "--no-half"]
    app = build_app(parse_flags(flags, {}).flags)
    with app_slot.occupied(app):
        yield app
    app.close()


def picture(app: App, **values: Any) -> Image:
    asked = {"prompt": "a cat", "negative_prompt": "blurry", "steps": 3, "width": 32, "height": 32, "seed": 5, "sampler_name": "Euler", **values}
    return generate_blocking(app, Txt2ImgRequest.from_flat(asked)).images[0].picture


@pytest.fixture(scope="module")
def plain(app: App) -> Callable[..., bytes]:
    """Pictures from before there were scripts."""
    found = {name: picture(app, sampler_name=name).tobytes() for name in ("Euler", "Heun", "DPM2", "LMS", "DDIM", "DPM++ 2M")}
    install_scripts(app, gradio.Blocks)
    return lambda name="Euler": found[name]


def troubles(app: App) -> list[str]:
    return [f"{each.owner} {each.place}: {each.sentence}" for each in app.extensions.troubles.found]


@pytest.mark.parametrize("name", one_in(2, ["Euler", "Heun", "DDIM", "LMS", "DPM2", "DPM++ 2M"]))
def test_without_a_patch_nothing_changes(app: App, plain: Callable[..., bytes], name: str) -> None:
    assert picture(app, sampler_name=name).tobytes() == plain(name)


def test_callback_state_hears_of_each_step_and_may_change_the_latent(app: App, plain: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[int, bool, str]] = []
    own = KDiffusionSampler.callback_state

    def state(self: Any, d: dict[str, Any]) -> Any:
        heard.append((d["i"], float(d["sigma"]) > 0 and d["x"].shape == d["denoised"].shape, type(self.p).__name__))
        d["x"][0][0] += self.strength
        return own(self, d)

    monkeypatch.setattr(KDiffusionSampler, "callback_state", state)
    monkeypatch.setattr(KDiffusionSampler, "strength", 0.0, raising=False)
    assert picture(app).tobytes() == plain()
    assert heard == [(n, True, StableDiffusionProcessingTxt2Img.__name__) for n in range(3)]
    monkeypatch.setattr(KDiffusionSampler, "strength", 0.5)
    assert picture(app).tobytes() != plain()


def test_combine_denoised_is_asked_in_place_of_guidance(app: App, plain: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    scales: list[float] = []

    def combine(self: Any, x_out: Any, conds_list: Any, uncond: Any, cond_scale: float) -> Any:
        scales.append(cond_scale)
        assert [len(each) for each in conds_list] == [1] and uncond.shape[0] == 1 and len(x_out) == 2
        return x_out[-1:].clone()                   # the unconditional prediction alone

    monkeypatch.setattr(CFGDenoiser, "combine_denoised", combine)
    found = picture(app).tobytes()
    assert scales == [7.0] * 3 and found != plain()
    assert picture(app, prompt="something else").tobytes() == found


def test_a_forward_around_the_old_one_sees_each_call(app: App, plain: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    own, seen = CFGDenoiser.forward, []

    def forward(self: Any, x: Any, sigma: Any, *rest: Any, **more: Any) -> Any:
        seen.append(float(sigma[0]))
        return own(self, x, sigma, *rest, **more)

    monkeypatch.setattr(CFGDenoiser, "forward", forward)
    assert picture(app).tobytes() == plain() and len(seen) == 3


def test_a_sampler_under_a_name_of_its_own_with_its_own_denoiser(app: App, plain: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of dynamic thresholding: the chosen sampler copied under another name, its denoiser exchanged."""
    used: list[str] = []

    class Custom(CFGDenoiserKDiffusion):
        def combine_denoised(self, x_out: Any, conds_list: Any, uncond: Any, cond_scale: float) -> Any:
            used.append(self.p.sampler_name)
            return super().combine_denoised(x_out, conds_list, uncond, cond_scale * 0.5)

    def constructor(model: Any) -> Any:
        made = sampler_list.all_samplers_map["Euler"].constructor(model)
        made.model_wrap_cfg = Custom(made)
        return made

    monkeypatch.setitem(sampler_list.all_samplers_map, "Euler_other", sampler_list.SamplerData("Euler_other", constructor, ["k_euler"], {}))
    host = app.scripts.host
    from modules.a1111.bridge import ScriptBridge

    before = ScriptBridge.before_batch

    def renamed(self: Any, plan: Any) -> Any:
        self.p.sampler_name = "Euler_other"
        return before(self, plan)

    monkeypatch.setattr(ScriptBridge, "before_batch", renamed)
    found = picture(app).tobytes()
    monkeypatch.undo()
    assert host is app.scripts.host and used == ["Euler_other"] * 3
    assert found != plain() and found == picture(app, cfg_scale=3.5).tobytes()


def test_a_sampler_that_an_extension_adds_can_be_chosen(app: App, plain: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def sample_mine(model: Any, x: Any, sigmas: Any, extra_args: Any = None, callback: Any = None, disable: Any = None) -> Any:
        for i in range(len(sigmas) - 1):
            denoised = model(x, sigmas[i] * x.new_ones([x.shape[0]]), **(extra_args or {}))
            callback({"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i], "denoised": denoised})
            x = x + (x - denoised) / sigmas[i] * (sigmas[i + 1] - sigmas[i])
        return x

    added = sampler_list.SamplerData("Mine", lambda model: KDiffusionSampler(sample_mine, model), ["k_mine"], {})
    monkeypatch.setattr(sampler_list, "all_samplers", [*sampler_list.all_samplers, added])
    monkeypatch.setitem(sampler_list.all_samplers_map, "Mine", added)
    sampler_list.take_up_added()
    try:
        outcome = generate_blocking(app, Txt2ImgRequest.from_flat(
            {"prompt": "a cat", "negative_prompt": "blurry", "steps": 3, "width": 32, "height": 32, "seed": 5, "sampler_name": "k_mine"}))
    finally:
        remove_added_samplers()
    near = max(abs(one - other) for one, other in zip(outcome.images[0].picture.tobytes(), plain()))
    assert near <= 2 and "Sampler: Mine" in outcome.images[0].infotext


def test_a_sampler_of_an_extension_steps_along_the_prediction_without_the_prompt(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def sample_cfgpp(model: Any, x: Any, sigmas: Any, extra_args: Any = None, callback: Any = None, disable: Any = None) -> Any:
        model.need_last_noise_uncond = True
        for i in range(len(sigmas) - 1):
            denoised = model(x, sigmas[i] * x.new_ones([x.shape[0]]), **(extra_args or {}))
            x = denoised + (x - model.last_noise_uncond) / sigmas[i] * sigmas[i + 1]
        return x

    monkeypatch.setitem(sampler_list.all_samplers_map, "Euler", sampler_list.SamplerData("Euler", lambda model: KDiffusionSampler(sample_cfgpp, model), ["k_euler"], {}))
    found, own = picture(app, cfg_scale=2), picture(app, cfg_scale=2, sampler_name="Euler CFG++")
    assert max(abs(one - other) for one, other in zip(found.tobytes(), own.tobytes())) <= 2


@pytest.mark.parametrize("place", ["k_diffusion", "torch", "default_noise_sampler"])
def test_noise_that_a_sampler_of_an_extension_draws_itself_is_the_same_for_the_same_seed(app: App, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    in_sampling = SAMPLING["torch"]

    def sample_noisy(model: Any, x: Any, sigmas: Any, extra_args: Any = None, callback: Any = None, disable: Any = None) -> Any:
        of_its_own = SAMPLING["default_noise_sampler"](x)
        for i in range(len(sigmas) - 1):
            drawn = {"torch": torch.randn_like, "k_diffusion": in_sampling.randn_like, "default_noise_sampler": lambda x: of_its_own(None, None)}[place](x)
            x = model(x, sigmas[i] * x.new_ones([x.shape[0]]), **(extra_args or {})) + drawn * sigmas[i + 1]
        return x

    monkeypatch.setitem(sampler_list.all_samplers_map, "Euler", sampler_list.SamplerData("Euler", lambda model: KDiffusionSampler(sample_noisy, model), ["k_euler"], {}))
    first, other = picture(app).tobytes(), picture(app, seed=6).tobytes()
    torch.rand(3)
    assert picture(app).tobytes() == first != other


def test_what_fails_or_cannot_act_is_told_once_and_the_picture_is_made(app: App, plain: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, *arguments: Any, **_more: Any) -> Any:
        raise ValueError("no such row")

    for cls, name in ((CFGDenoiser, "combine_denoised"), (KDiffusionSampler, "callback_state"), (KDiffusionSampler, "sample")):
        monkeypatch.setattr(cls, name, broken)
    assert picture(app).tobytes() == plain()
    said = [each for each in troubles(app) if Path(__file__).name in each or "sample" in each]
    assert any("combine_denoised: ValueError: no such row" in each for each in said) and any("callback_state" in each for each in said)
    assert sum("sampler.sample: ValueError: no such row" in each for each in said) == 1


def test_a_replaced_create_sampler_makes_the_sampler(app: App, plain: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType

    names: list[str] = []
    module: Any = ModuleType("modules.sd_samplers")

    def create(name: str, model: Any) -> Any:
        names.append(name)
        return sampler_list.create_sampler("DDIM", model)

    module.create_sampler = create
    monkeypatch.setitem(sys.modules, "modules.sd_samplers", module)
    assert picture(app).tobytes() == plain("DDIM") and names == ["Euler"]


def test_what_is_put_around_store_latent_is_told_of_each_call(app: App, plain: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """As programs that let a hot GPU rest do it."""
    from modules import sd_samplers_common, shared

    own, heard = sd_samplers_common.store_latent, []

    def around(decoded: torch.Tensor) -> None:
        own(decoded)
        heard.append((tuple(decoded.shape), shared.state.current_latent is decoded))

    monkeypatch.setattr(sd_samplers_common, "store_latent", around)
    assert picture(app).tobytes() == plain("Euler") and heard == [((1, 4, 4, 4), True)] * 3


def test_extra_noise_can_be_replaced(app: App, plain: Callable[..., bytes]) -> None:
    from modules.a1111 import callbacks
    from modules.imaging.base64_codec import encode_image
    from modules.schema.request import Img2ImgRequest

    start = encode_image(picture(app))

    def drawn(extra: float) -> bytes:
        asked = {"init_images": [start], "prompt": "a cat", "steps": 3, "width": 32, "height": 32, "seed": 5, "sampler_name": "Euler",
                 "override_settings": {"img2img_extra_noise": extra}}  # fmt: skip
        return generate_blocking(app, Img2ImgRequest.from_flat(asked)).images[0].picture.tobytes()

    without, usual, shapes = drawn(0.0), drawn(0.1), []

    def nothing(params: Any) -> None:
        shapes.append((params.noise.shape, params.x.shape, params.xi.shape))
        params.noise = params.noise * 0

    callbacks.on_extra_noise(nothing)
    try:
        assert drawn(0.1) == without != usual and len({*shapes[0]}) == 1
    finally:
        callbacks.remove_callbacks_for_function(nothing)
    assert drawn(0.1) == usual


class Changing(float):
    """As extensions put it on ``p.cfg_scale``: what it is now shows when somebody multiplies by it."""

    def __new__(cls, shown: float, values: list[float]) -> Changing:
        made = super().__new__(cls, shown)
        made.values = values
        return made

    values: list[float]

    def __rmul__(self, other: Any) -> Any:
        return other * self.values.pop(0)


def test_a_cfg_scale_that_changes_with_each_product_acts_step_by_step(app: App, plain: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    own, left = KDiffusionSampler.callback_state, list[float]()

    def state(self: Any, d: dict[str, Any]) -> Any:
        if d["i"] == 0:
            self.p.cfg_scale = Changing(7.0, left)
        return own(self, d)

    monkeypatch.setattr(KDiffusionSampler, "callback_state", state)
    left[:] = [7.0, 7.0]
    same = picture(app).tobytes()
    assert not left and max(abs(a - b) for a, b in zip(same, plain())) <= 1
    left[:] = [7.0, 1.0]
    assert picture(app).tobytes() not in (same, plain()) and not left
