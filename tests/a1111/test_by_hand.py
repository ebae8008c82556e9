"""Extensions that put something in the place of A1111's ``p.sample``, ``p.sample_hr_pass`` or ``p.init``, or call a sampler themselves."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.a1111 import callbacks, foreign_packages
from modules.a1111.process_images import process_images
from modules.a1111.processing import StableDiffusionProcessingTxt2Img
from modules.a1111.state import state
from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.application.outcome import Outcome
from modules.imaging.base64_codec import encode_image
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from tests.a1111.golden_app import golden_app, take_script

pytestmark = pytest.mark.golden
SCRIPT = Path(__file__).parents[1] / "extensions" / "by-hand" / "scripts" / "by_hand.py"
SMALL = {"prompt": "a cat", "negative_prompt": "blurry", "steps": 2, "width": 64, "height": 64, "seed": 5, "sampler_name": "Euler a", "denoising_strength": 0.9}
LATENT, PIXELS = ({"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": name} for name in ("Latent", "Lanczos"))

INPUT = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    foreign_packages.install()
    with golden_app(tmp_path_factory.mktemp("by_hand")) as app:
        take_script(app, SCRIPT)
        yield app


@pytest.fixture
def heard(app: App) -> list[Any]:
    host: Any = app.scripts.host
    return host.img2img.script("by hand").__class__.process.__globals__["heard"]


def pixels(outcome: Outcome, number: int = 0) -> bytes:
    return outcome.images[number].picture.tobytes()


def drawn(app: App, way: str, **values: Any) -> Outcome:
    return generate_blocking(app, Txt2ImgRequest.from_flat(SMALL | {"alwayson_scripts": {"by hand": {"args": [way]}}} | values))


def drawn_over(app: App, way: str, **values: Any) -> Outcome:
    return generate_blocking(app, Img2ImgRequest.from_flat(SMALL | {"init_images": [encode_image(INPUT)], "alwayson_scripts": {"by hand": {"args": [way]}}} | values))


@pytest.mark.parametrize("values", [{}, {"batch_size": 2, "n_iter": 2}, LATENT, PIXELS], ids=["plain", "batches", "hires", "hires of pixels"])
def test_what_stands_around_sample_changes_nothing_by_itself(app: App, heard: list[Any], values: dict[str, Any]) -> None:
    around, plain = drawn(app, "around", **values), drawn(app, "", **values)
    assert not around.comments and [each.infotext for each in around.images] == [each.infotext for each in plain.images]
    assert [pixels(around, n) for n in range(len(plain.images))] == [pixels(plain, n) for n in range(len(plain.images))]


def test_sample_is_called_as_in_a1111(app: App, heard: list[Any]) -> None:
    drawn(app, "around")
    assert heard == [["conditioning", "prompts", "seeds", "subseed_strength", "subseeds", "unconditional_conditioning"]]


def test_what_is_changed_before_the_own_sample_is_called_acts(app: App) -> None:
    others = drawn(app, "others")
    assert not others.comments and pixels(others) == pixels(drawn(app, "", steps=3))
    assert pixels(drawn(app, "later seeds")) == pixels(drawn(app, "")), "p.rng stands since the batch began"
    assert pixels(drawn_over(app, "others")) == pixels(drawn_over(app, "", steps=3, denoising_strength=0.5))


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M SDE", "DDIM"])
def test_a_sampler_called_by_hand_gives_the_same_picture(app: App, heard: list[Any], sampler: str) -> None:
    from_noise = drawn(app, "from noise", sampler_name=sampler)
    assert heard == [True] and not from_noise.comments and pixels(from_noise) == pixels(drawn(app, "", sampler_name=sampler))
    from_picture = drawn_over(app, "from picture", sampler_name=sampler)
    assert not from_picture.comments and pixels(from_picture) == pixels(drawn_over(app, "", sampler_name=sampler))


def test_the_noise_of_a_picture_can_be_found_with_a1111s_names(app: App, heard: list[Any]) -> None:
    values = {"steps": 4, "sampler_name": "Euler", "denoising_strength": 1, "cfg_scale": 1, "negative_prompt": ""}
    found = drawn_over(app, "noise of the picture", **values)
    assert not found.comments and 14 < heard[0] < 15 and pixels(found) != pixels(drawn_over(app, "", **values))


@pytest.mark.parametrize(("values", "decoded"), [(LATENT, None), (PIXELS, ((1, 3, 64, 64), True))], ids=["latent", "pixels"])
def test_the_hires_pass_can_be_gone_around_repeated_and_changed(app: App, heard: list[Any], values: dict[str, Any], decoded: Any) -> None:
    plain = drawn(app, "", **values)
    around = drawn(app, "hires around", **values)
    assert pixels(around) == pixels(plain) and not around.comments and heard == [((1, 4, 8, 8), decoded)]
    twice = drawn(app, "hires twice", **values)
    assert not twice.comments and len(twice.images) == 2 and pixels(twice) == pixels(plain) != pixels(twice, 1)
    assert pixels(drawn(app, "hires in two", **values)) == pixels(plain), "the last call is what counts"


def test_both_passes_by_hand(app: App) -> None:
    by_hand, plain = drawn(app, "all by hand", **LATENT), drawn(app, "", **LATENT)
    assert not by_hand.comments and by_hand.images[0].picture.size == (96, 96)
    apart = np.asarray(by_hand.images[0].picture, float) - np.asarray(plain.images[0].picture, float)
    assert np.abs(apart).max() <= 1


def test_a_sampler_of_an_extensions_own_calls_the_model_itself(app: App, heard: list[Any]) -> None:
    """Euler a without its noise is Euler."""
    found, plain = drawn(app, "own sampler", steps=3, scheduler="Karras"), drawn(app, "", steps=3, sampler_name="Euler", scheduler="Karras")
    assert not found.comments
    assert np.abs(np.asarray(found.images[0].picture, float) - np.asarray(plain.images[0].picture, float)).max() <= 2
    drawn(app, "own sampler", steps=3, scheduler="Karras")
    assert len(heard[0]) == 4 and heard[0][-1] == 0 and 14 < heard[0][0] < 15


def test_a_sampler_of_an_extensions_own_gets_the_noise_of_the_seed(app: App) -> None:
    """As "Sonar" does: k-diffusion's randn_like goes on with the picture's noise, so that Euler a by hand is Euler a."""
    found = drawn(app, "own sampler with noise", steps=3, scheduler="Karras")
    assert not found.comments
    assert np.abs(np.asarray(found.images[0].picture, float) - np.asarray(drawn(app, "", steps=3, scheduler="Karras").images[0].picture, float)).max() <= 2


@pytest.mark.parametrize(("values", "calls"), [({}, ["sample"]), (LATENT, ["sample", "sample_img2img"])], ids=["plain", "hires"])
def test_a_sampler_whose_own_sampling_was_replaced(app: App, heard: list[Any], values: dict[str, Any], calls: list[str]) -> None:
    found = drawn(app, "other sampling", **values)
    assert [each[0] for each in heard] == calls and not found.comments
    assert pixels(found) == pixels(drawn(app, "", **values))


def test_a_finished_picture_is_drawn_over_once_more(app: App) -> None:
    """As "custom hires fix" and its like do."""
    found = drawn(app, "once more")
    assert not found.comments and found.images[0].picture.size == (128, 128)


def test_a_function_put_into_k_diffusion_samples(app: App, heard: list[Any]) -> None:
    plain = drawn(app, "", steps=3, sampler_name="Euler")
    found = drawn(app, "other euler", steps=3)
    assert heard == [4] and not found.comments
    assert np.abs(np.asarray(found.images[0].picture, float) - np.asarray(plain.images[0].picture, float)).max() <= 2
    assert pixels(drawn(app, "", steps=3)) != pixels(found), "gone with it"


def test_sigmas_of_an_extensions_own(app: App) -> None:
    found = drawn(app, "sigmas")
    assert not found.comments and pixels(found) != pixels(drawn(app, ""))
    assert pixels(found) == pixels(drawn(app, "sigmas", scheduler="Karras"))


def test_init_is_called_once_and_what_it_leaves_is_drawn_over(app: App, heard: list[Any]) -> None:
    assert pixels(drawn_over(app, "init", n_iter=2)) != pixels(drawn_over(app, "", n_iter=2)) and heard == []
    drawn_over(app, "init", n_iter=2)
    assert heard == [[2, 2, 2]]
    assert pixels(drawn(app, "init")) == pixels(drawn(app, ""))


def test_the_noises_multiplier_is_a_number_on_p(app: App, heard: list[Any]) -> None:
    """A replaced ``p.sample`` multiplied by None: A1111 has the setting's value there where nobody asked for another."""
    usual = drawn_over(app, "multiplier")
    assert heard == [1.0] and pixels(usual) == pixels(drawn_over(app, ""))
    half = drawn_over(app, "multiplier", override_settings={"initial_noise_multiplier": 0.5})
    assert heard == [0.5] and pixels(half) != pixels(usual)


