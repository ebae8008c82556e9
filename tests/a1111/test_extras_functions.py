"""A1111's run_extras and run_postprocessing, and the runner of Extras' scripts: work on pictures at hand, as jobs."""
from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from modules.a1111.app_slot import occupied
from modules.a1111.extras_functions import run_extras, run_postprocessing, runner
from modules.a1111.merging_function import run_modelmerger
from modules.a1111.postprocessing_scripts import PostprocessedImage, ScriptPostprocessing, install_postprocessing
from modules.application.app import App
from tests.a1111.golden_app import golden_app
from tests.a1111.test_script_host import MakeApp
from tests.golden.cases import data_dir


class Darker(ScriptPostprocessing):
    name = "Darker"

    def ui(self) -> dict[str, Any]:
        return {}

    def process(self, pp: PostprocessedImage, by: int = 0, **args: Any) -> None:
        pp.image = pp.image.point([max(0, level - by) for level in range(256)] * 3)


@pytest.fixture
def app(make_app: MakeApp) -> Iterator[App]:
    app = make_app()
    host = install_postprocessing(app)
    module = ModuleType("darker.py")
    module.Darker = Darker  # type: ignore[attr-defined]
    host.register(module, "/extensions/darker/scripts/darker.py")
    host.scripts[0].controls = {"by": type("Control", (), {"value": 0})()}
    app.jobs.start()
    with occupied(app):
        yield app


PICTURE = Image.new("RGB", (16, 8), (100, 110, 120))


@pytest.mark.golden
@pytest.mark.parametrize("inside", [False, True])
def test_an_extension_with_a_merger_of_its_own_merges_by_a1111s_function(tmp_path: Path, inside: bool) -> None:
    """As Merge Board does, also inside of its own work: it found only a stub."""
    shutil.copytree(data_dir() / "models", tmp_path / "models")
    with golden_app(tmp_path, "--models-dir", str(tmp_path / "models")) as app:
        name = next(each.title for each in app.catalogue.checkpoints() if each.path.stem == "sd15-tiny")

        def merged(first: str) -> list[Any]:
            return run_modelmerger("task(1)", first, name, "", "Weighted sum", 1, True, "blend", "safetensors", 0, None, "")

        *lists, said = app.jobs.call(lambda: merged(name)) if inside else merged(name)
        assert said.startswith("Checkpoint saved to") and (tmp_path / "models" / "Stable-diffusion" / "blend.safetensors").is_file()
        assert len(lists) == 4 and any("blend" in title for title in lists[0]["choices"])
        *lists, said = merged("no such file")
        assert "no such file" in said and "choices" not in lists[0]


def test_a_picture_is_enlarged_by_position_and_nothing_is_saved_unasked(app: App) -> None:
    (made,), info, _ = run_extras(0, 0, PICTURE, None, "", "", True, 0, 0, 0, 3.0, 512, 512, True, "Lanczos", "None", 0, False, save_output=False)
    assert made.size == (48, 24) and "Lanczos" in info and not list(app.paths.outputs_dir.rglob("*.png"))


def test_extensions_operations_take_their_arguments_by_name(app: App) -> None:
    args = runner.create_args_for_run({"Darker": {"by": 30}})
    assert len(args) == len(runner.places()) and args[-1] == 30
    (made,), _, _ = run_postprocessing(0, PICTURE, None, "", "", True, *args, save_output=True)
    assert made.getpixel((0, 0)) == (70, 80, 90) and made.size == PICTURE.size
    assert len(list(app.paths.outputs_dir.rglob("*.png"))) == 1


def test_the_runner_works_on_a_picture_in_place(app: App) -> None:
    pp = PostprocessedImage(PICTURE)
    runner.run(pp, runner.create_args_for_run({"Upscale": {"upscale_enabled": True, "upscale_by": 2.0, "upscaler_1_name": "Nearest"}, "Darker": {"by": 1}}))
    assert pp.image.size == (32, 16) and pp.image.getpixel((0, 0)) == (99, 109, 119)
