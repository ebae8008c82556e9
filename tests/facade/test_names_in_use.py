"""Names that extensions in use ask for, by what they do with them."""
from __future__ import annotations

import gc
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


def test_parts_of_a_package_are_there_by_attribute(a1111: App) -> None:
    """An extension derives from ``uni_pc.sampler.UniPCSampler`` while it is imported."""
    from modules.models.diffusion import uni_pc

    class Mine(uni_pc.sampler.UniPCSampler):
        pass

    assert Mine.__mro__[1].__name__ == "UniPCSampler" and uni_pc.uni_pc.__name__ == "modules.models.diffusion.uni_pc.uni_pc"


def test_everything_of_processing_brings_what_a1111s_file_imports(a1111: App) -> None:
    """An extension that takes ``from modules.processing import *`` has ``shared`` and ``devices`` of it."""
    from modules import shared

    found: dict[str, object] = {}
    exec("from modules.processing import *", found)
    assert found["shared"] is shared and found["state"] is shared.state
    assert {"devices", "np", "torch", "Image", "math", "images", "sd_samplers", "model_hijack", "process_images"} <= found.keys()


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


def test_the_lists_of_samplers_hold_what_has_a_name(a1111: App) -> None:
    """``[x.name for x in shared.list_samplers()]``, as an extension fills its own list of samplers."""
    from modules import sd_samplers, shared, shared_items

    assert "Euler a" in [each.name for each in shared.list_samplers()] and shared_items.list_samplers() is sd_samplers.all_samplers


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


