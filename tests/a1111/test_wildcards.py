"""The shipped wildcards: one choice for each picture, by its seed; prompts that offer none are left alone."""
from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio
import pytest

from modules.a1111.app_slot import occupied
from modules.a1111.load_extensions import Take, load_changed, load_extensions
from modules.a1111.script_host import install_scripts
from modules.application.app import App
from modules.application.build import build_app
from modules.application.generation import generate_blocking
from modules.extension_host.start import host_for
from modules.schema.flags import parse_flags
from modules.schema.request import Txt2ImgRequest
from tests.conftest import FakeEngine


@pytest.fixture
def app(tmp_path: Path, fake_engine: FakeEngine) -> Iterator[App]:
    (tmp_path / "models" / "Stable-diffusion").mkdir(parents=True)
    (tmp_path / "models" / "Stable-diffusion" / "fake.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (tmp_path / "wildcards" / "in").mkdir(parents=True)
    (tmp_path / "wildcards" / "animal.txt").write_text("# a remark\ncat\n\ndog\nfox\n", encoding="utf-8")
    (tmp_path / "wildcards" / "in" / "deep.txt").write_text("a __animal__ of {stone|wood}\n", encoding="utf-8")
    (tmp_path / "wildcards" / "round.txt").write_text("x __round__\n", encoding="utf-8")
    yield from with_extensions(tmp_path)


def with_extensions(folder: Path) -> Iterator[App]:
    (folder / "config.json").write_text(json.dumps({"disabled_extensions": ["sd-webui-controlnet", "tag-autocomplete"]}), encoding="utf-8")
    flags = parse_flags(["--data-dir", str(folder)], {}).flags
    app = build_app(flags, host_for(flags))
    with occupied(app):
        scripts = install_scripts(app, gradio.Blocks)
        take: Take = lambda module, file: scripts.register(module, str(file.path), str(file.basedir))
        load_extensions(take, scripts.initialize)
        scripts.newcomers = lambda: load_changed(take, scripts.forget)
        yield app
    app.close()


def made(app: App, prompt: str, **values: Any) -> Any:
    outcome = generate_blocking(app, Txt2ImgRequest.from_flat({"prompt": prompt, "steps": 1, "width": 64, "height": 64, "seed": 100, **values}))
    return outcome, [image.infotext.splitlines()[0] for image in outcome.images]


def test_each_picture_has_its_own_choice_and_the_same_seed_makes_the_same(app: App) -> None:
    outcome, prompts = made(app, "a __animal__, {red|blue}", n_iter=8)
    assert {text.split(",")[0] for text in prompts} == {"a cat", "a dog", "a fox"} and {text.split(", ")[1] for text in prompts} == {"red", "blue"}
    assert all('Wildcard prompt: "a __animal__, {red|blue}"' in image.infotext for image in outcome.images)
    assert made(app, "a __animal__, {red|blue}", seed=103)[1] == [prompts[3]]


@pytest.mark.parametrize("prompt", [
    "a cat", "a [cat|dog:0.5] (tall:1.2)", "{braces} __", "snake__case", "a {[cat|dog]}", "<lora:my_style:1>", "{", "a|b", "}{|", "__init __",
])  # fmt: skip
def test_what_offers_no_choice_stays_as_it_is(app: App, prompt: str) -> None:
    outcome, prompts = made(app, prompt)
    assert prompts == [prompt] or prompt.startswith("<lora")
    assert "Wildcard" not in outcome.images[0].infotext


def test_lists_may_name_lists_and_stand_in_folders(app: App) -> None:
    words = made(app, "__in/deep__")[1][0].split()
    assert words[0] == "a" and words[1] in ("cat", "dog", "fox") and words[3] in ("stone", "wood")
    assert made(app, "__IN/*__")[1] == [" ".join(words)]
    assert made(app, "__round__")[1][0].startswith("x x x")


def test_what_a_mac_puts_beside_a_list_is_none(app: App) -> None:
    (app.paths.data_dir / "wildcards" / "in" / "._deep.txt").write_bytes(b"\0\5\x16\7 Mac OS X\n")
    assert not any("Mac" in text for text in made(app, "__in/*__", n_iter=8)[1])


def test_a_list_that_is_not_there_is_told_and_its_name_stays(app: App) -> None:
    outcome, prompts = made(app, "a __../../secret__ thing")
    assert prompts == ["a __../../secret__ thing"] and any("no wildcard list" in each for each in outcome.comments)


def test_the_negative_prompt_takes_part(app: App) -> None:
    outcome, _ = made(app, "a cat", negative_prompt="{ugly|blurry}")
    text = outcome.images[0].infotext
    assert text.splitlines()[1] in ("Negative prompt: ugly", "Negative prompt: blurry") and "Wildcard negative prompt: {ugly|blurry}" in text


def test_it_steps_aside(tmp_path: Path, fake_engine: FakeEngine) -> None:
    other = tmp_path / "extensions" / "sd-dynamic-prompts" / "scripts"
    other.mkdir(parents=True)
    (other / "dynamic_prompting.py").write_text("", encoding="utf-8")
    (tmp_path / "models" / "Stable-diffusion").mkdir(parents=True)
    (tmp_path / "models" / "Stable-diffusion" / "fake.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    for app in with_extensions(tmp_path):
        assert made(app, "a {b|c}")[1] == ["a {b|c}"]


@pytest.fixture
def module(app: App) -> Callable[..., str]:
    found = next(each for name, each in sys.modules.items() if name.endswith("wildcards.py"))
    return lambda text, seed=1: found.expanded(text, random.Random(seed), found.Lists())


@pytest.mark.parametrize(("text", "allowed"), [
    ("{2$$a|b|c}", {"a, b", "b, a", "a, c", "c, a", "b, c", "c, b"}),
    ("{2$$ and $$a|b}", {"a and b", "b and a"}),
    ("{0::a|b}", {"b"}),
    ("{a|{b|c}}", {"a", "b", "c"}),
    ("{[x|y]|z}", {"[x|y]", "z"}),
    ("{a|}", {"a", ""}),
    ("x{a|b}y{c|d}z", {"xayc" + "z", "xaydz", "xbycz", "xbydz"}),
])  # fmt: skip
def test_the_forms_of_a_choice(module: Callable[..., str], text: str, allowed: set[str]) -> None:
    assert {module(text, seed) for seed in range(80)} == allowed
