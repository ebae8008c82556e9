"""A data folder that may only be read, is full, or is no folder: the start goes on with a sentence, or ends with one."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import webui
from modules.a1111.app_slot import occupied
from modules.a1111.file_facts import cached_data_for_file
from modules.a1111.load_extensions import load_extensions
from modules.application.app import App
from modules.application.system_report import system_report
from modules.extension_host.install import local_path
from modules.launching.user_file import read_user_file
from modules.launching.venv import chosen_folder
from modules.schema.errors import InvalidValue
from modules.schema.flags import parse_flags
from tests.conftest import FakeEngine
from tests.reliability.broken_disk import FULL, READ_ONLY, refusing

pytestmark = pytest.mark.group("R3")


@pytest.mark.parametrize("code", [FULL, READ_ONLY])
def test_extensions_are_loaded_though_nothing_can_be_written(
    code: int, make_app: Callable[..., App], fake_engine: FakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    app = make_app("--disable-all-extensions", start=False)
    begun: list[str] = []
    with occupied(app), refusing(code, below=app.paths.data_dir), caplog.at_level(logging.WARNING):
        load_extensions(lambda _module, _file: None, lambda: begun.append("scripts"))
        facts = [cached_data_for_file("an-extension", f"title {code}", str(Path(__file__)), lambda: {"width": 8}) for _ in range(2)]
    assert begun == ["scripts"] and facts == [{"width": 8}] * 2
    assert str(app.paths.ui_config_file) in caplog.text and "is not kept" in caplog.text


def test_uploads_go_into_the_systems_folder_where_ours_may_only_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = parse_flags(["--data-dir", str(tmp_path / "not" / "there")], {}).flags
    environ: dict[str, str] = {}
    webui.set_environment(environ, flags)
    assert Path(environ["GRADIO_TEMP_DIR"]).is_relative_to(tmp_path)
    environ.clear()
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != tmp_path)
    webui.set_environment(environ, flags)
    assert "GRADIO_TEMP_DIR" not in environ


def test_extensions_may_fetch_their_models_from_the_hub(tmp_path: Path) -> None:
    """As in A1111: promptgen's first Generate said that outgoing traffic has been disabled."""
    environ: dict[str, str] = {}
    webui.set_environment(environ, parse_flags(["--data-dir", str(tmp_path)], {}).flags)
    assert "HF_HUB_OFFLINE" not in environ and environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidValue, match=r"--data-dir names .*file, which is a file"):
        webui.read_command_line(["--data-dir", str(tmp_path / "file")])


def test_a_user_without_a_home_folder_is_served(make_app: Callable[..., App], fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container that runs under a number of its own: no HOME, and no such user."""
    import pwd

    def nobody(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    (tmp_path / "webui-user.sh").write_text("venv_dir=~/venv\n")
    found = read_user_file(tmp_path / "webui-user.sh", {})
    assert found and found.values == {"venv_dir": "~/venv"} and chosen_folder(tmp_path, {"venv_dir": "~/venv"})
    assert local_path("~/extension") is None
    app = make_app()
    assert system_report(app)["Script path"]
