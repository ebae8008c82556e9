"""The Extensions tab shows what lies in the folder, also what came there since the start."""

from __future__ import annotations

import shutil

from modules.gradio_ui.extensions_tab import _apply, _scripts_line, installed_html
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