def test_noise_of_another_rng_is_drawn_from(app: App, heard: list[Any]) -> None:
    assert pixels(drawn(app, "rng")) != pixels(drawn(app, ""))
    drawn(app, "rng")
    assert heard == [(4, 8, 8)]


def test_the_sampler_of_img2img_is_made_before_its_sample_is_called(app: App, heard: list[Any]) -> None:
    """What stands in the place of ``create_sampler`` has prepared itself by then, as in A1111, whose ``p.init`` makes it."""
    outcome = drawn_over(app, "sampler is there", sampler_name="Euler")
    assert heard[0] == "Euler" and not outcome.comments
    assert pixels(outcome) == pixels(drawn_over(app, "", sampler_name="Euler"))


def test_only_a_run_with_a_hires_pass_has_prompts_for_it(app: App, heard: list[Any]) -> None:
    """Extensions tell by them whether there is a second pass."""
    found = []
    for draw, values in ((drawn_over, {}), (drawn, {}), (drawn, LATENT)):
        draw(app, "hires prompts", **values)
        found.append(heard[0])
    assert found == ["none such", None, [SMALL["prompt"]]]


def test_a_sample_that_fails_is_told_and_the_picture_is_made(app: App) -> None:
    failed = drawn(app, "fails")
    assert pixels(failed) == pixels(drawn(app, "")) and any("p.sample failed" in each and "it broke" in each for each in failed.comments)


