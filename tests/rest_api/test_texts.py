"""What the texts of pictures say, held against what A1111 1.10.1 answered to the same requests over the same tiny checkpoint."""
from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from modules.application.settings_store import SettingsStore
from modules.imaging.base64_codec import encode_image
from modules.schema.infotext_read import parse_infotext
from tests.conftest import RunningServer

ONE, TWO = "tiny-emb: 9d2bea383c1e", "tiny-emb-pt: 55829fa63f22"
SMALL = {"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}
HIRES = {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.7, "hr_upscaler": "Latent"}


def texts(server: RunningServer, **asked: Any) -> list[dict[str, str]]:
    """The fields of each picture's text."""
    answer = server.client.post("/sdapi/v1/txt2img", json=SMALL | asked)
    assert answer.status_code == 200, answer.text[:500]
    return [parse_infotext(text) for text in json.loads(answer.json()["info"])["infotexts"]]


@pytest.mark.parametrize(("asked", "named"), [
    ({"prompt": "tiny-emb"}, [[ONE]]),
    ({"prompt": "tiny-emb tiny-emb-pt", "negative_prompt": "a tiny-emb"}, [[ONE, TWO, ONE]]),
    ({"prompt": "a tiny-emb AND b tiny-emb-pt AND c tiny-emb"}, [[ONE, TWO, ONE]]),
    ({"prompt": "tiny-emb", "n_iter": 2}, [[ONE], [ONE]]),
    (HIRES | {"prompt": "tiny-emb", "n_iter": 3}, [[ONE], [ONE, ONE], [ONE, ONE]]),
    (HIRES | {"prompt": "a", "hr_prompt": "tiny-emb-pt", "n_iter": 2}, [[], [TWO]]),
    (HIRES | {"prompt": "tiny-emb", "negative_prompt": "tiny-emb-pt", "n_iter": 2, "override_settings": {"hires_fix_use_firstpass_conds": True}},
     [[ONE, TWO, ONE, TWO]] * 2),
])
def test_an_embedding_is_named_each_time_its_prompt_is_read(running_app: RunningServer, asked: dict[str, Any], named: list[list[str]]) -> None:
    """The prompts of a hires pass are read when the batch's texts stand already: the next batch's tell of them."""
    assert [text.get("TI hashes", "") for text in texts(running_app, **asked)] == [", ".join(each) for each in named]


@pytest.mark.parametrize(("first", "second", "named"), [
    (("Euler", "Automatic"), ("Euler a", "Karras"), "Karras"),
    (("Euler", "Karras"), (None, None), None),
    (("Euler", "Karras"), ("DPM++ 2M", "Automatic"), None),
    (("Euler", "Automatic"), ("DPM++ 2M", "Automatic"), "Karras"),
    (("DPM++ 2M", "Automatic"), ("Euler", "Karras"), None),
    (("Euler", "Karras"), ("DDIM", "Normal"), None),
    (("DDIM", "Karras"), ("Euler", "Karras"), "Karras"),
    (("Euler", "Karras"), ("Euler", "Automatic"), "Automatic"),     # A1111 says nothing: its text draws another picture
])
def test_the_hires_schedule_is_named_where_it_differs_from_the_first_one_used(
    running_app: RunningServer, first: tuple[str, str], second: tuple[str | None, str | None], named: str | None
) -> None:
    asked = {"sampler_name": first[0], "scheduler": first[1], "hr_sampler_name": second[0], "hr_scheduler": second[1]}
    (text,) = texts(running_app, **HIRES | asked)
    assert text.get("Hires schedule type") == named
    keys = [key for key in text if key.startswith("Hires") and key != "Hires sampler"]
    assert keys == [*(["Hires schedule type"] if named else []), "Hires upscale", "Hires upscaler"]


def test_a_hires_upscaler_that_nobody_chose_goes_unsaid(running_app: RunningServer) -> None:
    """It is Latent then, as the same request with that name shows."""
    (silent,), (said,) = texts(running_app, **HIRES | {"hr_upscaler": None}), texts(running_app, **HIRES)
    assert "Hires upscaler" not in silent and said["Hires upscaler"] == "Latent"
    pictures = [running_app.client.post("/sdapi/v1/txt2img", json=SMALL | HIRES | {"hr_upscaler": name, "override_settings": {"enable_pnginfo": False}}).json()["images"]
                for name in (None, "Latent")]
    assert pictures[0] == pictures[1]


STYLED = "a cat, watercolor, soft light, highly detailed\nNegative prompt: photo, dog, text\nSteps: 2, Sampler: Euler, Seed: 1, Size: 64x64, CFG scale: 7.0"


def told(server: RunningServer, text: str) -> dict[str, Any]:
    """What png-info says of a picture with this text."""
    return server.client.post("/sdapi/v1/png-info", json={"image": encode_image(Image.new("RGB", (8, 8)), text)}).json()["parameters"]


@pytest.fixture
def settings(running_app: RunningServer) -> Iterator[SettingsStore]:
    """Those of the server, as they were afterwards."""
    store = running_app.app.settings
    before = {key: store.get(key) for key in ("infotext_styles", "infotext_skip_pasting")}
    yield store
    store.update(before)


@pytest.mark.parametrize(("rule", "prompt", "styles"), [
    ("Apply if any", "a cat", ["watercolor", "append"]), ("Apply", "a cat", ["watercolor", "append"]), ("Discard", "a cat", None),
    ("Ignore", "a cat, watercolor, soft light, highly detailed", None),
])
def test_programs_are_told_the_styles_of_a_picture(running_app: RunningServer, settings: SettingsStore, rule: str, prompt: str, styles: list[str] | None) -> None:
    settings.set("infotext_styles", rule)
    said = told(running_app, STYLED)
    assert (said["Prompt"], said.get("Styles array")) == (prompt, styles)
    assert said["Negative prompt"] == ("photo, dog, text" if rule == "Ignore" else "dog")
    assert told(running_app, STYLED.replace("photo, ", "")).get("Styles array") == (["append"] if styles else None)
    assert told(running_app, "a cat").get("Styles array") == ([] if rule == "Apply" else None)


@pytest.mark.parametrize(("more", "prompt", "hires"), [
    ('Hires prompt: "b, highly detailed"', "a", "b"), ('Hires prompt: "b"', "a, highly detailed", "b"), ('Hires prompt: "a, highly detailed"', "a", ""),
    ('Hires prompt: "b", Version: v1.9.0', "a, highly detailed", "b"), ('Hires prompt: "b", Version: v1.8.0', "a", "b"),
])
def test_styles_of_two_passes_are_told_where_both_have_them(running_app: RunningServer, more: str, prompt: str, hires: str) -> None:
    """Until A1111 1.8 the text of a hires prompt was without them."""
    said = told(running_app, f"a, highly detailed\nNegative prompt: text\nSteps: 2, Sampler: Euler, Seed: 1, {more}")
    assert (said["Prompt"], said["Hires prompt"]) == (prompt, hires)


def test_what_is_not_to_be_pasted_is_not_told_either(running_app: RunningServer, settings: SettingsStore) -> None:
    settings.set("infotext_skip_pasting", ["Seed", "Clip skip"])
    assert told(running_app, STYLED).keys().isdisjoint({"Seed", "Clip skip"})
    assert json.loads(running_app.client.post("/sdapi/v1/txt2img", json={"infotext": STYLED}).json()["info"])["seed"] != 1


def test_a_request_by_its_text_chooses_the_styles_in_it(running_app: RunningServer) -> None:
    """The same picture and text come out, and other styles can be asked for. (A1111 takes the styles' names for one word, and loses their texts.)"""
    def info(**more: Any) -> dict[str, Any]:
        return json.loads(running_app.client.post("/sdapi/v1/txt2img", json={"infotext": STYLED, **more}).json()["info"])

    assert (info()["prompt"], info()["styles"]) == ("a cat, watercolor, soft light, highly detailed", ["watercolor", "append"])
    assert info(styles=["append"])["prompt"] == "a cat, highly detailed" and info(prompt="b", styles=[])["negative_prompt"] == "dog"


def test_a_text_without_a_sampler_means_the_first_one_as_in_a1111(running_app: RunningServer) -> None:
    def sampler(text: str, **more: Any) -> str:
        text = json.loads(running_app.client.post("/sdapi/v1/txt2img", json={"infotext": text, "steps": 2, "width": 64, "height": 64, **more}).json()["info"])["infotexts"][0]
        return " ".join(parse_infotext(text)[key] for key in ("Sampler", "Schedule type"))

    assert sampler("a cat") == "DPM++ 2M Karras"
    assert sampler("a cat", sampler_name="Euler") == sampler("a cat", sampler_index="Euler") == sampler("") == "Euler Automatic"


@pytest.mark.parametrize(("asked", "named"), [
    ({"token_merging_ratio": 0.5}, "0.5"), ({"token_merging_ratio": 0.5, "token_merging_ratio_hr": 0.3}, "0.3"), ({"token_merging_ratio_hr": 0.3}, "0.3"),
])
def test_the_token_merging_of_the_second_pass_is_told_where_there_is_one(running_app: RunningServer, asked: dict[str, float], named: str) -> None:
    """It is the first pass's unless it has its own."""
    key = "Token merging ratio hr"
    assert texts(running_app, **HIRES, override_settings=asked)[0][key] == named
    assert key not in texts(running_app, override_settings=asked)[0]


def test_the_fields_of_prompts_schedules_and_steps_come_in_a1111s_order(running_app: RunningServer) -> None:
    settings = {"use_downcasted_alpha_bar": True, "sd_noise_schedule": "Zero Terminal SNR", "rho": 5.0, "skip_early_cond": 0.3, "s_min_uncond": 3.0, "emphasis": "No norm"}
    (text,) = texts(running_app, prompt="tiny-emb", negative_prompt="(a)", scheduler="Karras", steps=4, override_settings=settings)
    wanted = ["Emphasis", "TI hashes", "Downcast alphas_cumprod", "Noise Schedule", "Schedule rho", "Skip Early CFG", "NGMS"]
    assert [key for key in text if key in wanted] == wanted


@pytest.mark.parametrize(("asked", "told"), [({}, (-1, -1)), ({"seed_resize_from_w": 0, "seed_resize_from_h": 64}, (0, 64)), ({"seed_resize_from_w": 64}, (64, -1))])
def test_the_size_that_noise_is_resized_from_is_told_as_it_was_sent(running_app: RunningServer, asked: dict[str, Any], told: tuple[int, int]) -> None:
    answer = running_app.client.post("/sdapi/v1/txt2img", json=SMALL | asked).json()
    info = json.loads(answer["info"])
    assert (info["seed_resize_from_w"], info["seed_resize_from_h"]) == told and "Seed resize from" not in info["infotexts"][0]
