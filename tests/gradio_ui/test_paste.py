"""Infotext back into fields: what a picture says is what the page would ask for again."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from modules.a1111 import app_slot, infotext_names
from modules.gradio_ui.choices import ChoiceSources
from modules.gradio_ui.img2img_batch import send_img2img
from modules.gradio_ui.paste import Paster, override_values
from modules.gradio_ui.shown_files import ShownFiles
from modules.gradio_ui.soft_inpainting import ENABLED as SOFT
from modules.gradio_ui.soft_inpainting import SOFT_FIELDS
from modules.gradio_ui.submit import Submitter
from modules.schema.params_img2img import INPAINT_AREAS, MASK_MODES, MASKED_CONTENT
from tests.application.test_network_pages import network
from tests.gradio_ui.conftest import Behind, BuiltPage

TEXT = """a red potion
on a table
Negative prompt: blurry
Steps: 31, Sampler: Euler a, Schedule type: Karras, CFG scale: 4.5, Seed: 77, Size: 96x128, Model hash: f5f9aef994, Model: tiny, \
Variation seed: 9, Variation seed strength: 0.25, Seed resize from: 64x72, Clip skip: 2, ENSD: 31337, Version: v1.10.1"""


@pytest.fixture
def paste(behind: Callable[..., Behind], page: BuiltPage) -> Callable[[str], tuple[Any, dict[str, Any]]]:
    """A function text -> (update of the override chips, new values by API name)."""
    app = behind().app
    paster = Paster(app=app, form=page.form, choices=ChoiceSources.of(app))

    def run(text: str) -> tuple[Any, dict[str, Any]]:
        chips, *updates, _ = paster.from_text(text)
        return chips, {field.name: each["value"] for field, each in zip(page.form.fields, updates, strict=True) if "value" in each}

    return run


def test_fields_take_what_the_text_says(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    _, values = paste(TEXT)
    assert values == {
        "prompt": "a red potion\non a table", "negative_prompt": "blurry", "steps": 31, "sampler_name": "Euler a", "scheduler": "Karras", "cfg_scale": 4.5,
        "seed": 77, "width": 96, "height": 128, "subseed": 9, "subseed_strength": 0.25, "seed_resize_from_w": 64, "seed_resize_from_h": 72,
        "enable_hr": False, "hr_resize_x": 0, "hr_resize_y": 0, "hr_sampler_name": "Use same sampler", "hr_scheduler": "Use same scheduler", "hr_prompt": "",
        "hr_negative_prompt": "", "hr_checkpoint_name": "Use same checkpoint", "txt2img_enable-checkbox": False, "txt2img_subseed_show": True,
    }  # fmt: skip


def test_extra_is_on_where_the_text_has_a_variation_and_off_elsewhere(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    plain = "a cat\nSteps: 9, Sampler: Euler, CFG scale: 4.5, Seed: 1, Size: 64x64"
    shown = [paste(plain + more)[1]["txt2img_subseed_show"] for more in (", Seed resize from: 64x72", "", ", Variation seed: 3, Variation seed strength: 0.1")]
    assert shown == [True, False, True]


def test_a_number_too_large_for_a_browser_leaves_its_field_and_the_rest_is_taken(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    _, values = paste(f"a cat\nSteps: 9, Sampler: Euler, CFG scale: 4.5, Seed: {10**20}, Size: 64x64, Variation seed: {2**64 - 1}")
    assert "seed" not in values and (values["steps"], values["subseed"]) == (9, 2**64 - 1)


def test_hires_fix_is_switched_on_by_what_it_wrote(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    _, values = paste(TEXT + ", Denoising strength: 0.6, Hires upscale: 1.5, Hires steps: 4, Hires upscaler: Latent (nearest)")
    hires = {name: values[name] for name in ("enable_hr", "denoising_strength", "hr_scale", "hr_second_pass_steps", "hr_upscaler")}
    assert hires == {"enable_hr": True, "denoising_strength": 0.6, "hr_scale": 1.5, "hr_second_pass_steps": 4, "hr_upscaler": "Latent (nearest)"}


def test_second_checkpoints_are_found_by_what_texts_call_them(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    _, values = paste(TEXT + ", Hires checkpoint: fake [0123456789], Hires upscale: 2, Hires upscaler: Latent, Refiner: fake, Refiner switch at: 0.6")
    refiner = {name: values[name] for name in ("hr_checkpoint_name", "txt2img_enable-checkbox", "refiner_checkpoint", "refiner_switch_at")}
    assert refiner == {
        "hr_checkpoint_name": "fake.safetensors", "txt2img_enable-checkbox": True, "refiner_checkpoint": "fake.safetensors", "refiner_switch_at": 0.6,
    }  # fmt: skip
    _, values = paste(TEXT + ", Refiner: gone [0123456789], Refiner switch at: 0.6")
    assert "refiner_checkpoint" not in values and values["txt2img_enable-checkbox"] is False, "a Refiner that is not here would be on without a checkpoint"


def test_loras_are_pasted_by_the_names_that_their_files_have_here(behind: Callable[..., Behind], page: BuiltPage) -> None:
    app = behind().app
    folder = app.paths.models_dir / "Lora"
    network(folder / "mine.safetensors", sshs_model_hash="0123456789abcdef")
    network(folder / "named.safetensors", sshs_model_hash="aaaaaaaaaaaa0000", ss_output_name="its alias")
    network(folder / "there.safetensors", sshs_model_hash="bbbbbbbbbbbb0000", ss_output_name="another")
    app.catalogue.refresh()
    paster = Paster(app=app, form=page.form, choices=ChoiceSources.of(app))

    def prompts(prefer: str) -> dict[str, Any]:
        app.settings.set("lora_preferred_name", prefer)
        text = (
            "a cat <lora:ink, wet:0.8> <lyco:old:1:0.5>, <lora:there:1> <lora:gone:1>\nSteps: 3, Hires prompt: dog <lora:old>, Hires upscale: 2,"
            ' Lora hashes: "ink wet: 0123456789ab, old: aaaaaaaaaaaa, there: bbbbbbbbbbbb, gone: cccccccccccc"'
        )
        updates = paster.from_text(text)[1:-1]
        return {field.name: each["value"] for field, each in zip(page.form.fields, updates, strict=True) if field.name in ("prompt", "hr_prompt")}

    rest = "<lora:there:1> <lora:gone:1>"
    assert prompts("Alias from file") == {"prompt": f"a cat <lora:mine:0.8> <lyco:its alias:1:0.5>, {rest}", "hr_prompt": "dog <lora:its alias>"}
    assert prompts("Filename") == {"prompt": f"a cat <lora:mine:0.8> <lyco:named:1:0.5>, {rest}", "hr_prompt": "dog <lora:named>"}


def test_loras_that_additional_networks_wrote_beside_the_prompt_become_tags_in_it(behind: Callable[..., Behind], page: BuiltPage) -> None:
    app = behind().app
    text = ("a cat\nNegative prompt: bad\nSteps: 3, Sampler: Euler, Seed: 1, AddNet Enabled: True, AddNet Module 1: LoRA, AddNet Model 1: ink(0123abcd4567), "
            "AddNet Weight A 1: 0.7, AddNet Weight B 1: 0.5, AddNet Module 2: LoRA, AddNet Model 2: None, AddNet Module 3: LoRA, AddNet Model 3: my wash")

    def prompt(**more: Any) -> str:
        updates = Paster(app=app, form=page.form, choices=ChoiceSources.of(app), **more).from_text(text)[1:-1]
        return next(each["value"] for field, each in zip(page.form.fields, updates, strict=True) if field.name == "prompt")

    assert prompt() == "a cat\n<lora:ink:0.7><lora:my wash:1.0>"
    assert prompt(script_keys={"AddNet Module 1"}) == "a cat", "the extension is there: its own fields take them"


def test_settings_that_differ_become_chips(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    chips, _ = paste(TEXT)
    assert chips["value"] == ["Clip skip: 2", "ENSD: 31337"]
    assert chips["visible"] is True


def test_faces_are_restored_again_where_the_text_names_what_restored_them(behind: Callable[..., Behind], page: BuiltPage) -> None:
    app = behind().app
    for text, expected in (
        ("CodeFormer", {"face_restoration": True, "face_restoration_model": "CodeFormer"}), ("GFPGAN", {"face_restoration": True, "face_restoration_model": "GFPGAN"}),
        ("RestoreFormer", {"face_restoration": True}), ("True", {"face_restoration": True}),
    ):  # fmt: skip
        chips, *_, told = Paster(app=app, form=page.form, choices=ChoiceSources.of(app)).from_text(f"a face\nSteps: 3, Sampler: Euler, Seed: 1, Face restoration: {text}")
        assert chips["value"] == [f"Face restoration: {text}"] and "value" not in told
        assert override_values(app.settings.table, chips["value"]) == expected
        with app_slot.occupied(app):
            assert infotext_names.create_override_settings_dict(chips["value"]) == expected
            assert infotext_names.get_override_settings({"Face restoration": text}) == [("Face restoration", "face_restoration", True)]


def test_a_name_that_an_extension_gives_a_setting_becomes_a_chip(
    paste: Callable[[str], tuple[Any, dict[str, Any]]], behind: Callable[..., Behind], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Extensions from before A1111 1.6 append to this list as they load."""
    monkeypatch.setattr(infotext_names, "infotext_to_setting_name_mapping", [])
    infotext_names.infotext_to_setting_name_mapping.append(("My skip", "CLIP_stop_at_last_layers"))
    chips, _ = paste("a cat\nSteps: 3, Sampler: Euler, Seed: 1, My skip: 3")
    assert chips["value"] == ["My skip: 3"]
    with app_slot.occupied(behind().app):
        assert infotext_names.create_override_settings_dict(["My skip: 3"]) == {"CLIP_stop_at_last_layers": 3}


