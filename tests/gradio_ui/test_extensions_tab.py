"""The Extensions tab shows what lies in the folder, also what came there since the start."""

from __future__ import annotations

import shutil

from modules.extension_host.states import FOLDER, SavedState
from modules.gradio_ui.extension_states import _program_restored, saved_states
from modules.gradio_ui.extensions_tab import _apply, _scripts_line, _update, installed_html
from modules.gradio_ui.program_version import PROGRAM
from modules.launching.new_version import NEWEST, NewVersion
from tests.conftest import RunningServer


def test_what_was_installed_since_the_start_is_listed_and_can_be_switched_off(fake_server: RunningServer) -> None:
    app = fake_server.app
    folder = app.paths.data_dir / "extensions" / "just came"
    (folder / "scripts").mkdir(parents=True)
    try:
        row = next(each for each in installed_html(app).split("<tr>") if "just came" in each)
        assert "runs after Apply and restart UI" in row and " checked" in row
        _apply(app, '["just came"]')
        assert app.settings.get("disabled_extensions") == ["just came"]
        assert " checked" not in next(each for each in installed_html(app).split("<tr>") if "just came" in each)
    finally:
        shutil.rmtree(folder)
        app.settings.set("disabled_extensions", [])


def test_one_script_file_is_no_files() -> None:
    assert [_scripts_line(count, 0.04) for count in (0, 1, 2)] == ["no script files", "1 script file in 0.0 s", "2 script files in 0.0 s"]


def test_a_program_that_cannot_be_noted_stays_and_the_page_says_so(fake_server: RunningServer) -> None:
    app = fake_server.app
    version, states = NewVersion(app.paths.script_dir, app.paths.data_dir), app.paths.data_dir / FOLDER
    states.write_text("a file in the place of the folder")
    try:
        answer, _ = _update(app, {}, f'["{PROGRAM}"]')
        assert "The program is not updated" in answer and "error" in answer and not version.book.wanted, "nothing to go back to is kept"
        assert "takes effect" not in answer
    finally:
        states.unlink()
    launch = app.paths.data_dir / "cache" / "launch"
    launch.parent.mkdir(exist_ok=True)
    launch.write_text("here too")
    try:
        state = SavedState(path=states, name="", created=0.0, extensions={}, commit="a" * 40)
        assert "The program stays as it is" in _program_restored(app, state)
    finally:
        launch.unlink()


def test_what_was_there_before_an_update_of_the_program_is_kept(fake_server: RunningServer) -> None:
    app = fake_server.app
    version, states = NewVersion(app.paths.script_dir, app.paths.data_dir), app.paths.data_dir / FOLDER
    try:
        answer, _ = _update(app, {}, f'["{PROGRAM}"]')
        assert "its newest version at its restart" in answer and version.book.wanted == NEWEST
        assert [each.name for each in saved_states(states)] == ["before the program's update"]
    finally:
        shutil.rmtree(states, ignore_errors=True)
        shutil.rmtree(app.paths.data_dir / "cache" / "launch", ignore_errors=True)
