"""Scripts on a generation tab: their controls under A1111's ids, their values in the request, their fields pasted from a picture's text."""
from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import gradio as gr
import pytest

from modules.a1111.infotext_names import ParamBinding, PasteField
from modules.a1111.script_host import ScriptHost
from modules.a1111.script_runner import ScriptRunner
from modules.gradio_ui import param_bindings
from modules.gradio_ui.build import build_ui
from modules.gradio_ui.form import Form
from modules.gradio_ui.paste import Paster
from modules.gradio_ui.scripts_panel import ScriptsPanel
from modules.schema.errors import Busy
from modules.schema.params_sampling import Scripting
from tests.golden.cases import a1111_said
from tests.gradio_ui.conftest import BuiltPage

NOT_THERE = re.compile(r"script_img2img_alternative|script_img2img_alt")   # "img2img alternative test" is not there yet


@dataclass(frozen=True, kw_only=True)
class Tab:
    form: Form
    paster: Paster
    ids: set[str]
    runner: ScriptRunner
    host: ScriptHost

    def values(self, **changed: Any) -> list[Any]:
        """What an untouched tab sends, some fields changed, by elem_id."""
        return [changed.get(each.component.elem_id or "", getattr(each.component, "value", None)) for each in self.form.fields]


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    from modules.a1111.script_host import install_scripts
    from modules.application.build import build_app
    from modules.gradio_ui.choices import ChoiceSources
    from modules.gradio_ui.generation_tab import build_generation_tab
    from modules.gradio_ui.img2img_tab import build_img2img_tab
    from modules.gradio_ui.shown_files import ShownFiles
    from modules.gradio_ui.ui_config import UiConfig
    from modules.schema.flags import parse_flags
    from modules.schema.table import TXT2IMG

    app = build_app(parse_flags(["--data-dir", str(tmp_path_factory.mktemp("scripts"))], {}).flags)
    host = install_scripts(app, gr.Blocks)
    with gr.Blocks():                       # a first page, that Reload UI throws away; the API was asked meanwhile
        build_generation_tab(app, TXT2IMG, ChoiceSources.of(app), UiConfig.read(app.paths.ui_config_file), ShownFiles((app.paths.outputs_dir,)))
    host.with_ui(host.txt2img)
    with gr.Blocks() as page:
        around = (ChoiceSources.of(app), UiConfig.read(app.paths.ui_config_file), ShownFiles((app.paths.outputs_dir,)))
        built = build_generation_tab(app, TXT2IMG, *around)
        build_img2img_tab(app, *around)
    ids = {each["props"].get("elem_id") for each in page.get_config_file()["components"]}
    yield Tab(form=built.form, paster=built.paster, ids=ids, runner=host.with_ui(host.txt2img), host=host)
    app.close()


def test_a1111s_ids_of_scripts_are_there(tab: Tab) -> None:
    listed = a1111_said("ui-elem-ids")["elements"]
    wanted = [each for each in {one["elem_id"] for one in listed} if re.match(r"script_|xyz_grid|swap_axes|xy_grid|yz_grid|xz_grid", each)]
    missing = [each for each in wanted if each not in tab.ids and not NOT_THERE.match(each)]
    assert len(wanted) > 40 and missing == []


def test_an_untouched_tab_asks_for_no_script(tab: Tab) -> None:
    asked = tab.form.request(tab.values()).scripting
    assert asked.script_name is None and not asked.script_args


def test_the_chosen_scripts_values_reach_the_request(tab: Tab) -> None:
    changed = {"script_list": "X/Y/Z plot", "script_txt2img_xyz_plot_x_type": "Sampler", "script_txt2img_xyz_plot_x_values_dropdown": ["Euler"],
               "script_txt2img_xyz_plot_margin_size": 4}
    asked = tab.form.request(tab.values(**changed)).scripting
    assert asked.script_name == "X/Y/Z plot" and len(asked.script_args) == 18
    assert isinstance(asked.script_args[0], int) and asked.script_args[2] == ["Euler"] and asked.script_args[16] == 4


def test_a_plots_text_fills_its_fields(tab: Tab) -> None:
    text = ('a cat\nSteps: 3, Sampler: Euler, Seed: 1, Size: 64x64, Script: X/Y/Z plot, X Type: Steps, X Values: "1-3,9", Y Type: Sampler,'
            ' Y Values: "Euler,DDIM", Version: v1.10.1')
    updates = dict(zip([each.component.elem_id for each in tab.form.fields], tab.paster.from_text(text)[1:]))
    ids = "script_txt2img_xyz_plot_"
    assert updates["script_list"]["value"] == "X/Y/Z plot" and updates[f"{ids}x_type"]["value"] == "Steps"
    assert updates[f"{ids}x_values"]["value"] == "1-3,9" and updates[f"{ids}y_values_dropdown"]["value"] == ["Euler", "DDIM"]


def test_arguments_have_a_place_each_also_after_the_page_was_built_anew(tab: Tab) -> None:
    places = [place for script in tab.runner.scripts for place in range(script.args_from or 0, script.args_to or 0)]
    assert sorted(places) == list(range(1, len(tab.runner.inputs)))
    assert len(tab.runner.infotext_fields) == 9, "those of one page"


