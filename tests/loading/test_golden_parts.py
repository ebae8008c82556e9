"""The loaded parts against tensors that A1111 itself produced: text encoder, UNet and VAE, each by itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from modules.loading.components import Components
from tests.golden.cases import case

pytestmark = pytest.mark.golden


def stored(stage: str, name: str = "prompt-plain") -> Tensor:
    return torch.from_numpy(case(name).arrays[stage])


def test_the_text_encoder_gives_the_stored_conditioning(golden: Components) -> None:
    encoder = golden.text_encoders[0]
    tokens = encoder.tokenizer(["a cat", ""], padding="max_length", return_tensors="pt").input_ids
    with torch.inference_mode():
        encoded = encoder.module(tokens).last_hidden_state
    assert (encoded[0] - stored("cond-b0-part0-w1-until8")).abs().max() < 1e-5
    assert (encoded[1] - stored("uncond-b0-until8")).abs().max() < 1e-5


def test_the_vae_decodes_the_stored_latent_to_the_stored_picture(golden: Components) -> None:
    with torch.inference_mode():
        decoded = golden.vae.decode(stored("latent") / golden.family.latent.scale, return_dict=False)[0]
    picture = (((decoded[0] + 1) / 2).clamp(0, 1) * 255).permute(1, 2, 0).numpy().astype(np.uint8)
    expected = np.asarray(case("prompt-plain").images()[0].convert("RGB"))
    assert np.abs(picture.astype(int) - expected.astype(int)).max() <= 1


def test_the_vae_encodes_the_input_picture_to_the_stored_latent(golden: Components) -> None:
    from PIL import Image

    from tests.golden.cases import MODELS

    picture = np.asarray(Image.open(MODELS / "input-64x96.png").convert("RGB"), dtype=np.float32) / 127.5 - 1
    with torch.inference_mode():
        encoded = golden.vae.encode(torch.from_numpy(picture).permute(2, 0, 1)[None]).latent_dist.mean
    latent = encoded * golden.family.latent.scale
    assert (latent - stored("init", "img2img-d0")).abs().max() < 1e-3


def test_eight_euler_steps_of_the_unet_reach_the_stored_latent(golden: Components) -> None:
    """64x96 pixels: the height is no multiple of 64, where diffusers' own upsampling gives another picture."""
    sigmas, x = stored("sigmas"), stored("noise").float()
    levels = ((1 - golden.alphas_cumprod) / golden.alphas_cumprod).sqrt().log().numpy()
    context = torch.stack([stored("uncond-b0-until8"), stored("cond-b0-part0-w1-until8")])
    x = x * sigmas[0]
    with torch.inference_mode():
        for sigma, lower in itertools.pairwise(sigmas):
            timestep = torch.tensor(np.interp(sigma.log().item(), levels, np.arange(1000)), dtype=torch.float32)
            scaled = (x / (sigma**2 + 1).sqrt()).repeat(2, 1, 1, 1)
            uncond, cond = golden.unet(scaled, timestep.repeat(2), encoder_hidden_states=context, return_dict=False)[0]
            x = x + (uncond + 7 * (cond - uncond)) * (lower - sigma)
    assert (x - stored("latent")).abs().max() < 1e-3


def test_the_noise_schedule_ends_where_a1111_starts(golden: Components) -> None:
    alphas = golden.alphas_cumprod
    assert alphas.shape == (1000,) and alphas.dtype == torch.float32
    assert ((1 - alphas[-1]) / alphas[-1]).sqrt().log().exp() == stored("sigmas")[0]
