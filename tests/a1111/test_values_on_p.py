"""What scripts set on ``p`` and in hooks acts, and what extensions put in place of A1111's saving; without them nothing changes."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from modules.a1111 import callbacks, lora_names, network_types, prompt_networks
from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.application.img2img_batch import BatchOrder, files_of, submit_batch
from modules.application.outcome import Outcome
from modules.imaging.base64_codec import encode_image
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from tests.a1111.golden_app import golden_app, take_script

pytestmark = pytest.mark.golden
SCRIPT = Path(__file__).parents[1] / "extensions" / "values-on-p" / "scripts" / "values_on_p.py"
SMALL = {"prompt": "a cat", "negative_prompt": "blurry", "steps": 2, "width": 64, "height": 64, "seed": 5, "sampler_name": "Euler", "denoising_strength": 0.9}


def input_picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8))


def mask() -> Image.Image:
    drawn = Image.new("L", (96, 96))
    ImageDraw.Draw(drawn).rectangle((48, 48, 79, 79), fill=255)
    return drawn


def inpainting(**values: Any) -> Img2ImgRequest:
    asked = {"init_images": [encode_image(input_picture())], "mask": encode_image(mask()), "inpaint_full_res": True, "mask_blur": 0, "inpainting_fill": 1}
    return Img2ImgRequest.from_flat(SMALL | asked | values)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with golden_app(tmp_path_factory.mktemp("values")) as app:
        yield app


@pytest.fixture(scope="module")
def plain(app: App) -> dict[str, bytes]:
    """Pictures from before there were scripts; from here on there are."""
    found = {"text": pixels(generate_blocking(app, Txt2ImgRequest.from_flat(SMALL))), "inpaint": pixels(generate_blocking(app, inpainting()))}
    take_script(app, SCRIPT)
    return found


@pytest.fixture
def heard(plain: dict[str, bytes], app: App) -> list[Any]:
    host: Any = app.scripts.host
    return host.img2img.script("values on p").__class__.process.__globals__["heard"]


def pixels(outcome: Outcome, number: int = 0) -> bytes:
    return outcome.images[number].picture.tobytes()


def with_values(which: str) -> dict[str, Any]:
    return {"alwayson_scripts": {"values on p": {"args": [which]}}}


def drawn(app: App, which: str, **values: Any) -> Outcome:
    return generate_blocking(app, Txt2ImgRequest.from_flat(SMALL | with_values(which) | values))


def painted(app: App, which: str, **values: Any) -> Outcome:
    return generate_blocking(app, inpainting(**with_values(which), **values))


def settings_now(app: App, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]) -> None:
    """For this test alone."""
    before = app.settings.changed()
    monkeypatch.setattr(app.settings, "changed", lambda: before | values)


def at(outcome: Outcome, x: int, y: int) -> Any:
    return outcome.images[0].picture.getpixel((x, y))


def test_a_setting_that_a_script_changes_in_a_batch_acts_from_that_batch_on(app: App, plain: dict[str, bytes]) -> None:
    """As Randomize does with Clip skip: A1111 reads it when it reads the prompts."""
    wished = drawn(app, "clip skip", n_iter=2, override_settings={"return_grid": False})
    asked = drawn(app, "", n_iter=2, override_settings={"CLIP_stop_at_last_layers": 2, "return_grid": False})
    assert [pixels(wished, n) for n in (0, 1)] == [pixels(asked, n) for n in (0, 1)] and pixels(wished) != plain["text"]
    assert "Clip skip: 2" in wished.images[0].infotext
    assert pixels(drawn(app, "")) == plain["text"]


def test_without_a_wish_nothing_changes(app: App, plain: dict[str, bytes]) -> None:
    assert pixels(drawn(app, "")) == plain["text"] and pixels(painted(app, "")) == plain["inpaint"]


def test_the_values_of_a_run_stand_on_p(app: App, heard: list[Any]) -> None:
    painted(app, "")
    assert heard[0] == ("init", True, (48, 48, 32, 32), 1)
    blends = [each for each in heard if each[0] == "blend"]
    assert [each[1] for each in blends] == [False, False, True] and 14 < blends[0][2] < 15 and blends[-1][2] is None
    assert all(each[3][-2:] == (8, 8) and each[4] for each in blends)
    painted(app, "", sampler_name="DDIM", steps=4)
    assert next(each[2] for each in heard if each[0] == "blend") > 100, "timestep samplers tell the timestep, as in A1111"


@pytest.mark.parametrize("which", ["blend", "final blend", "mask", "words", "cond", "other cond"])
def test_each_value_acts_on_the_masked_part_alone(app: App, plain: dict[str, bytes], which: str) -> None:
    found = painted(app, which, mask_blur=4)
    usual = painted(app, "", mask_blur=4)
    assert not found.comments
    assert (pixels(found) == pixels(usual)) == (which == "mask")
    assert at(found, 2, 2) == input_picture().getpixel((2, 2)), "what is far from the mask"


def test_overlay_and_place_of_the_picture(app: App, plain: dict[str, bytes]) -> None:
    assert {each for _, each in painted(app, "overlay").images[0].picture.getcolors()} == {(0, 255, 0)}     # type: ignore[union-attr]
    usual, moved = painted(app, ""), painted(app, "paste")
    assert at(moved, 60, 60) != at(usual, 60, 60), "the hole in the overlay shows nothing of the picture any more"
    alone = painted(app, "no overlay")
    assert alone.images[0].picture.size == (64, 64), "A1111 puts it back nowhere then"


def test_colours_act_on_txt2img_too_and_only_on_that_run(app: App, plain: dict[str, bytes]) -> None:
    red = np.asarray(drawn(app, "colours").images[0].picture, float).mean(axis=(0, 1))
    usual = np.asarray(drawn(app, "").images[0].picture, float).mean(axis=(0, 1))
    assert red[0] - red[2] > usual[0] - usual[2] + 20
    assert pixels(drawn(app, "")) == plain["text"]


def test_what_is_encoded_for_one_job_is_not_changed_for_the_next(app: App, plain: dict[str, bytes]) -> None:
    hires = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent"}
    usual = drawn(app, "", **hires)
    for which in ("cond", "hires cond"):
        assert pixels(drawn(app, which, **hires)) != pixels(usual), which
    assert pixels(drawn(app, "", **hires)) == pixels(usual) and pixels(drawn(app, "")) == plain["text"]


def test_words_changed_in_process_batch_are_drawn(app: App, plain: dict[str, bytes]) -> None:
    assert pixels(drawn(app, "words")) == pixels(drawn(app, "", prompt="a house", negative_prompt="grey"))


def test_p_encodes_prompts_for_who_asks_it(app: App, plain: dict[str, bytes]) -> None:
    assert pixels(drawn(app, "cond by p")) == pixels(drawn(app, "other cond")) != plain["text"]
    assert pixels(drawn(app, "conds by p")) == pixels(drawn(app, "", prompt="a house", negative_prompt="grey"))


def test_a_guidance_scale_holds_from_the_pass_on_before_which_it_was_set(app: App, plain: dict[str, bytes]) -> None:
    hires = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent"}
    assert pixels(drawn(app, "scale")) == pixels(drawn(app, "", cfg_scale=2.5)) != plain["text"]
    of_hires = drawn(app, "hires scale", **hires)
    assert pixels(of_hires) not in (pixels(drawn(app, "", **hires)), pixels(drawn(app, "", cfg_scale=2.5, **hires)))


def test_a_model_that_reads_no_picture_is_told_nothing_in_its_place(app: App, plain: dict[str, bytes]) -> None:
    told: list[Any] = []

    def hear(params: Any) -> None:
        told.append((tuple(params.image_cond.shape), bool(params.image_cond.any())))
        params.image_cond = params.image_cond[-2:].clone()

    callbacks.on_cfg_denoiser(hear)
    try:
        assert pixels(drawn(app, "")) == plain["text"]
    finally:
        callbacks.remove_callbacks_for_function(hear)
    assert told == [((2, 5, 1, 1), False)] * 2


def test_nonsense_is_told_and_the_picture_is_made(app: App, plain: dict[str, bytes]) -> None:
    found = painted(app, "nonsense")
    assert pixels(found) == plain["inpaint"]
    assert sum("cannot be used" in each for each in found.comments) == 2


def test_masks_and_earlier_stages_are_kept_beside_the_picture(app: App, plain: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = {"outdir_samples": str(tmp_path / "out"), "outdir_init_images": str(tmp_path / "in"), "save_to_dirs": False, "img2img_color_correction": True,
                "save_images_before_color_correction": True, "save_images_before_highres_fix": True, "save_init_img": True}
    masks = dict.fromkeys(("save_mask", "save_mask_composite", "return_mask", "return_mask_composite"), True)
    settings_now(app, monkeypatch, settings | masks)
    found = generate_blocking(app, inpainting(save_images=True))
    for suffix in ("before-color-correction", "mask-composite", "mask"):
        assert len(list((tmp_path / "out").glob(f"*-{suffix}.png"))) == 1, suffix
    (kept,) = (tmp_path / "in").iterdir()
    assert f"Init image hash: {kept.stem}" in found.images[0].infotext
    assert Image.open(kept).tobytes() == input_picture().tobytes()
    mask_shown, composite = found.images[1].picture, found.images[2].picture
    assert len(found.images) == 3 and mask_shown.getpixel((60, 60)) == (255, 255, 255) and mask_shown.getpixel((5, 5)) == (0, 0, 0)
    assert composite.mode == "RGBA" and composite.getpixel((5, 5))[3] == 0 and composite.getpixel((60, 60))[3] == 255
    drawn(app, "", save_images=True, enable_hr=True, hr_scale=2, hr_upscaler="Latent")
    (before,) = (tmp_path / "out").glob("*before-highres-fix.png")
    assert Image.open(before).size == (64, 64)


def test_a_replaced_save_image_saves_every_picture(app: App, plain: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from modules import images  # pyright: ignore[reportAttributeAccessIssue]

    settings_now(app, monkeypatch, {"outdir_samples": str(tmp_path / "usual"), "outdir_grids": str(tmp_path / "usual")})
    usual = drawn(app, "", save_images=True, n_iter=2)
    asked: list[Any] = []
    original = images.save_image

    def mine(image: Any, path: Any, basename: Any, *args: Any, p: Any = None, **more: Any) -> Any:
        asked.append((basename, more.get("grid"), p.seed))
        return original(image, path, basename, *args, p=p, **more)

    monkeypatch.setattr(images, "save_image", mine)
    settings_now(app, monkeypatch, {"outdir_samples": str(tmp_path / "mine"), "outdir_grids": str(tmp_path / "mine")})
    found = drawn(app, "", save_images=True, n_iter=2)
    assert [each[0] for each in asked] == ["", "", "grid"] and asked[2][1] is True
    files = [{each.relative_to(folder): each.read_bytes() for each in folder.rglob("*.png")} for folder in (tmp_path / "usual", tmp_path / "mine")]
    assert files[0] == files[1] and len(files[0]) == 3
    assert [each.path and each.path.name for each in found.shown] == [each.path and each.path.name for each in usual.shown]

    monkeypatch.setattr(images, "save_image", lambda *args, **more: 1 / 0)
    assert drawn(app, "", save_images=True).images[0].path is not None, "the house saves where the extension fails"
    assert any("save_image" in each.place for each in app.extensions.troubles.found)


def test_a_function_in_the_parameters_hears_the_pictures_own_prompts(app: App, heard: list[Any]) -> None:
    """A1111's form since 1.9: what it returns is written."""
    found = drawn(app, "told", batch_size=2, negative_prompt="fog")
    assert not found.comments
    texts = [each.infotext for each in found.images if "Told not: fog" in each.infotext]
    assert all(any(f"Told: {SMALL['prompt']} {index}," in text for text in texts) for index in (0, 1)), texts


