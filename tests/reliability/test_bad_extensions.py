"""An extension that misbehaves in every hook and callback there is: the picture is the same, it is named, and others are still called."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from modules.a1111 import callbacks
from modules.a1111.script import Script
from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from tests.extended_app import extended_app
from tests.golden.cases import data_dir

pytestmark = pytest.mark.group("R14")
WAYS = ("raises", "exits", "junk", "prints", "interrupts itself")
SLOWLY = [each if each in ("raises", "junk") else pytest.param(each, marks=pytest.mark.long) for each in WAYS]
HOOKS = sorted(
    name for name, member in vars(Script).items()
    if inspect.isfunction(member) and not name.startswith("_") and "args" in inspect.signature(member).parameters and name not in ("check_request", "run"))
BAD = '''
import os, sys
from modules import script_callbacks, scripts
CALLED = []

def misbehave(where):
    way = os.environ.get("BAD_WAY", "")
    CALLED.append(where)
    if way == "raises":
        raise ValueError(f"broken on purpose in {where}")
    if way == "exits":
        sys.exit(7)
    if way == "prints":
        print("x" * 2**20, file=open(os.devnull, "w"))
    if way == "interrupts itself":
        raise GeneratorExit
    if way == "junk":
        return object()

class Bad(scripts.Script):
    def title(self):
        return "Bad"
    def show(self, is_img2img):
        return scripts.AlwaysVisible

for name in %r:
    def hook(self, *args, _name=name, **kwargs):
        return misbehave(_name)
    setattr(Bad, name, hook)

for category in %r:
    getattr(script_callbacks, "on_" + category)(lambda *args, _name=category, **kwargs: misbehave(_name))
''' % (HOOKS, callbacks.CATEGORIES)  # noqa: UP031  the text has braces of its own
GOOD = '''
from modules import script_callbacks
CALLED = []
for category in %r:
    getattr(script_callbacks, "on_" + category)(lambda *args, _name=category, **kwargs: CALLED.append(_name))
''' % (callbacks.CATEGORIES,)  # noqa: UP031


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("bad")
    (folder / "models").mkdir()
    (folder / "models/Stable-diffusion").symlink_to(data_dir() / "models/Stable-diffusion")
    for name, text in (("bad", BAD), ("good", GOOD)):
        (folder / "extensions" / name / "scripts").mkdir(parents=True)
        (folder / "extensions" / name / "scripts" / f"{name}.py").write_text(text, encoding="utf-8")
    with extended_app("--data-dir", str(folder), "--no-half") as found:
        found.jobs.start()
        yield found


@pytest.fixture(scope="module")
def plain(app: App) -> list[np.ndarray]:
    """With the extension in place, which behaves itself."""
    return draw(app)


def called(app: App, name: str) -> list[str]:
    for each in (*app.extensions.registry.categories.get("ui_tabs", ()),):
        if Path(each.file).stem == name:
            return each.callback.__globals__["CALLED"]
    raise AssertionError


def draw(app: App) -> list[np.ndarray]:
    flat = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler", "save_images": True, "batch_size": 2}
    first = generate_blocking(app, Txt2ImgRequest.from_flat({**flat, "enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.5}))
    picture = first.images[0].picture
    second = generate_blocking(app, Img2ImgRequest.from_flat({**flat, "init_images": [picture.resize((64, 64))], "mask": picture.convert("L").resize((64, 64))}))
    return [np.asarray(each.picture) for each in (*first.images, *second.images)]


@pytest.mark.parametrize("way", SLOWLY)
def test_the_picture_is_the_same_and_the_guilty_is_named(app: App, plain: list[np.ndarray], way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bad", "good"):
        called(app, name).clear()
    app.extensions.troubles.found.clear()
    monkeypatch.setenv("BAD_WAY", way)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(draw(app), plain, strict=True))
    assert {"process", "before_hr", "postprocess", "postprocess_image_after_composite"} <= set(called(app, "bad"))
    assert set(called(app, "bad")) & set(callbacks.CATEGORIES) == set(called(app, "good"))
    if way not in ("junk", "prints"):
        assert {each.owner for each in app.extensions.troubles.found} == {"bad"}
        assert all(each.sentence for each in app.extensions.troubles.of("bad"))


@pytest.mark.parametrize("way", WAYS)
def test_callbacks_of_the_page_stay_alone(app: App, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAD_WAY", way)
    called(app, "good").clear()
    calls = {
        "app_started": (None, None), "ui_tabs": (), "ui_train_tabs": (None,), "ui_settings": (), "before_component": (object(),), "after_component": (object(),),
        "infotext_pasted": ("", {}), "script_unloaded": (), "before_ui": (), "list_optimizers": (), "list_unets": (), "before_token_counter": (None,),
        "image_grid": (None,),
    }  # fmt: skip
    for category, arguments in calls.items():
        getattr(callbacks, f"{category}_callback")(*arguments)
    callbacks.app_reload_callback()
    assert set(called(app, "good")) == {*calls, "before_reload"}
    assert callbacks.ui_tabs_callback() == []