def test_a_text_without_parameters_is_a_prompt(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    chips, values = paste("only words")
    assert values["prompt"] == "only words"
    assert values["negative_prompt"] == ""
    assert "steps" not in values and chips["visible"] == "hidden"


def test_a_schedule_inside_the_samplers_name_is_taken_apart(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    _, values = paste("x\nSteps: 5, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1, Size: 64x64, Denoising strength: 0.5, Hires upscale: 2, Hires sampler: DPM++ SDE Exponential")
    assert (values["sampler_name"], values["scheduler"]) == ("DPM++ 2M", "Karras")
    assert (values["hr_sampler_name"], values["hr_scheduler"]) == ("DPM++ SDE", "Exponential")
    _, values = paste("x\nSteps: 5, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1, Size: 64x64, Denoising strength: 0.5, Hires upscale: 2, Hires schedule type: Automatic")
    assert (values["hr_sampler_name"], values["hr_scheduler"]) == ("Use same sampler", "Automatic")


def test_a_sampler_that_the_settings_hide_is_pasted_and_offered_from_then_on(behind: Callable[..., Behind], page: BuiltPage) -> None:
    app = behind().app
    app.settings.set("hide_samplers", ["Euler a", "Heun"])
    text = "a cat\nSteps: 3, Sampler: Euler a, Seed: 1, Denoising strength: 0.7, Hires upscale: 2, Hires sampler: Heun"
    updates = Paster(app=app, form=page.form, choices=ChoiceSources.of(app)).from_text(text)[1:-1]
    found = {field.name: each for field, each in zip(page.form.fields, updates, strict=True)}
    for name, sampler, other in (("sampler_name", "Euler a", "Heun"), ("hr_sampler_name", "Heun", "Euler a")):
        assert found[name]["value"] == sampler and sampler in found[name]["choices"] and other not in found[name]["choices"]


def test_a_sampler_we_do_not_have_leaves_the_field(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    _, values = paste("x\nSteps: 5, Sampler: Quantum, CFG scale: 7, Seed: 1, Size: 64x64")
    assert "sampler_name" not in values and values["steps"] == 5


def test_what_is_not_here_is_named_and_what_stood_there_stays(behind: Callable[..., Behind], page: BuiltPage) -> None:
    app = behind().app
    app.settings.set("disable_weights_auto_swap", False)
    paster = Paster(app=app, form=page.form, choices=ChoiceSources.of(app))
    common = "x\nSteps: 5, CFG scale: 7, Seed: 1, Size: 64x64, "
    text = common + ("Sampler: Quantum, Schedule type: Bent, Model hash: 0123456789, Model: dream, VAE: far.pt, Hires upscale: 1.5, Hires upscaler: 4x-Gone, "
                     "Refiner: gone [0123456789], Clip skip: 2")
    chips, *updates, told = paster.from_text(text)
    assert chips["value"] == ["Clip skip: 2"], "a checkpoint that is not here would be refused at each click, a missing VAE complained of after each picture"
    values = {field.name: each["value"] for field, each in zip(page.form.fields, updates, strict=True) if "value" in each}
    assert not {"sampler_name", "scheduler", "hr_upscaler", "refiner_checkpoint"} & set(values) and values["hr_scale"] == 1.5
    words = json.loads(told["value"])["words"]
    for name in ("Sampler 'Quantum'", "Schedule type 'Bent'", "Hires upscaler '4x-Gone'", "Refiner 'gone [0123456789]'", "VAE 'far.pt'", "Model 'dream'"):
        assert name in words, words
    assert paster.from_text(text)[-1]["value"] != told["value"], "the same words once more are said once more"
    assert "value" not in paster.from_text(common + "Sampler: Euler a, Schedule type: Karras, Hires upscale: 2, Hires upscaler: Latent, Refiner: fake")[-1]


def test_the_last_picture_comes_back_when_the_prompt_is_empty(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    paster = Paster(app=server.app, form=page.form, choices=ChoiceSources.of(server.app))
    assert all("value" not in each for each in paster.from_text(""))
    server.run("task(1)", page.values(prompt="the last one", steps=3, seed=4))
    updates = dict(zip((field.name for field in page.form.fields), paster.from_text("")[1:]))
    assert updates["prompt"]["value"] == "the last one" and updates["steps"]["value"] == 3


def test_what_a_picture_says_asks_for_the_same_picture(behind: Callable[..., Behind], page: BuiltPage) -> None:
    """The law: generate, paste its infotext into an untouched page, and the request is the same."""
    server = behind()
    asked = page.values(prompt="(a:1.2) b", negative_prompt="c, d", steps=9, cfg_scale=3.5, width=72, height=64, seed=123, scheduler="Karras")
    server.run("task(1)", asked)
    finished = server.app.jobs.find("task(1)")
    assert finished is not None
    paster = Paster(app=server.app, form=page.form, choices=ChoiceSources.of(server.app))
    updates = paster.from_text(finished.result.images[0].infotext)[1:-1]
    again = [each.get("value", before) for each, before in zip(updates, page.values())]
    assert page.form.request(again) == page.form.request(asked)


FIELDS: dict[str, Any] = {
    "prompt": st.text(alphabet="ab,:\n<>()[]{}\"\\1. ", max_size=40), "negative_prompt": st.text(alphabet="xy, :\"", max_size=20), "steps": st.integers(1, 150),
    "sampler_name": st.sampled_from(["Euler", "DPM++ 2M", "DDIM", "LMS"]), "scheduler": st.sampled_from(["Automatic", "Karras", "SGM Uniform", "DDIM"]),
    "cfg_scale": st.sampled_from([1.0, 3.5, 7.0, 12.5]), "seed": st.integers(0, 2**32 - 2), "width": st.sampled_from([64, 72, 512]), "height": st.sampled_from([64, 136]),
    "subseed": st.integers(0, 2**32 - 2), "subseed_strength": st.sampled_from([0.05, 0.3, 1.0]), "seed_resize_from_w": st.sampled_from([64, 80]),
    "seed_resize_from_h": st.sampled_from([72, 96]), "enable_hr": st.booleans(), "hr_upscaler": st.sampled_from(["Latent", "Lanczos", "None"]),
    "hr_second_pass_steps": st.integers(0, 30), "denoising_strength": st.sampled_from([0.0, 0.35, 1.0]), "hr_scale": st.sampled_from([1.0, 1.5, 2.35]),
    "hr_resize_x": st.sampled_from([0, 128]), "hr_resize_y": st.sampled_from([0, 160]), "hr_sampler_name": st.sampled_from(["Use same sampler", "Euler"]),
    "hr_scheduler": st.sampled_from(["Use same scheduler", "Karras"]), "hr_prompt": st.sampled_from(["", "other: words, \"quoted\"\nand more"]),
    "hr_negative_prompt": st.sampled_from(["", "none of it"]), "refiner_checkpoint": st.sampled_from(["fake.safetensors"]), "refiner_switch_at": st.sampled_from([0.25, 0.8]),
    "txt2img_enable-checkbox": st.booleans(),
}  # fmt: skip
HIRES = [name for name in FIELDS if name.startswith("hr_")]


def settled(values: dict[str, Any]) -> dict[str, Any]:
    """What of a random click a picture can tell: nothing of what stands in a closed fold, of white space around prompts, of what is the same as in the first pass."""
    for name in ("prompt", "negative_prompt", "hr_prompt"):
        values[name] = values[name].strip()
    if not values["enable_hr"]:
        for name in (*HIRES, "denoising_strength"):
            values.pop(name)
    else:
        for name in ("sampler_name", "scheduler"):
            if values[f"hr_{name}"] == values[name]:
                values.pop(f"hr_{name}")
        if values["hr_resize_x"] or values["hr_resize_y"]:
            values.pop("hr_scale")
    if not values["txt2img_enable-checkbox"]:
        values.pop("refiner_checkpoint"), values.pop("refiner_switch_at")
    return values


@settings(max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(asked=st.fixed_dictionaries(FIELDS).map(settled))
def test_any_request_comes_back_from_its_picture(behind: Callable[..., Behind], page: BuiltPage, asked: dict[str, Any]) -> None:
    server = _one_server(behind)
    task = f"task({len(server.engine.requests)})"
    answer = server.run(task, page.values(**asked))
    finished = server.app.jobs.find(task)
    assert finished is not None and finished.result is not None, answer
    paster = Paster(app=server.app, form=page.form, choices=ChoiceSources.of(server.app))
    text = finished.result.images[0].infotext
    updates = paster.from_text(text)[1:-1]
    again = [each.get("value", before) for each, before in zip(updates, page.values())]
    before, after = (page.form.request(values).to_flat() for values in (page.values(**asked), again))
    after["refiner_checkpoint"] = (after["refiner_checkpoint"] or "").split(" [")[0] or before["refiner_checkpoint"]     # its hash is known by now
    assert {key: value for key, value in after.items() if value != before[key]} == {}, text


IMG2IMG_FIELDS: dict[str, Any] = {
    **{name: FIELDS[name] for name in ("prompt", "negative_prompt", "steps", "sampler_name", "scheduler", "cfg_scale", "seed", "width", "height", "subseed",
                                       "subseed_strength", "seed_resize_from_w", "seed_resize_from_h", "denoising_strength", "refiner_checkpoint", "refiner_switch_at")},
    "img2img_enable-checkbox": st.booleans(), "img2img_mode": st.sampled_from(["0", "4"]),
    "mask_blur": st.integers(0, 64), "inpainting_mask_invert": st.sampled_from(MASK_MODES), "inpainting_fill": st.sampled_from(MASKED_CONTENT),
    "inpaint_full_res": st.sampled_from(INPAINT_AREAS), "inpaint_full_res_padding": st.integers(0, 64).map(lambda cells: 4 * cells),
    SOFT: st.booleans(), **{each.name: st.sampled_from([each.bounds[0], each.bounds[1], each.start + each.bounds[2]]) for each in SOFT_FIELDS},
}  # fmt: skip
MASK_FIELDS = ("mask_blur", "inpainting_mask_invert", "inpainting_fill", "inpaint_full_res", "inpaint_full_res_padding", SOFT)


def settled_img2img(values: dict[str, Any]) -> dict[str, Any]:
    """As ``settled``: nothing about masks where there is none, and no padding around a whole picture."""
    for name in ("prompt", "negative_prompt"):
        values[name] = values[name].strip()
    if values["img2img_mode"] == "0":
        for name in MASK_FIELDS:
            values.pop(name)
    elif values["inpaint_full_res"] == INPAINT_AREAS[0]:
        values.pop("inpaint_full_res_padding")
    if not values.get(SOFT):
        for each in SOFT_FIELDS:
            values.pop(each.name)
    if not values["img2img_enable-checkbox"]:
        values.pop("refiner_checkpoint"), values.pop("refiner_switch_at")
    return values


@settings(max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(asked=st.fixed_dictionaries(IMG2IMG_FIELDS).map(settled_img2img))
def test_any_request_of_img2img_comes_back_from_its_picture(
    behind: Callable[..., Behind], page: BuiltPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    """The pictures stay on their canvases; everything else is read from the text. How they were fitted is not: A1111's texts say nothing of it."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    Image.new("RGB", (48, 32), "blue").save(tmp_path / "picture.png")
    canvas = json.dumps({"picture": str(tmp_path / "picture.png")})
    kept = {"img2img_mode": asked["img2img_mode"], **dict.fromkeys(("img2img_image", "img_inpaint_base", "img_inpaint_mask"), canvas)}
    server, form = _one_server(behind), page.img2img
    untouched = [kept.get(field.name, getattr(field.component, "value", None)) for field in form.fields]
    clicked = [(asked | kept).get(field.name, value) for field, value in zip(form.fields, untouched)]
    task = f"task(img2img-{len(server.engine.requests)})"
    answer = Submitter(app=server.app, form=form, files=ShownFiles((server.app.paths.outputs_dir,)), send=send_img2img).submit(task, [], *clicked)
    finished = server.app.jobs.find(task)
    assert finished is not None, answer
    server.app.jobs.wait(finished, 30)
    assert finished.result is not None, finished.error
    text = finished.result.images[0].infotext
    updates = Paster(app=server.app, form=form, choices=ChoiceSources.of(server.app)).from_text(text)[1:-1]
    again = [each.get("value", before) for each, before in zip(updates, untouched)]
    before, after = (form.request(values).to_flat() for values in (clicked, again))
    after["refiner_checkpoint"] = (after["refiner_checkpoint"] or "").split(" [")[0] or before["refiner_checkpoint"]     # its hash is known by now
    assert {key: (before[key], value) for key, value in after.items() if value != before[key]} == {}, text


def _one_server(behind: Callable[..., Behind], kept: dict[int, Behind] = {}) -> Behind:  # noqa: B006
    return kept.setdefault(id(behind), None) or kept.__setitem__(id(behind), behind()) or kept[id(behind)]    # type: ignore[arg-type]


# What other programs write, and what the fields are to hold then.
FOREIGN = {
    "forge": (("a fox\nNegative prompt: red\nSteps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Distilled CFG Scale: 3.5, Seed: 12345, Size: 896x1152, "
              "Model hash: abc1234567, Model: flux1-dev-bnb-nf4-v2, Module 1: ae, Diffusion in Low Bits: bnb-nf4 (fp16 LoRA), Version: f2.0.1v1.10.1-previous-664-gd557aef9"),
              {"prompt": "a fox", "negative_prompt": "red", "steps": 20, "sampler_name": "Euler", "scheduler": "Simple", "cfg_scale": 1, "seed": 12345, "width": 896, "height": 1152}),
    "comfyui image saver": (("a fox\nNegative prompt: red\nSteps: 25, Sampler: dpmpp_2m_karras, CFG Scale: 5.5, Seed: 9, Size: 512x768, Clip skip: 2, Model hash: 0123456789, "
                            "Model: some, Version: ComfyUI"),
                            {"steps": 25, "cfg_scale": 5.5, "seed": 9, "width": 512, "height": 768}),
    "civitai": (("a fox, <lora:x:0.8>\nNegative prompt: red\nSteps: 30, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 5, Size: 832x1216, Clip skip: 2, Created Date: "
                "2024-05-01T10:20:30.4567890Z, Civitai resources: [{\"type\":\"checkpoint\",\"modelVersionId\":290640,\"modelName\":\"Some, model\"}], Civitai metadata: {}"),
                {"prompt": "a fox, <lora:x:0.8>", "steps": 30, "sampler_name": "DPM++ 2M", "scheduler": "Karras", "seed": 5, "width": 832, "height": 1216}),
    "sd.next": (("a fox\nNegative prompt: red\nSteps: 20, Size: 512x640, Sampler: Euler a, Seed: 7, CFG scale: 6, CFG rescale: 0.7, Model: some, Model hash: 0123456789, "
                "App: SD.Next, Version: 1234567, Operations: txt2img; hires, Parser: Full parser"),
                {"steps": 20, "sampler_name": "Euler a", "seed": 7, "cfg_scale": 6, "width": 512, "height": 640}),
    "invokeai": ("a fox\nNegative prompt: red\nSteps: 20, Sampler: euler_a, CFG scale: 7.5, Seed: 3, Size: 512x512, Model: some, Version: InvokeAI 4.2.0",
                 {"steps": 20, "cfg_scale": 7.5, "seed": 3, "width": 512, "height": 512}),
    "draw things": ("a fox\nNegative Prompt: red\nSteps: 20, Sampler: Euler A Trailing, Guidance Scale: 4.0, Seed: 3, Size: 1024x1024, Model: x.ckpt, Strength: 1.0, Seed Mode: Scale Alike",
                    {"steps": 20, "seed": 3, "width": 1024}),
    "json": ('{"positive_prompt": "a fox", "seed": 1}', {"prompt": '{"positive_prompt": "a fox", "seed": 1}'}),
    "broken": ("a fox\nNegative prompt: red\nSteps: many, Sampler: , CFG scale: 1e999, Seed: -, Size: 0x, Hires upscale: x, Denoising strength: nan, Refiner: ,",
               {"prompt": "a fox", "negative_prompt": "red"}),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_texts_of_other_programs_give_what_they_name(paste: Callable[[str], tuple[Any, dict[str, Any]]], page: BuiltPage, name: str) -> None:
    text, wanted = FOREIGN[name]
    _, values = paste(text)
    assert {key: values.get(key) for key in wanted} == wanted
    again = [values.get(field.name, getattr(field.component, "value", None)) for field in page.form.fields]
    page.form.request(again)    # what was pasted can be asked for
