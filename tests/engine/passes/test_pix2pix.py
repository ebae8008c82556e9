"""pix2pix checkpoints: shown the picture, guided by words and by the picture."""

from __future__ import annotations

import copy
import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from modules.engine.encode import as_pixels, encode_means
from modules.engine.generate import generate
from modules.engine.hooks import DenoiserCall, NullHooks
from modules.engine.image_conditioning import masked_picture
from modules.engine.resolved import PreviewOptions, ResolvedInit, ResolvedRequest, SamplingOptions
from modules.loading.components import Components
from modules.schema.errors import InvalidValue
from tests.golden.stages import components, policy

pytestmark = pytest.mark.golden
PICTURE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8))


@functools.cache
def instructed() -> Components:
    """The tiny checkpoint with four more input channels, as InstructPix2Pix was made from SD 1.5."""
    own = components()
    unet = copy.deepcopy(own.unet)
    old = unet.conv_in
    unet.conv_in = torch.nn.Conv2d(8, old.out_channels, 3, padding=1)
    with torch.no_grad():
        unet.conv_in.weight.copy_(torch.cat([old.weight, old.weight.flip(0) * 0.5], dim=1))
        unet.conv_in.bias.copy_(old.bias)  # type: ignore[union-attr]
    return replace(own, unet=unet, family=replace(own.family, name="SD1 pix2pix", in_channels=8))


def asked(scale: float, **changes: object) -> ResolvedRequest:
    request = ResolvedRequest(
        prompt="make it red", width=64, height=64, steps=3, seed=5, guidance_scale=5.0, sampler_name="Euler", options=SamplingOptions(noise_source="CPU"),
        preview=PreviewOptions(every_steps=0), denoising_strength=0.9, init=ResolvedInit(pictures=(PICTURE,), image_guidance_scale=scale),
    )
    return replace(request, **changes)  # type: ignore[arg-type]


class Watch(NullHooks):
    """The first call with its prediction."""

    call: DenoiserCall | None = None
    result: torch.Tensor | None = None

    def guided(self, call: DenoiserCall, denoised: torch.Tensor) -> torch.Tensor:
        if self.call is None:
            self.call, self.result = call, denoised
        return denoised


def picture(request: ResolvedRequest, hooks: NullHooks | None = None) -> np.ndarray:
    return np.asarray(generate(request, instructed(), policy=policy(), hooks=hooks).images[0].picture).astype(int)


def test_three_predictions_are_guided_by_two_scales() -> None:
    """out = blank + words x (cond - uncond) + image x (uncond - blank), each predicted here by itself."""
    from modules.engine.denoise_pass import model_levels
    from modules.engine.pass_model import PassModel
    from modules.engine.predictor import Predictor
    from modules.engine.sampler_registry import find_sampler

    watch = Watch()
    picture(asked(2.5), watch)
    assert watch.call is not None and watch.call.uncond is not None and watch.call.image_cond is not None
    model = instructed()
    levels = model_levels(PassModel(unet=model.unet, alphas_cumprod=model.alphas_cumprod, predicts_v=False, compute_dtype=torch.float32),
                          find_sampler("Euler"), SamplingOptions(), watch.call.x.shape, 20)
    predict = Predictor(unet=model.unet, levels=levels, compute_dtype=torch.float32)
    x, sigma, shown = watch.call.x[:1], float(watch.call.sigma[0]), watch.call.image_cond[:1]
    with torch.no_grad():
        means = encode_means(as_pixels([PICTURE]), model.vae)
        cond, uncond, blank = (
            predict(x, sigma, words, image_cond=seen)
            for words, seen in ((watch.call.cond, shown), (watch.call.uncond, shown), (watch.call.uncond, torch.zeros_like(shown)))
        )
    assert torch.allclose(shown, means, atol=1e-5)
    assert watch.result is not None and torch.allclose(watch.result, blank + 5.0 * (cond - uncond) + 2.5 * (uncond - blank), rtol=1e-4, atol=5e-3)   # of up to 75


def test_an_image_scale_of_one_is_guidance_by_words_alone_and_others_are_not() -> None:
    assert (picture(asked(1.0)) != picture(asked(2.0))).any() and (picture(asked(2.0)) == picture(asked(2.0))).all()


@pytest.mark.parametrize("changes", [{"guidance_scale": 1.0}, {"prompt": "red AND blue :0.5"}, {"batch_size": 2, "width": 72, "height": 136}, {"init": ResolvedInit()}])
def test_other_requests_run_too(changes: dict[str, object]) -> None:
    assert picture(asked(1.5, **changes)).shape[2] == 3


def test_a_depth_checkpoint_without_a_map_says_what_it_needs() -> None:
    own = components()
    deep = replace(own, family=replace(own.family, name="SD2 depth", in_channels=5))
    with pytest.raises(InvalidValue, match="depth_map"):
        masked_picture(deep, torch.zeros(1, 3, 64, 64), torch.zeros(1, 4, 8, 8), None, rounded=True, weight=1.0, seed=1)
    shown = masked_picture(deep, torch.zeros(1, 3, 64, 64), torch.zeros(1, 4, 8, 8), None, rounded=True, weight=1.0, seed=1, depth_map=PICTURE.convert("L"))
    assert shown is not None and shown.shape == (1, 1, 8, 8) and (float(shown.min()), float(shown.max())) == (-1.0, 1.0)
