"""Hires fix, img2img and inpainting from request to picture, on the tiny checkpoint: what the stored pictures do not show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from modules.engine.generate import generate
from modules.engine.hooks import GeneratedImage, GenerationResult, NeverCancelled, NullHooks
from modules.engine.image_conditioning import everything_masked, masked_picture
from modules.engine.inpaint import BLANK_MASK
from modules.engine.resolved import (
    KeptStages,
    PreviewOptions,
    ResolvedHires,
    ResolvedInit,
    ResolvedInpaint,
    ResolvedRequest,
    SamplingOptions,
    SoftInpaint,
)
from modules.schema.errors import InvalidValue, UnknownName
from tests.golden.stages import components, policy

pytestmark = pytest.mark.golden
TEXT = ResolvedRequest(
    prompt="a cat", width=64, height=64, steps=2, seed=5, sampler_name="Euler", options=SamplingOptions(noise_source="CPU"),
    preview=PreviewOptions(every_steps=0), denoising_strength=0.5,
)


def picture(seed: int = 0, size: tuple[int, int] = (64, 64)) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC)


def square_mask(size: tuple[int, int] = (64, 64)) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rectangle((24, 24, 39, 39), fill=255)
    return mask


def from_pictures(*pictures: Image.Image, **init: object) -> ResolvedRequest:
    return replace(TEXT, init=ResolvedInit(pictures=pictures, **init))  # type: ignore[arg-type]


def run(request: ResolvedRequest, hooks: NullHooks | None = None, cancel: object = None) -> GenerationResult:
    return generate(request, components(), policy=policy(), hooks=hooks, cancel=cancel)  # type: ignore[arg-type]


def levels(result: GenerationResult, index: int = 0) -> np.ndarray:
    return np.asarray(result.images[index].picture).astype(int)


def test_several_input_pictures_are_one_batch_and_equal_single_runs() -> None:
    both = run(replace(from_pictures(picture(1), picture(2)), batch_size=4))
    assert len(both.images) == 2
    for number, seed in ((0, 5), (1, 6)):
        single = run(replace(from_pictures(picture(number + 1)), seed=seed))
        assert np.abs(levels(both, number) - levels(single)).max() <= 1


def test_more_pictures_than_the_batch_holds_are_refused() -> None:
    with pytest.raises(InvalidValue, match="2 input pictures"):
        run(from_pictures(picture(1), picture(2)))


def test_a_blank_mask_says_so_and_draws_the_whole() -> None:
    blank = ResolvedInpaint(mask=Image.new("L", (64, 64)), only_masked=True)
    result = run(from_pictures(picture(), inpaint=blank))
    assert result.comments == (BLANK_MASK,)
    assert (levels(result) == levels(run(from_pictures(picture())))).all()


@pytest.mark.parametrize("inpaint", [ResolvedInpaint(mask=square_mask(), blur_x=0, blur_y=0), ResolvedInpaint(mask=square_mask(), only_masked=True)])
def test_what_is_far_from_the_mask_comes_back_untouched(inpaint: ResolvedInpaint) -> None:
    result = levels(run(from_pictures(picture(), inpaint=inpaint)))
    assert (result[:8] == np.asarray(picture())[:8]).all()
    assert (result[28:36, 28:36] != np.asarray(picture())[28:36, 28:36]).any()


@pytest.mark.parametrize("soft", [None, SoftInpaint()], ids=["plain", "soft"])
@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_odd_sizes_with_a_mask_give_whole_cells(mode: int, soft: SoftInpaint | None) -> None:
    inpaint = ResolvedInpaint(mask=square_mask((70, 50)), soft=soft)
    request = replace(from_pictures(picture(0, (70, 50)), resize_mode=mode, inpaint=inpaint), width=63, height=66)
    assert run(request).images[0].picture.size == (56, 64)


@pytest.mark.parametrize("only_masked", [False, True])
def test_the_mask_that_is_given_back_has_the_size_of_what_it_was_used_on(only_masked: bool) -> None:
    """Whole pictures are fitted to the size asked for before, as in A1111; so is a mask of another size."""
    inpaint = ResolvedInpaint(mask=square_mask((40, 60)), only_masked=only_masked)
    sizes = []

    class Hooks(NullHooks):
        def masked(self, image: GeneratedImage, mask: Image.Image, alone: Image.Image) -> None:
            sizes.append((mask.size, alone.size))

    run(replace(from_pictures(picture(0, (96, 72)), inpaint=inpaint), kept=KeptStages(masks=True)), Hooks())
    whole = (96, 72) if only_masked else (64, 64)
    assert sizes == [(whole, whole)]


def test_an_unknown_upscaler_is_refused_before_any_work() -> None:
    with pytest.raises(UnknownName, match="upscaler"):
        run(replace(TEXT, hires=ResolvedHires(enabled=True, upscaler="Latnet")))


class StopAfter(NeverCancelled):
    """Interrupted after so many model calls."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    @property
    def interrupted(self) -> bool:  # type: ignore[override]
        self.left -= 1
        return self.left < -1                       # the first question is asked before the batch