def _places(runner: ScriptRunner) -> list[tuple[str, int | None, int | None]]:
    return [(script.title(), script.args_from, script.args_to) for script in runner.scripts]


def test_while_the_page_is_built_anew_jobs_requests_and_the_old_page_find_every_argument(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reload UI on a busy server: a job reads its arguments, a program asks for a script, a visitor clicks; nobody meets half a page."""
    plot = tab.runner.script("x/y/z plot")
    assert plot is not None
    before, make, half_built, go_on = _places(tab.runner), plot.ui, threading.Event(), threading.Event()
    asked = Scripting(script_name="X/Y/Z plot", script_args=(1, "1-3"))
    complete = tab.host.arguments(tab.runner, asked)

    def slowly(is_img2img: bool) -> Any:
        half_built.set()
        assert go_on.wait(20)
        return make(is_img2img)

    monkeypatch.setattr(plot, "ui", slowly)
    with ThreadPoolExecutor() as others:
        page = others.submit(build_ui, tab.host.app)
        try:
            assert half_built.wait(20)
            assert _places(tab.runner) == before, "what a running job reads its arguments by"
            assert tab.form.request(tab.values(script_list="X/Y/Z plot")).scripting.script_name == "X/Y/Z plot"
            request = others.submit(tab.host.arguments, tab.runner, asked)
        finally:
            go_on.set()
        assert page.result(20) is not None and request.result(20) == complete


def test_a_page_that_cannot_be_built_leaves_the_arguments_of_the_one_that_stays(tab: Tab) -> None:
    before = tab.host.arguments(tab.runner, Scripting())
    with pytest.raises(OSError, match="no room"), tab.host.building_page():
        tab.runner.prepare_ui()
        raise OSError("no room")
    assert tab.host.arguments(tab.runner, Scripting()) == before


def test_a_job_does_not_wait_for_ever_for_a_page_that_waits_for_it(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modules.a1111.script_host.PATIENCE", 0.05)
    with ThreadPoolExecutor() as others, tab.host.building_page():
        job = others.submit(tab.host.arguments, tab.runner, Scripting())
        with pytest.raises(Busy, match="does not come to an end"):
            job.result(20)


def test_only_fields_that_a_script_names_go_along_with_a_sent_picture(tab: Tab) -> None:
    with gr.Blocks():
        fields = [gr.Number(label=name) for name in "abc"]
    panel = ScriptsPanel(
        runner=tab.runner, fields={}, inputs=[], infotext_fields=[(fields[0], "A"), PasteField(fields[1], "B"), (fields[2], lambda told: 1)], paste_field_names=["B", "Gone"],
    )  # fmt: skip
    assert panel.carried == {"B": fields[1]}


def test_a_field_whose_value_a_function_finds_is_pasted(tab: Tab) -> None:
    with gr.Blocks():
        found, plain = gr.Textbox(label="found"), gr.Textbox(label="plain")
    fields = [PasteField(found, lambda told: told["Steps"] + "!"), (plain, "Mark")]
    panel = ScriptsPanel(runner=tab.runner, fields={"a": 0, "b": 1}, inputs=[found, plain], infotext_fields=fields)
    assert panel.pasted({"Steps": "3", "Mark": "x"}) == {"a": "3!", "b": "x"} and panel.keys == {"Mark"}


def test_a_send_button_of_an_extension_copies_the_fields_of_the_tab_that_it_names(page: BuiltPage, monkeypatch: pytest.MonkeyPatch) -> None:
    from modules.gradio_ui.choices import ChoiceSources
    from modules.gradio_ui.generation_tab import build_generation_tab
    from modules.gradio_ui.img2img_tab import build_img2img_tab
    from modules.gradio_ui.shown_files import ShownFiles
    from modules.gradio_ui.ui_config import UiConfig
    from modules.schema.table import TXT2IMG

    monkeypatch.setattr(param_bindings, "registered_param_bindings", bindings := [])
    with gr.Blocks() as demo:
        around = (ChoiceSources.of(page.app), UiConfig.read(page.app.paths.ui_config_file), ShownFiles((page.app.paths.outputs_dir,)))
        txt2img, img2img = build_generation_tab(page.app, TXT2IMG, *around), build_img2img_tab(page.app, *around)
        button = gr.Button("Send")
        bindings.append(ParamBinding(paste_button=button, tabname="img2img", source_tabname="txt2img"))
        param_bindings.connect_paste_params_buttons({"txt2img": txt2img, "img2img": img2img})
    (copying,) = (each for each in demo.fns.values() if each.outputs and (button._id, "click") in each.targets)
    names = ["prompt", "negative_prompt", "steps", "seed"]
    assert (list(copying.inputs), list(copying.outputs)) == tuple([tab.form.component(name) for name in names] for tab in (txt2img, img2img))
    assert copying.fn is not None and copying.fn("a cat", "dog", 5, -1) == ["a cat", "dog", 5, -1]
    page.app.settings.set("send_seed", False)
    assert copying.fn("a cat", "dog", 5, -1)[3] == gr.skip()
    page.app.settings.set("send_seed", True)
