"""Names that extensions in use ask for, by what they do with them."""
from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from modules.a1111 import foreign_packages
from modules.application.app import App


def test_modules_are_reached_through_each_other(a1111: App) -> None:
    from modules import extra_networks, processing, script_callbacks, sd_models, shared

    assert processing.extra_networks is extra_networks
    assert sd_models.script_callbacks is script_callbacks
    assert not hasattr(shared, "no_such_module") and not hasattr(shared, "facade")


def test_a1111s_upscale_script_enlarges_pictures(a1111: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``from scripts import postprocessing_upscale``, as in a program whose scripts lie in the folder ``scripts``."""
    foreign_packages.install()
    (tmp_path / "scripts").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "scripts"]:
        monkeypatch.delitem(sys.modules, name)
    there = importlib.import_module("scripts.postprocessing_upscale")
    pp = there.scripts_postprocessing.PostprocessedImage(Image.new("RGB", (16, 8), "red"))
    there.ScriptPostprocessingUpscale().process(pp, upscale_mode=1, upscale_to_width=32, upscale_to_height=32, upscale_crop=True, upscaler_1_name="Lanczos")
    assert pp.image.size == (32, 32) and pp.info["Postprocess upscaler"] == "Lanczos"
    simple = there.scripts_postprocessing.PostprocessedImage(Image.new("RGB", (16, 8), "red"))
    there.ScriptPostprocessingUpscaleSimple().process(simple, upscale_by=3, upscaler_name="Nearest")
    assert simple.image.size == (48, 24)
    with pytest.raises(Exception, match="no upscaler called 'Lanczoz'"):
        there.ScriptPostprocessingUpscale().process(pp, upscaler_1_name="Lanczoz")


def test_built_in_scripts_are_imported_by_a1111s_names(a1111: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``from scripts.xyz_grid import axis_options``: the list that is offered, so that an axis can be appended."""
    foreign_packages.install()
    (tmp_path / "scripts").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "scripts"]:
        monkeypatch.delitem(sys.modules, name)
    there = importlib.import_module("scripts.xyz_grid")
    assert there.axis_options is sys.modules["xyz_grid.py"].axis_options and there.Script().title() == "X/Y/Z plot"
    assert importlib.import_module("scripts.loopback").Script().title() == "Loopback"
    with pytest.raises(ModuleNotFoundError, match="no_such_script"):
        importlib.import_module("scripts.no_such_script")


def test_the_bar_of_all_steps_can_be_written_on(a1111: App, capfd: pytest.CaptureFixture[str]) -> None:
    from modules import shared

    assert shared.total_tqdm._tqdm is None
    shared.total_tqdm.updateTotal(40)
    shared.total_tqdm._tqdm.set_postfix_str("layer IN01")
    shared.total_tqdm.update()
    assert shared.total_tqdm._tqdm.total == 40 and capfd.readouterr() == ("", "")
    shared.total_tqdm.clear()
    assert shared.total_tqdm._tqdm is None


def test_names_that_a1111_moved_are_found_where_they_were(a1111: App) -> None:
    from modules import sd_models, sd_samplers, sd_samplers_common, sd_samplers_timesteps, shared, ui_prompt_styles

    assert sd_samplers.sample_to_image is sd_samplers_common.sample_to_image and sd_samplers.samples_to_image_grid is sd_samplers_common.samples_to_image_grid
    assert [each[0] for each in sd_samplers_timesteps.samplers_timesteps] == ["DDIM", "DDIM CFG++", "PLMS", "UniPC"]
    assert not isinstance(shared.sd_model, sd_models.FakeInitialModel)
    assert ui_prompt_styles.styles_copy_symbol == "\U0001f4dd"


def test_what_extensions_remember_of_ddim_is_there(a1111: App) -> None:
    foreign_packages.install()
    from ldm.models.diffusion import ddim  # pyright: ignore[reportMissingImports]

    kept = ddim.DDIMSampler.make_schedule
    ddim.DDIMSampler.make_schedule = kept
    with pytest.raises(NotImplementedError, match="process_images"):
        ddim.DDIMSampler(None).sample()


def test_an_extensions_page_asks_for_progress_under_its_own_address(a1111: App) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from modules import progress

    own = FastAPI()
    own.add_api_route("/mine/internal/progress", progress.progressapi, methods=["POST"], response_model=progress.ProgressResponse)
    with TestClient(own) as client:
        found = client.post("/mine/internal/progress", json={"id_task": "task(none)", "id_live_preview": -1}).json()
    assert (found["active"], found["queued"], found["completed"], found["paused"]) == (False, False, False, False)


def test_temporary_pictures_are_told_from_others(a1111: App) -> None:
    from modules import ui_tempdir

    assert ui_tempdir.is_gradio_temp_path(Path(tempfile.gettempdir()) / "gradio" / "abc" / "image.png")
    assert not ui_tempdir.is_gradio_temp_path(a1111.paths.outputs_dir / "image.png")