@pytest.mark.parametrize(("calls", "size"), [(1, 64), (2, 96), (3, 96)])
def test_an_interrupted_hires_fix_gives_the_pass_it_was_in(calls: int, size: int) -> None:
    result = run(replace(TEXT, hires=ResolvedHires(enabled=True, upscaler="Latent", scale=1.5)), cancel=StopAfter(calls))
    assert result.interrupted and not result.images[0].complete and result.images[0].picture.size == (size, size)


def test_the_second_pass_counts_on_in_the_progress() -> None:
    told: list[tuple[int, int]] = []

    class Watch:
        def begin(self, batches: int, images: int) -> None: ...
        def begin_batch(self, index: int) -> None: ...
        def offer_preview(self, make: object) -> None: ...
        def step(self, done: int, total: int) -> None:
            told.append((done, total))

    request = replace(TEXT, hires=ResolvedHires(enabled=True, upscaler="Nearest", scale=1.5, steps=3))
    generate(request, components(), policy=policy(), progress=Watch())  # type: ignore[arg-type]
    assert told == [(done, 5) for done in range(1, 6)]


def test_inpainting_checkpoints_are_shown_mask_and_picture() -> None:
    own = components()
    inpainting = replace(own, family=replace(own.family, in_channels=9))
    pixels, latents = torch.rand(2, 3, 64, 64), torch.zeros(2, 4, 8, 8)
    with torch.no_grad():
        assert everything_masked(own, 2, 64, 64, seed=0) is None
        whole = everything_masked(inpainting, 2, 64, 64, seed=0)
        part = masked_picture(inpainting, pixels, latents, square_mask(), rounded=True, weight=1.0, seed=0)
        unhidden = masked_picture(inpainting, pixels, latents, square_mask(), rounded=True, weight=0.0, seed=0)
    assert whole is not None and whole.shape == (2, 5, 8, 8) and (whole[:, 0] == 1).all()
    assert part is not None and part.shape == (2, 5, 8, 8) and set(part[:, 0].unique().tolist()) == {0.0, 1.0}
    assert unhidden is not None and not torch.allclose(part[:, 1:], unhidden[:, 1:])


def test_a_sampler_that_chooses_its_own_steps_takes_no_heed_of_their_number() -> None:
    """A single step of DPM adaptive is the whole way, as in A1111: it gave the noise that it began with."""
    one, four = (run(replace(TEXT, sampler_name="DPM adaptive", steps=steps)) for steps in (1, 4))
    assert np.array_equal(levels(one), levels(four))


def test_one_step_of_dpm_fast_goes_down_to_the_lowest_sigma() -> None:
    """Solved in one call it is the model's prediction: not far from one step of Euler, and nothing like the noise."""
    fast, euler = (run(replace(TEXT, sampler_name=name, steps=1, options=replace(TEXT.options, eta_ancestral=0.0))) for name in ("DPM fast", "Euler"))
    assert np.abs(levels(fast) - levels(euler)).mean() < 6
