"""The "parameters" text: written as A1111 writes it, read back whole, and read in linear time whatever it is."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modules.schema.infotext_compat import DEFAULTS, a1111_version
from modules.schema.infotext_read import parse_infotext, read_infotext
from modules.schema.infotext_values import request_values, setting_values
from modules.schema.infotext_write import hires_fields, inpaint_fields, run_infotext, write_infotext
from modules.schema.params_hires import Hires
from modules.schema.params_img2img import Inpaint
from modules.schema.request import Txt2ImgRequest
from modules.schema.result import RunFacts
from modules.schema.table import IMG2IMG, TXT2IMG
from tests.schema.recorded import recorded

SIZES = ("Size", "Seed resize from", "Hires resize")


def rejoined(named: dict[str, str]) -> dict[str, str]:
    """Sizes as one value again, at their place."""
    joined: dict[str, str] = {}
    for key, value in named.items():
        if key.endswith("-1") and key[:-2] in SIZES:
            joined[key[:-2]] = f"{value}x{named[key[:-2] + '-2']}"
        elif not (key.endswith("-2") and key[:-2] in SIZES):
            joined[key] = value
    return joined


@pytest.mark.parametrize("text", recorded("infotexts"))
def test_a1111s_texts_are_read_and_written_again(text: str):
    named = rejoined(parse_infotext(text))
    assert write_infotext(named.pop("Prompt"), named.pop("Negative prompt"), named) == text


LINES = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"), max_size=80)
PROMPTS = LINES.map(str.strip).filter(lambda text: not any(line.lstrip().startswith("Negative prompt:") for line in text.split("\n")))
KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_ /-]{1,20}", fullmatch=True).map(str.strip).filter(lambda key: len(key) > 1)
VALUES = st.one_of(st.text(st.characters(exclude_categories=("Cs",)), max_size=30), st.integers().map(str), st.floats().map(str))
FIELDS = st.dictionaries(
    KEYS.filter(lambda key: key not in ("Prompt", "Negative prompt")), VALUES.filter(lambda text: "x" not in text), min_size=3, max_size=8
)


@settings(max_examples=100, deadline=None)
@example(prompt="", negative="", fields={"aa": "", "bb": '"', "cc": "\\"})
@example(prompt="Steps: 1, Aa: 2, Bb: 3", negative="Steps: 4", fields={"aa": "1", "bb": ' "a", b: c" ', "cc": "\n"})
@given(prompt=PROMPTS, negative=PROMPTS, fields=FIELDS)
def test_what_is_written_is_read_back(prompt: str, negative: str, fields: dict[str, str]):
    assert parse_infotext(write_infotext(prompt, negative, fields)) == {"Prompt": prompt, "Negative prompt": negative, **fields}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400))
@pytest.mark.group("S17")
def test_any_text_is_read(text: str):
    named = read_infotext(text)
    assert all(isinstance(value, str) for value in named.values())


HOSTILE = {
    "letters": "a" * 100_000,
    "keys": "a:" * 50_000,
    "long keys": "aa: " * 25_000,
    "open quotes": 'kk: "' * 20_000,
    "open quotes and commas": 'kk: "a,' * 14_000,
    "closed wrongly": 'kk: "a" b,' * 10_000,
    "escapes": 'kk: "' + "\\" * 100_000,
    "escaped quotes": 'kk: "\\",' * 12_000,
    "commas": "," * 100_000,
    "spaces": " " * 100_000 + "x",
    "spaces before the colon": ("a" + " " * 50_000) * 2 + ":",
    "dashes": "-" * 100_000 + ": 1",
    "lines": "\n" * 100_000 + "x",
    "negative prompts": "Negative prompt:\n" * 6_000,
    "steps lines": "Steps: 1\n" * 10_000,
    "quotes": '"' * 100_000,
    "brackets": "((([" * 25_000,
    "a long version": "Version: " + "1." * 50_000 + ", aa: 1, bb: 2, cc: 3",
    "a long size": "Size: " + "1" * 50_000 + "x" + "2" * 50_000 + ", aa: 1, bb: 2",
    "lists without end": "aa: [1, " * 12_000,
    "a deep list": "aa: " + "[" * 100_000,
    "texts in lists": 'aa: ["bb: [",",",' * 6_000,
    "lines that go on": "Steps: 1,\n" * 10_000,
    "one pair a line": "Steps: 1\n" * 10_000,
    "negatives in a line": "Negative prompt: Steps: 1 " * 4_000,
    "no line breaks": "\r" * 100_000,
    "null": "\0" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.group("S17")
def test_100_kilobytes_are_read_at_once(name: str):
    fastest = min(_seconds(HOSTILE[name]) for _ in range(3))
    assert fastest < 0.25, "should take under 0.1 s on a free machine"


def _seconds(text: str) -> float:
    start = time.process_time()
    read_infotext(text)
    return time.process_time() - start


@pytest.mark.group("S17")
def test_time_grows_no_faster_than_the_text():
    for name, text in HOSTILE.items():
        assert _seconds(text * 8) < 2, name  # ten seconds and more when quadratic


TEXT = """a (cat:1.2), high
quality
Negative prompt: bad,
worse
Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 5, Size: 512x768, Model hash: abc, Clip skip: 2, Styles: "a, b: c", Version: v1.6.0"""


def test_prompts_sizes_and_quotes():
    named = parse_infotext(TEXT)
    assert named["Prompt"] == "a (cat:1.2), high\nquality"
    assert named["Negative prompt"] == "bad,\nworse"
    assert (named["Size-1"], named["Size-2"], named["Styles"]) == ("512", "768", "a, b: c")
    assert "Size" not in named
    assert parse_infotext(TEXT.replace("\n", "\r\n")) == named
    assert parse_infotext(TEXT + "\nTemplate: a {cat|dog}\n") == named


ROW = "Steps: 24, Sampler: Euler a, CFG scale: 3.5, Seed: 1, Size: 832x1216"
CIVITAI = '[{"type":"checkpoint","modelVersionId":7,"modelName":"Sampler: X, Seed: 3"}]'


@pytest.mark.parametrize("text", [
    f"a (cat:1.2)\nNegative prompt: bad, ugly\n{ROW}",
    f"a (cat:1.2) Negative prompt: bad, ugly {ROW}",                                     # copied from a web page
    f"a (cat:1.2)\nNegative prompt: bad, ugly {ROW}",
    "a (cat:1.2)\nNegative prompt: bad, ugly\n" + ROW.replace(", ", "\n"),              # a pair a line
    "a (cat:1.2)\nNegative prompt: bad, ugly\n" + ROW.replace(", Seed", ", \nSeed"),    # wrapped
    f"a (cat:1.2)\nNegative prompt: bad, ugly\n{ROW.replace('832x1216', '832 x 1216')}",
])  # fmt: skip
def test_other_programs_line_breaks(text: str):
    assert parse_infotext(text) == {
        "Prompt": "a (cat:1.2)", "Negative prompt": "bad, ugly", "Steps": "24", "Sampler": "Euler a", "CFG scale": "3.5", "Seed": "1", "Size-1": "832", "Size-2": "1216",
    }  # fmt: skip


def test_civitais_row_after_an_empty_negative_prompt():
    named = parse_infotext(f"a cat\nNegative prompt: {ROW}, Clip skip: 2, Civitai resources: {CIVITAI}, Civitai metadata: {{}}")
    assert named["Prompt"] == "a cat" and named["Negative prompt"] == "" and named["Steps"] == "24"


def test_json_without_quotes_is_one_value():
    """Names inside of it are no parameters of the picture."""
    named = parse_infotext(f'a cat\n{ROW}, Civitai resources: {CIVITAI}, Hashes: {{"model": "abc", "lora:x": "def"}}, Version: ComfyUI, Odd: [1, 2')
    assert named["Civitai resources"] == CIVITAI and named["Hashes"] == '{"model": "abc", "lora:x": "def"}' and named["Odd"] == "[1"
    assert named["Sampler"] == "Euler a" and named["Seed"] == "1" and "lora" not in named


def test_an_object_that_an_extension_adds_stands_there_as_json():
    """As in A1111: Civitai reads the resources from ``Hashes: {...}``."""
    hashes = {"model": "abc", "lora:x": "def"}
    text = write_infotext("a cat", "", {"Steps": 4, "Seed": 1, "Hashes": hashes, "Size": "96x96"})
    assert f", Hashes: {json.dumps(hashes)}, " in text and json.loads(parse_infotext(text)["Hashes"]) == hashes


def test_a_mere_prompt():
    assert parse_infotext("a cat, b: c")["Prompt"] == "a cat, b: c"
    assert read_infotext("") == {"Prompt": "", "Negative prompt": "", **DEFAULTS}


def test_what_is_unsaid_has_a1111s_defaults():
    named = read_infotext("a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 5, Size: 64x64")
    assert named["Clip skip"] == "1" and named["RNG"] == "GPU" and named["Hires checkpoint"] == "Use same checkpoint"
    assert "Emphasis" not in named
    assert read_infotext(TEXT)["Emphasis"] == "Original"
    assert "Emphasis" not in read_infotext("\\(a\\)\nSteps: 1, Sampler: x, Seed: 1")


@pytest.mark.parametrize(
    ("old", "new"),
    [("cfg Scale: 5", "CFG scale"), ("Cfg scale: 5", "CFG scale"), ("Guidance scale: 5", "CFG scale"), ("Scheduler: 5", "Schedule type")],
)
def test_old_spellings(old: str, new: str):
    assert read_infotext(f"x\nSteps: 1, {old}, Seed: 2")[new] == "5"


def test_first_pass_size_of_old_hires_fix():
    named = read_infotext("x\nSteps: 1, Seed: 2, Size: 1024x512, First pass size: 0x0")
    assert (named["Size-1"], named["Size-2"], named["Hires resize-1"], named["Hires resize-2"]) == ("768", "384", "1024", "512")
    named = read_infotext("x\nSteps: 1, Seed: 2, Size: 1024x512, First pass size: 512x256")
    assert (named["Size-1"], named["Hires resize-1"]) == ("512", "1024")


@pytest.mark.parametrize(
    ("version", "switched_on"),
    [
        ("v1.5.1", {"Old prompt editing timelines", "Pad conds v0", "Downcast alphas_cumprod", "Refiner switch by sampling steps"}),
        ("1.6.0", {"Downcast alphas_cumprod", "Refiner switch by sampling steps"}),
        ("v1.7.0-224-gabcdef", {"Downcast alphas_cumprod", "Refiner switch by sampling steps"}),
        ("v1.7.0-225-gabcdef", {"Refiner switch by sampling steps"}),
        ("v1.8.0", set()),
        ("v1.10.1", set()),
        ("f2.0.1v1.10.1-previous-1", set()),
        ("neo 1", set()),
    ],
)
def test_old_versions_bring_their_behaviour(version: str, switched_on: set[str]):
    text = f"[a:b:3]\nSteps: 1, Sampler: DDIM, Seed: 2, Refiner: x, Version: {version}"
    named = read_infotext(text)
    assert {key for key, value in named.items() if value == "True"} == switched_on
    assert "True" not in read_infotext(text, old_behaviour=False).values()


def test_versions():
    assert a1111_version("v1.7.0-225-g1a2b") == (1, 7, 0, 225)
    assert a1111_version("") is None and a1111_version("2") is None


def test_facts_in_a1111s_order_and_only_when_they_say_something():
    facts = RunFacts(
        steps=8, sampler="Euler a", schedule="Automatic", guidance_scale=7.0, seed=0, size="63x65", model_hash="f5f9aef994",
        model_name="tiny", variation_seed=8, variation_strength=0.4, denoising_strength=0.0, clip_skip=2, ensd=31337,
        noise_source="CPU", extra={"Hires upscale": 2.0, "Nothing": None}, version="1.10.1",
    )  # fmt: skip
    assert run_infotext("a", "", facts) == (
        "a\nSteps: 8, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.0, Seed: 0, Size: 63x65, Model hash: f5f9aef994,"
        " Model: tiny, Variation seed: 8, Variation seed strength: 0.4, Denoising strength: 0.0, Clip skip: 2, ENSD: 31337, RNG: CPU,"
        " Hires upscale: 2.0, Version: 1.10.1"
    )
    assert list(RunFacts(seed=1, variation_seed=4).fields()) == ["Steps", "CFG scale", "Seed", "Size"]


def test_hires_and_inpaint_fields():
    hires = Hires(enabled=True, upscaler="Latent", sampler_name="DPM++ 2M", scheduler="Karras", prompt="dog", second_pass_steps=5)
    assert list(hires_fields(hires)) == [
        "Hires sampler", "Hires prompt", "Hires schedule type", "Hires upscale", "Hires steps", "Hires upscaler",
    ]  # fmt: skip
    assert "Hires prompt" not in hires_fields(hires, prompt="dog")
    assert hires_fields(Hires(enabled=True, resize_width=128, checkpoint_name="Use same checkpoint")) == {"Hires schedule type": None, "Hires resize": "128x0"}
    assert hires_fields(Hires()) == {}
    assert inpaint_fields(Inpaint(invert=1, only_masked=True, padding=8, content=1)) == {
        "Mask mode": "Inpaint not masked", "Mask blur": 4, "Inpaint area": "Only masked", "Masked area padding": 8,
    }  # fmt: skip
    assert inpaint_fields(Inpaint(only_masked=False, mask_blur_x=2, content=0)) == {"Masked content": "fill"}


def test_a_key_without_a_value_says_nothing():
    named = read_infotext("a\nSteps: 20, Sampler: Euler, Hires sampler: , VAE: , Seed: 1")
    assert "VAE" not in named and named["Hires sampler"] == "Use same sampler" and named["Negative prompt"] == "" and named["Seed"] == "1"


def test_a_text_becomes_values_of_request_and_settings():
    named = read_infotext(TEXT.replace("Clip skip: 2", "Clip skip: 2, Denoising strength: 0.4, Hires upscale: 1.5, RNG: banana"))
    values = request_values(TXT2IMG, named)
    request = Txt2ImgRequest.from_flat(values)
    assert (request.sampling.steps, request.size.height, request.hires.enabled, request.hires.scale) == (20, 768, True, 1.5)
    assert not request_values(TXT2IMG, read_infotext(TEXT))["enable_hr"]
    assert request_values(IMG2IMG, named)["inpainting_fill"] == 1
    chosen = setting_values(named)
    assert chosen["CLIP_stop_at_last_layers"] == 2 and chosen["sd_model_checkpoint"] == "abc"
    assert "randn_source" not in chosen
    assert setting_values({"Model": "tiny"})["sd_model_checkpoint"] == "tiny"
    assert setting_values({"Face restoration": "GFPGAN"}) == {"face_restoration": True, "face_restoration_model": "GFPGAN"}


def test_the_second_pass_of_sd_next_is_read_under_its_own_names() -> None:
    text = "a cat\nNegative prompt: dog\nSteps: 20, Size: 512x512, Seed: 5, Sampler: Euler, CFG scale: 6, Parser: a1111, App: SD.Next, Operations: hires; txt2img, "
    named = read_infotext(text + "Hires upscaler: Latent, Hires scale: 1.5, Hires size: 768x768, Hires strength: 0.35, Hires steps: 8")
    assert (named["Hires upscale"], named["Denoising strength"], named["Hires steps"], named["Hires upscaler"]) == ("1.5", "0.35", "8", "Latent")
    named = read_infotext(text + "Hires upscaler: Latent, Hires fixed: 768x1024, Hires strength: 0.35")
    assert (named["Hires resize-1"], named["Hires resize-2"]) == ("768", "1024")
