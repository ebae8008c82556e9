"""What extensions take from X/Y/Z plot by A1111's names."""
from __future__ import annotations

import importlib
from copy import copy
from typing import Any

import gradio
import pytest

from modules.a1111.app_slot import occupied
from modules.a1111.process_images import process_images
from modules.a1111.script_host import ScriptHost, install_scripts
from modules.a1111.state import state
from modules.application.app import App
from tests.builtin_scripts.test_builtin_scripts import MakeApp, draw
from tests.conftest import FakeEngine


@pytest.fixture
def app(make_app: MakeApp, fake_engine: FakeEngine) -> App:
    app = make_app()
    install_scripts(app, gradio.Blocks)
    return app


def _plot_of(app: App) -> Any:
    """The module of X/Y/Z plot as the host has loaded it."""
    host = app.scripts.host
    assert isinstance(host, ScriptHost)
    (plot,) = {each.module for each in host.scripts_data if each.script_class.__module__ in ("xyz_grid.py", "scripts.xyz_grid")}
    return plot


def test_an_extension_builds_a_plot_of_its_own(app: App, fake_engine: FakeEngine) -> None:
    """sd-webui-advanced-xyz and its like take the module's functions by name."""
    plot = _plot_of(app)
    given: list[Any] = []

    def run(_script: Any, p: Any, *_: Any) -> Any:
        def cell(steps: int, width: int, _none: int, *_places: int) -> Any:
            pc = copy(p)
            pc.steps, pc.width = steps, width
            return process_images(pc)

        with plot.SharedSettingsStackHelper():
            given.append(plot.draw_xyz_grid(p, [1, 2], [64, 128, 192], [0], ["1", "2"], ["64", "128", "192"], [""], cell, True, True, False, "y", "x", 4))
        return given[0]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plot.Script, "run", run)
        outcome = draw(app, "x/y/z plot", "Steps", "1")
    assert [(each.width, each.steps) for each in fake_engine.requests] == [(64, 1), (64, 2), (128, 1), (128, 2), (192, 1), (192, 2)], "y changes least often"
    (made,) = given
    assert [each.size[0] for each in made.images[2:]] == [64, 64, 128, 128, 192, 192] and made.index_of_first_image == 1
    assert len(made.infotexts) == len(made.images) == 8 and "Steps: 1" in made.infotexts[0] and "Steps: 2" in made.infotexts[3]
    assert made.images[0].size == made.images[1].size > (2 * 192, 3 * 64), "all on the sheet, with their legend"
    assert len(outcome.shown) == 8


def test_an_interrupt_leaves_the_rest_of_such_a_plot_out(app: App, fake_engine: FakeEngine) -> None:
    there, asked = importlib.import_module("modules.builtin_scripts.xyz_grid"), []

    def run(_script: Any, p: Any, *_: Any) -> Any:
        def cell(steps: int, *_: Any) -> Any:
            asked.append(steps)
            made = process_images(copy(p))
            state.interrupt()
            return made

        return there.draw_xyz_grid(p, [1, 2, 3], [0], [0], ["1", "2", "3"], [""], [""], cell, True, True, True, "x", "y", 0)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_plot_of(app).Script, "run", run)
        outcome = draw(app, "x/y/z plot", "Steps", "1")
    assert asked == [1] and outcome.shown


def test_extensions_read_the_values_of_an_axis_as_the_plot_does(app: App) -> None:
    there = importlib.import_module("modules.builtin_scripts.xyz_grid")
    assert there.csv_string_to_list_strip('a, "b, c",, d ') == ["a", "b, c", "", "d"]
    assert there.csv_string_to_list_strip(there.list_to_csv_string(["a", "b, c"])) == ["a", "b, c"]
    assert there.re_range.fullmatch("1 - 9 (+2)").groups() == ("1", "9", "+2") and there.re_range.fullmatch("1-1.5") is None
    assert there.re_range_float.fullmatch("1-1.5 (+0.25)").groups() == ("1", "1.5", "+0.25")
    assert there.re_range_count.fullmatch("1-10 [5]").groups() == ("1", "10", "5")
    assert there.re_range_count_float.fullmatch("0.5-1 [3]").groups() == ("0.5", "1", "3")
    there.confirm_range(0, 1, "Mine")(None, [0, 0.5, 1])
    with pytest.raises(ValueError, match="Mine cannot be 2"):
        there.confirm_range(0, 1, "Mine")(None, [2])
    with occupied(app):
        assert (there.find_vae("auto"), there.find_vae("none"), there.fill_values_symbol) == ("Automatic", "None", "📒")
