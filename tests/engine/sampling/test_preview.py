"""Previews: the right colours from a latent, drawn by whoever looks, or never."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from modules.engine.preview import PreviewMap, preview_maker, preview_map, small_picture
from modules.families.family import LatentFormat

FORM = LatentFormat(channels=4, downscale=8, scale=0.3, shift=0.1)


class LinearVae(nn.Module):
    """Its latents are a fixed linear map of each cell's colour: a fit must find the way back exactly."""

    def __init__(self, widths: tuple[int, ...] = (8, 8)) -> None:
        super().__init__()
        self.mixing = nn.Parameter(torch.randn(4, 3, generator=torch.Generator().manual_seed(1)))
        self.config = SimpleNamespace(block_out_channels=widths, latent_channels=4)
        self.encodings = 0

    def encode(self, pixels: Tensor) -> SimpleNamespace:
        self.encodings += 1
        cells = torch.nn.functional.avg_pool2d(pixels, 8)
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=torch.einsum("bchw,lc->blhw", cells, self.mixing) + 0.2))


def test_a_fit_finds_the_colours_of_a_linear_vae() -> None:
    vae = LinearVae()
    mapping = preview_map(vae, FORM)
    colour = torch.tensor([0.5, -0.25, 0.75])
    latent = (((vae.mixing @ colour) + 0.2 - FORM.shift) * FORM.scale)[:, None, None].expand(4, 8, 8)
    shown = np.asarray(small_picture(latent, mapping))[48, 48]
    assert shown.tolist() == pytest.approx(((colour + 1) * 127.5).tolist(), abs=1.5)


def test_a_vae_is_fitted_once() -> None:
    vae = LinearVae()
    assert preview_map(vae, FORM) is preview_map(vae, FORM)
    assert vae.encodings == 1


def test_the_standard_vae_needs_no_fit() -> None:
    vae = LinearVae(widths=(128, 256, 512, 512))
    assert preview_map(vae, replace(FORM, scale=0.18215, shift=0.0)).bias.tolist() == [0, 0, 0]
    assert vae.encodings == 0


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_a_batch_is_shown_side_by_side(file_format: str) -> None:
    make = preview_maker(torch.zeros(3, 4, 12, 8), PreviewMap(weight=torch.zeros(4, 3), bias=torch.zeros(3)), file_format)
    assert Image.open(io.BytesIO(make())).size == (2 * 96, 2 * 144)


def test_a_spoilt_latent_is_drawn_too() -> None:
    picture = small_picture(torch.full((4, 2, 2), torch.nan), PreviewMap(weight=torch.ones(4, 3), bias=torch.zeros(3)))
    assert picture.size == (96, 96)
