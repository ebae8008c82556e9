"""What inpainting keeps: laws of the mask, the blend in each step, and the content under the mask."""

from __future__ import annotations

import math

import pytest
import torch
from PIL import Image, ImageDraw

from modules.compute.noise import NoiseSpec, Stream
from modules.engine.inpaint import LATENT_NOISE, LATENT_NOTHING, ORIGINAL, final_blend, latent_mask, masked_area, step_blend, with_content
from modules.engine.resolved import ResolvedInpaint, SoftInpaint
from modules.engine.soft_inpaint import changed_overlays, soft_blend, soft_facts

CELLS = (12, 8)


def mask(box: tuple[int, int, int, int] = (16, 24, 48, 72)) -> Image.Image:
    picture = Image.new("L", (64, 96))
    ImageDraw.Draw(picture).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=255)
    return picture


def latents(seed: int = 0, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 4, *CELLS, generator=torch.Generator().manual_seed(seed))


PAINTED = latent_mask(mask(), CELLS, rounded=True)


def test_a_rounded_mask_has_nothing_between() -> None:
    assert set(PAINTED.unique().tolist()) == {0.0, 1.0} and PAINTED.shape == (1, *CELLS)
    area = masked_area(ResolvedInpaint(mask=mask()), 64, 96, 0)
    assert area is not None and len(latent_mask(area.mask, CELLS, rounded=False).unique()) > 2


def test_inverted_and_plain_cover_everything_once() -> None:
    plain, inverted = (masked_area(ResolvedInpaint(mask=mask(), blur_x=0, blur_y=0, invert=invert), 64, 96, 0) for invert in (False, True))
    assert plain is not None and inverted is not None
    assert (latent_mask(plain.mask, CELLS, rounded=True) + latent_mask(inverted.mask, CELLS, rounded=True) == 1).all()


def test_only_masked_cuts_out_what_is_masked() -> None:
    area = masked_area(ResolvedInpaint(mask=mask(), blur_x=0, blur_y=0, only_masked=True, padding=4), 64, 64, 0)
    assert area is not None and area.box == (4, 20, 60, 76) and area.mask.size == (64, 64) and area.over.size == (64, 96)


def test_only_masked_without_a_mask_is_nothing() -> None:
    assert masked_area(ResolvedInpaint(mask=Image.new("L", (64, 96)), only_masked=True), 64, 64, 0) is None


@pytest.mark.parametrize("by_timestep", [False, True])
@pytest.mark.parametrize("sigma", [0.03, 1.0, 14.6])
def test_the_blend_shows_the_original_outside_the_mask(by_timestep: bool, sigma: float) -> None:
    kept, latent = latents(0), latents(1)
    blend = step_blend(ResolvedInpaint(mask=mask()), kept, PAINTED, by_timestep=by_timestep)
    found = blend.apply(latent, sigma, 500.0)
    inside, outside = PAINTED.bool().expand_as(kept), ~PAINTED.bool().expand_as(kept)
    assert blend.before_denoising == by_timestep
    assert torch.allclose(found[inside], latent[inside], atol=1e-5)
    grown = math.sqrt(1 + sigma**2) if by_timestep else 1.0      # clean, on the scale that timestep samplers work in
    assert torch.allclose(found[outside], kept[outside] * grown, atol=1e-5)


def test_a_sampler_that_looks_at_another_size_has_the_original_in_that_size() -> None:
    kept, told = latents(0), []
    blend = step_blend(ResolvedInpaint(mask=mask()), kept, PAINTED, lambda each: told.append(each) or each.blended, by_timestep=False)
    small = blend.apply(latents(1)[..., ::2, ::2], 1.0, 500.0)
    outside = ~PAINTED.bool()[..., 1::2, 1::2].expand_as(small)
    assert small.shape[-2:] == (CELLS[0] // 2, CELLS[1] // 2) == told[0].painted.shape[-2:]
    assert torch.equal(small[outside], kept[..., 1::2, 1::2][outside])


def test_the_finished_latent_is_the_originals_outside() -> None:
    kept, latent = latents(0), latents(1)
    found = final_blend(ResolvedInpaint(mask=mask()), latent, kept, PAINTED)
    assert torch.equal(found * (1 - PAINTED), kept * (1 - PAINTED))


def test_what_stands_under_the_mask_at_first() -> None:
    start = latents(0, batch=2)
    noise = NoiseSpec(shape=(4, *CELLS), seeds=(5, 6), variation_seeds=(1, 2), variation_strength=0.5, ensd=31337)
    assert torch.equal(with_content(start, PAINTED, ORIGINAL, noise), start)
    assert not (with_content(start, PAINTED, LATENT_NOTHING, noise) * PAINTED).any()
    noisy = with_content(start, PAINTED, LATENT_NOISE, noise)
    for image, seed in enumerate((5, 6)):            # plain noise of the seed, whatever the variation
        assert torch.equal(noisy[image] * PAINTED, Stream(seed, "CPU").randn((4, *CELLS)) * PAINTED)
    assert torch.equal(noisy * (1 - PAINTED), start * (1 - PAINTED))


SOFT = SoftInpaint()


def test_soft_mixing_keeps_both_ends_and_the_length() -> None:
    kept, latent = latents(0), latents(1)
    everything, nothing = torch.ones(1, *CELLS), torch.zeros(1, *CELLS)
    assert torch.allclose(soft_blend(SOFT, kept, latent, everything, 3.0), latent, rtol=1e-3, atol=1e-4)
    assert torch.allclose(soft_blend(SOFT, kept, latent, nothing, 3.0), kept, rtol=1e-3, atol=1e-4)
    opposite = soft_blend(SOFT, kept, kept.roll(1, dims=1), torch.full((1, *CELLS), 0.5), 1.0)
    assert torch.allclose(opposite.norm(dim=1), kept.norm(dim=1), rtol=1e-2)        # plain mixing would be shorter


def test_the_noisier_the_step_the_more_of_the_original_comes_through() -> None:
    kept, latent, half = torch.zeros(1, 4, *CELLS) + 0.1, torch.ones(1, 4, *CELLS), torch.full((1, *CELLS), 0.5)
    shares = [float(soft_blend(SOFT, kept, latent, half, sigma).mean()) for sigma in (0.1, 1.0, 10.0)]
    assert shares == sorted(shares, reverse=True)


def test_an_unchanged_latent_shows_the_original_picture() -> None:
    kept, picture = latents(0), Image.new("RGB", (64, 96), (10, 200, 30))
    (over,) = changed_overlays(SOFT, [picture], kept, kept, torch.zeros(1, *CELLS), (64, 96), None)
    assert over.getextrema()[-1] == (255, 255)
    (over,) = changed_overlays(SOFT, [picture], kept, kept + 100, torch.ones(1, *CELLS), (64, 96), None)
    assert over.getextrema()[-1][1] <= 2


def test_soft_inpainting_is_named_in_a1111s_words() -> None:
    assert list(soft_facts(SOFT).items())[:3] == [
        ("Soft inpainting enabled", True), ("Soft inpainting schedule bias", 1), ("Soft inpainting preservation strength", 0.5)
    ]
