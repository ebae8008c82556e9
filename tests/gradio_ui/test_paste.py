"""Infotext back into fields: what a picture says is what the page would ask for again."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from modules.gradio_ui.choices import ChoiceSources
from modules.gradio_ui.paste import Paster
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
        chips, *updates = paster.from_text(text)
        return chips, {field.name: each["value"] for field, each in zip(page.form.fields, updates, strict=True) if "value" in each}

    return run


def test_fields_take_what_the_text_says(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    _, values = paste(TEXT)
    assert values == {
        "prompt": "a red potion\non a table", "negative_prompt": "blurry", "steps": 31, "sampler_name": "Euler a", "scheduler": "Karras", "cfg_scale": 4.5,
        "seed": 77, "width": 96, "height": 128, "subseed": 9, "subseed_strength": 0.25, "seed_resize_from_w": 64, "seed_resize_from_h": 72,
        "enable_hr": False, "hr_resize_x": 0, "hr_resize_y": 0, "hr_sampler_name": "Use same sampler", "hr_scheduler": "Use same scheduler", "hr_prompt": "",
        "hr_negative_prompt": "", "hr_checkpoint_name": "Use same checkpoint", "txt2img_enable-checkbox": False,
    }  # fmt: skip


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
    assert "refiner_checkpoint" not in values


def test_settings_that_differ_become_chips(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    chips, _ = paste(TEXT)
    assert chips["value"] == ["Clip skip: 2", "ENSD: 31337"]
    assert chips["visible"] is True


def test_a_text_without_parameters_is_a_prompt(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    chips, values = paste("only words")
    assert values["prompt"] == "only words"
    assert values["negative_prompt"] == ""
    assert "steps" not in values and chips["visible"] == "hidden"


def test_a_schedule_inside_the_samplers_name_is_taken_apart(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    _, values = paste("x\nSteps: 5, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1, Size: 64x64")
    assert (values["sampler_name"], values["scheduler"]) == ("DPM++ 2M", "Karras")


def test_a_sampler_we_do_not_have_leaves_the_field(paste: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
    _, values = paste("x\nSteps: 5, Sampler: Quantum, CFG scale: 7, Seed: 1, Size: 64x64")
    assert "sampler_name" not in values and values["steps"] == 5


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
    updates = paster.from_text(finished.result.images[0].infotext)[1:]
    again = [each.get("value", before) for each, before in zip(updates, page.values())]
    assert page.form.request(again) == page.form.request(asked)