def test_a_replaced_create_infotext_writes_the_text(app: App, plain: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    from modules import processing  # pyright: ignore[reportAttributeAccessIssue]

    usual = [each.infotext for each in drawn(app, "", n_iter=2).images]
    original = processing.create_infotext
    monkeypatch.setattr(processing, "create_infotext", lambda p, *args, **more: original(p, *args, **more) + ", Mine: 1")
    assert [each.infotext for each in drawn(app, "", n_iter=2).images] == [f"{each}, Mine: 1" for each in usual]


def test_the_user_orders_scripts_and_callbacks(app: App, plain: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    from modules.a1111.callback_order import offer_orders
    from modules.a1111.script import AlwaysVisible, Script

    calls: list[str] = []

    def made(name: str) -> type[Script]:
        own: dict[str, Callable[..., Any]] = {"title": lambda self: name, "show": lambda self, is_img2img: AlwaysVisible, "process": lambda self, p, *args: calls.append(name)}
        return type(name, (Script,), dict(own))

    host: Any = app.scripts.host
    for name in ("First", "Second"):
        host.register(type("module", (), {name: made(name)}), f"/somewhere/{name}.py", "/somewhere")
    host.initialize()
    offer_orders()
    drawn(app, "")
    assert calls == ["First", "Second"]
    key, name = "prioritized_callbacks_script_process", "base/Second.py/script_process/Second"
    assert name in app.extensions.choices["callbacks of script_process"]()
    calls.clear()
    app.settings.update({key: [name, "gone"]})
    drawn(app, "")
    assert calls == ["Second", "First"]


def test_a_replaced_process_batch_has_the_whole_batch(app: App, plain: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may call the original, and what that draws is what the job shows."""
    from modules import img2img

    source = tmp_path / "in"
    source.mkdir()
    for name in "ab":
        input_picture().save(source / f"{name}.png")
    original, asked = img2img.process_batch, []

    def process_batch(p: Any, input: Any, output_dir: str, inpaint_mask_dir: str, args: Any, **options: Any) -> Any:
        asked.append((input, output_dir, inpaint_mask_dir, options["to_scale"], options["scale_by"]))
        p.prompt = "a dog"
        return original(p, input, output_dir, inpaint_mask_dir, args, **options)

    monkeypatch.setattr(img2img, "process_batch", process_batch)
    request = Img2ImgRequest.page_defaults().changed(SMALL | {"init_images": ()})
    job = submit_batch(app, request, BatchOrder(files=files_of(source), folder=str(source), scale=0.5), source="page")
    app.jobs.wait(job, 120)
    assert isinstance(job.result, Outcome), job.error
    assert asked == [(str(source), "", "", True, 0.5)]
    assert [(each.picture.size, each.infotext[:5]) for each in job.result.images] == [((48, 48), "a dog")] * 2


def test_a_batch_draws_each_picture_once_where_scripts_run(app: App, plain: dict[str, bytes], tmp_path: Path) -> None:
    """The job of one picture is not taken for the whole batch again."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in "abc":
        input_picture().save(source / f"{name}.png")
    request = Img2ImgRequest.page_defaults().changed(SMALL | {"init_images": (), "save_images": True})
    job = submit_batch(app, request, BatchOrder(files=files_of(source), folder=str(source), output=str(out)), source="page")
    app.jobs.wait(job, 120)
    assert isinstance(job.result, Outcome), job.error
    assert len(job.result.images) == 3 and sorted(each.name for each in out.iterdir()) == ["a.png", "b.png", "c.png"]


def test_kinds_of_networks_that_extensions_bring_are_told_what_the_prompt_names(app: App, plain: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    class Mood(network_types.ExtraNetwork):
        def activate(self, p: Any, params_list: list[Any]) -> None:
            told.append([params.items for params in params_list])

        def deactivate(self, p: Any) -> None:
            told.append("over")

    monkeypatch.setattr(prompt_networks, "extra_network_registry", registry := {"mood": Mood("mood")})
    monkeypatch.setattr(network_types, "extra_network_registry", registry)
    found = generate_blocking(app, Txt2ImgRequest.from_flat(SMALL | {"prompt": "a cat<mood:calm:2>"}))
    assert told == [[["calm", "2"]], "over"] and pixels(found) == plain["text"]
    drawn(app, "")
    assert told[2:] == [[], "over"]


def test_what_takes_the_place_of_the_lora_network_decides_what_is_loaded(app: App, plain: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that the house cannot read are another's to read."""
    name = app.catalogue.loras()[0].stem

    class Timed(lora_names.ExtraNetworkLora):
        def activate(self, p: Any, params_list: list[Any]) -> None:
            for params in params_list:
                params.positional = [name, 1]
            super().activate(p, params_list)

    for home in (prompt_networks, network_types):
        monkeypatch.setattr(home, "extra_network_registry", {})
    usual = generate_blocking(app, Txt2ImgRequest.from_flat(SMALL | {"prompt": f"a cat<lora:{name}:1>"}))
    for home in (prompt_networks, network_types):
        monkeypatch.setattr(home, "extra_network_registry", {"lora": Timed()})
    prompt_networks.register_own()
    timed = generate_blocking(app, Txt2ImgRequest.from_flat(SMALL | {"prompt": f"a cat<lora:{name}:0@0,1@1>"}))
    assert pixels(timed) == pixels(usual) != plain["text"] and not timed.comments
    told = [each.images[0].infotext.partition("Lora hashes: ")[2].split(",")[0] for each in (timed, usual)]
    assert told[0] == told[1] != ""
    assert pixels(drawn(app, "")) == plain["text"]


def test_what_takes_the_place_of_the_lora_network_acts_on_the_words_of_the_hires_pass(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked before they are read."""
    name, read = app.catalogue.loras()[0].stem, []

    class Second(lora_names.ExtraNetworkLora):
        def activate(self, p: Any, params_list: list[Any]) -> None:
            read.append((p.is_hr_pass, getattr(p, "hr_c", None) is not None))
            for params in params_list:
                params.positional = [name, 1.0 if p.is_hr_pass else 0.0]
            super().activate(p, params_list)

    hires = SMALL | {"enable_hr": True, "hr_scale": 2.0, "denoising_strength": 1.0, "steps": 2}
    by_tags = generate_blocking(app, Txt2ImgRequest.from_flat(hires | {"prompt": f"a cat<lora:{name}:0>", "hr_prompt": f"a cat<lora:{name}:1>"}))
    for home in (prompt_networks, network_types):
        monkeypatch.setattr(home, "extra_network_registry", {"lora": Second()})
    by_class = generate_blocking(app, Txt2ImgRequest.from_flat(hires | {"prompt": f"a cat<lora:{name}:first>"}))
    assert read == [(False, False), (True, False)] and pixels(by_class) == pixels(by_tags)


def test_the_text_tells_a_seed_that_a_script_set(app: App, plain: dict[str, bytes]) -> None:
    """A1111 has drawn the noise by then."""
    found = generate_blocking(app, Txt2ImgRequest.from_flat(SMALL | with_values("seed")))
    assert "Seed: 77," in found.images[0].infotext
    assert pixels(found) == pixels(generate_blocking(app, Txt2ImgRequest.from_flat(SMALL | with_values(""))))