def test_colours_that_extensions_write_on_the_theme_are_on_the_page(a1111: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """``shared.gradio_theme.my_colour = ...`` at load, ``var(--my-colour)`` in the style sheet."""
    from modules import shared
    from modules.gradio_ui.theme import theme_to_show

    theme = shared.gradio_theme
    theme.my_colour, theme.my_colour_dark, theme.my_border = "#e12885", "#86cecb", None
    light, _, dark = theme_to_show(a1111)._get_theme_css().partition(".dark")
    assert "--my-colour: #e12885;" in light and "--my-colour: #86cecb;" in dark and "--my-border" not in light
    a1111.settings.set("gradio_theme", "gradio/soft")
    assert shared.gradio_theme is not theme and theme_to_show(a1111) is shared.gradio_theme
    monkeypatch.setattr(shared, "gradio_theme", theme, raising=False)
    assert theme_to_show(a1111) is theme


def test_what_is_pasted_from_pictures_can_be_chosen_to_be_left_out(a1111: App) -> None:
    from modules import infotext_utils, shared_items
    from modules.gradio_ui.choices import ChoiceSources

    fields = [(None, "Mine"), (None, lambda params: 1), (None, "Seed")]
    infotext_utils.add_paste_fields("mine", None, fields)
    try:
        names = shared_items.get_infotext_names()
        assert {"Mine", "Seed", "Clip skip"} <= set(names) and len(set(names)) == len(names)
        assert ChoiceSources.of(a1111)("infotext_keys") == names
    finally:
        infotext_utils.paste_fields.pop("mine")


def test_hypernetworks_are_listed_and_left_to_the_layers(a1111: App, tmp_path: Path) -> None:
    from modules.hypernetworks import hypernetwork  # pyright: ignore[reportMissingImports]

    from modules import shared

    folder = Path(a1111.flags.hypernetwork_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "anime.pt").write_bytes(b"")
    shared.reload_hypernetworks()
    assert shared.hypernetworks["anime"] == str(folder / "anime.pt") and hypernetwork.list_hypernetworks(str(folder)) == {"anime": str(folder / "anime.pt")}
    assert hypernetwork.apply_hypernetworks(shared.loaded_hypernetworks, "context") == ("context", "context")
    assert hypernetwork.list_hypernetworks(str(tmp_path / "nowhere")) == {}


def test_names_of_modules_are_where_a1111_has_them(a1111: App) -> None:
    from modules.api import models  # pyright: ignore[reportMissingImports]

    from modules import (
        modelloader,
        processing,
        sd_hijack_checkpoint,
        sd_models_config,
        shared,
        shared_items,
        ui_common,
        ui_components,
        upscaler,
    )

    assert ui_common.ToolButton is ui_components.ToolButton and ui_common.shared is shared and ui_common.parameters_copypaste.image_from_url_text
    assert processing.opts is shared.opts and modelloader.Upscaler is upscaler.Upscaler
    assert sd_models_config.config_sd2_inpainting.endswith(".yaml") and shared_items.list_checkpoint_tiles() == shared.list_checkpoint_tiles()
    assert models.ProgressRequest(skip_current_image=True).skip_current_image and callable(sd_hijack_checkpoint.add)


def test_the_lora_module_is_loaded_by_its_path(a1111: App, tmp_path: Path) -> None:
    from modules import paths, script_loading

    foreign_packages.install()
    there = script_loading.load_module(str(Path(paths.extensions_builtin_dir, "Lora", "networks.py")))
    assert there is importlib.import_module("networks") and there.loaded_networks == []
    (tmp_path / "networks.py").write_text("mine = 1")
    assert script_loading.load_module(tmp_path / "networks.py").mine == 1
    with pytest.raises(FileNotFoundError):
        script_loading.load_module(tmp_path / "Lora" / "networks.py")


def test_the_built_in_loras_modules_are_imported_by_their_path_from_the_programs_folder(a1111: App) -> None:
    foreign_packages.install()
    cards, network = (importlib.import_module(f"extensions-builtin.Lora.{name}") for name in ("ui_extra_networks_lora", "network"))
    assert cards.networks is importlib.import_module("networks") and network.NetworkOnDisk is importlib.import_module("network").NetworkOnDisk
    for absent in ("extensions-builtin.Lora.no_such", "extensions-builtin.sd_forge_lora.network"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(absent)


def test_a_curve_that_overshoots_denoises_wholly(a1111: App) -> None:
    from modules.processing import StableDiffusionProcessingImg2Img  # pyright: ignore[reportMissingImports]

    for asked, taken in ((1.02, 1.0), (-0.1, 0.0), (0.5, 0.5)):
        assert StableDiffusionProcessingImg2Img(denoising_strength=asked).to_request().denoising_strength == taken


def test_a_script_may_say_false_where_a_mask_mode_is_counted(a1111: App) -> None:
    """As Old SD firstpasser does: its second pass was refused."""
    from modules.processing import StableDiffusionProcessingImg2Img  # pyright: ignore[reportMissingImports]

    for said in (False, True):
        assert StableDiffusionProcessingImg2Img(inpainting_mask_invert=said).to_request().to_flat()["inpainting_mask_invert"] == int(said)


def test_an_empty_list_of_override_settings_overrides_none(a1111: App) -> None:
    """As sd-webui-lua makes its ``p``: nothing could be drawn with it."""
    from modules.processing import StableDiffusionProcessingTxt2Img  # pyright: ignore[reportMissingImports]

    p = StableDiffusionProcessingTxt2Img(override_settings=[], extra_generation_params=[])
    assert p.override_settings == p.extra_generation_params == {}


def test_giving_memory_back_after_each_tensor_costs_nothing(a1111: App) -> None:
    """Untitled Merger does so a thousand times: on a page with many objects each call took a quarter of a second."""
    from modules import devices

    sweeps: list[str] = []

    def listener(phase: str, info: dict[str, int]) -> None:
        if info["generation"] == 2:
            sweeps.append(phase)

    gc.callbacks.append(listener)
    try:
        devices.torch_gc()
    finally:
        gc.callbacks.remove(listener)
    assert not sweeps


def test_pages_of_cards_are_asked_for_by_the_names_of_their_classes(a1111: App, tmp_path: Path) -> None:
    from modules import (
        ui_extra_networks,
        ui_extra_networks_checkpoints,
        ui_extra_networks_hypernets,
        ui_extra_networks_textual_inversion,
    )

    foreign_packages.install()
    pages = (
        ui_extra_networks_textual_inversion.ExtraNetworksPageTextualInversion(), ui_extra_networks_hypernets.ExtraNetworksPageHypernetworks(),
        ui_extra_networks_checkpoints.ExtraNetworksPageCheckpoints(), importlib.import_module("ui_extra_networks_lora").ExtraNetworksPageLora(),
    )
    assert [type(each) for each in ui_extra_networks.extra_pages[:4]] == [type(each) for each in pages]
    assert [each["name"] for each in pages[2].list_items()] == [each.name for each in a1111.network_pages.find("checkpoints").items()]
    inner = tmp_path / "cards" / "in"
    inner.mkdir(parents=True)
    (inner / "a.pt").touch()
    (inner / "b.txt").touch()
    items = {str(inner / "a.pt"): ui_extra_networks.ExtraNetworksItem({"name": "a"})}
    assert ui_extra_networks.get_tree(str(inner.parent), items) == {str(inner.parent): {str(inner): items}}
    assert {"png", "gif"} <= ui_extra_networks.allowed_preview_extensions() and "mp4" in ui_extra_networks.allowed_preview_extensions_with_extra(["mp4"])


def test_small_names_of_the_last_version(a1111: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modules import sd_disable_initialization, shared

    for name in ("b.PNG", "a.webp", "c.txt"):
        (tmp_path / name).touch()
    assert [Path(each).name for each in shared.walk_image_files(str(tmp_path))] == ["a.webp", "b.PNG"]
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example")
    assert shared.hf_endpoint == "https://mirror.example"
    with sd_disable_initialization.DisableInitialization(disable_clip=False), sd_disable_initialization.InitializeOnMeta():
        pass
    monkeypatch.setattr(type(shared.sd_model), "get_learned_conditioning", lambda self, texts: {"crossattn": texts, "vector": 0})
    assert shared.sd_model.cond_stage_model_empty_prompt == [""]