@pytest.mark.parametrize("way", ["around", "own sampler"])
def test_an_interrupt_ends_a_pass_by_hand_and_the_job(app: App, way: str) -> None:
    """The half-done picture is kept, as in any other pass."""
    calls: list[int] = []

    def hear(params: Any) -> None:
        calls.append(params.sampling_step)
        if len(calls) == 3:
            state.interrupt()

    callbacks.on_cfg_denoiser(hear)
    try:
        found = drawn(app, way, steps=20, n_iter=2)
    finally:
        callbacks.remove_callbacks_for_function(hear)
    assert len(calls) == 3 and len(found.images) == 1 and not found.comments


class Other(StableDiffusionProcessingTxt2Img):
    """An extension's own kind of job."""

    def sample(self, conditioning: Any, unconditional_conditioning: Any, *_rest: Any, **_more: Any) -> Any:
        from modules.a1111.sampler_list import create_sampler

        assert self.sampler_name
        self.sampler = create_sampler(self.sampler_name, self.sd_model)
        return self.sampler.sample(self, self.rng.next(), conditioning, unconditional_conditioning)


def test_a_job_of_an_extensions_own_class_without_scripts(app: App) -> None:
    values = {key: value for key, value in SMALL.items() if key != "denoising_strength"}
    made = process_images(Other(**values, do_not_save_samples=True, do_not_save_grid=True))  # type: ignore[arg-type]
    assert made.images[0].tobytes() == pixels(drawn(app, "")) and not made.comments


def test_a_class_of_jobs_in_the_place_of_a1111s_draws_what_is_asked_for(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """BMAB puts its own there when it is read; one that cannot be made is passed over."""
    import modules.processing as named

    class Brighter(Other):
        def sample(self, *arguments: Any, **more: Any) -> Any:
            return super().sample(*arguments, **more) * 1.2

    class Broken(Other):
        def __post_init__(self) -> None:
            raise RuntimeError("no")

    plain = drawn(app, "")
    for kind, is_plain in ((Brighter, False), (Other, True), (Broken, True)):
        monkeypatch.setattr(named, "StableDiffusionProcessingTxt2Img", kind)
        found = drawn(app, "")
        assert (pixels(found) == pixels(plain)) is is_plain and not found.comments
    assert pixels(drawn_over(app, "")) != pixels(plain)


def test_a_checkpoint_that_an_extension_does_not_name_is_the_one_in_use(app: App) -> None:
    """As in A1111 what is no name of a checkpoint is passed over: BMAB hands over the model itself."""
    from modules.a1111.model_view import sd_model

    p = StableDiffusionProcessingTxt2Img(**SMALL, do_not_save_samples=True, do_not_save_grid=True, override_settings={"sd_model_checkpoint": sd_model})  # type: ignore[arg-type]
    assert process_images(p).images[0].tobytes() == pixels(drawn(app, ""))


def test_outside_of_a_run_it_says_where_pictures_are_made(app: App) -> None:
    with pytest.raises(NotImplementedError, match="process_images"):
        StableDiffusionProcessingTxt2Img().sample(None, None)


def test_callbacks_read_where_each_pass_stands_also_after_nextjob(app: App) -> None:
    """A1111's numbers: those of the step that the sampler last told of, of this pass alone."""
    read: list[tuple[int, ...]] = []
    latents: list[bool] = []

    def hear(params: Any) -> None:
        if not read:
            state.nextjob()
        read.append((params.denoiser.step, params.sampling_step, params.total_sampling_steps, state.sampling_step, state.sampling_steps, state.job_no))

    def hear_result(params: Any) -> None:
        latents.append(state.current_latent.shape == params.x.shape)

    callbacks.on_cfg_denoiser(hear)
    callbacks.on_cfg_after_cfg(hear_result)
    try:
        drawn(app, "", steps=3, n_iter=2, hr_second_pass_steps=2, **LATENT)
    finally:
        callbacks.remove_callbacks_for_function(hear)
        callbacks.remove_callbacks_for_function(hear_result)
    batch = [(0, 0, 3), (1, 0, 3), (2, 1, 3), (0, 0, 2), (1, 0, 2)]
    assert [each[:5] for each in read] == [(*each, *each[1:]) for _ in range(2) for each in batch]
    assert [each[5] for each in read] == [1, 1, 1, 2, 2, 3, 3, 3, 4, 4]     # each pass is a job to A1111, and one was counted by hand
    assert latents == [True] * 10
