"""Extensions that ask for their files' place below the program are answered, though --data-dir is elsewhere; nobody else is."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from modules.a1111 import path_words
from modules.application.app import App

CODE = """
import os
from pathlib import Path
def asked(file):
    return str(Path(file).relative_to(Path().absolute()).as_posix()), os.path.relpath(file)
"""


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """For this test alone."""
    monkeypatch.setattr(os.path, "relpath", os.path.relpath)
    monkeypatch.setattr(Path.__mro__[1], "relative_to", Path.relative_to)
    path_words.install()


def test_it_is_the_whole_path(a1111: App, install: None, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(a1111.paths.data_dir) / "extensions" / "mine" / "localizations" / "zh_CN.json"
    mine, stranger = ({}, {})   # type: tuple[dict[str, Any], dict[str, Any]]
    exec(compile(CODE, str(file.parent / "mine.py"), "exec"), mine)
    exec(compile(CODE, "stranger.py", "exec"), stranger)
    monkeypatch.setattr(type(a1111.extensions), "owning", lambda self, name: object() if str(name).endswith("mine.py") else None)
    assert mine["asked"](str(file)) == (file.as_posix(), str(file))
    with pytest.raises(ValueError, match="zh_CN"):
        stranger["asked"](str(file))
    assert os.path.relpath(str(file)).startswith("..")
    inside = Path(path_words.script_path()) / "extensions" / "x.py"
    monkeypatch.chdir(path_words.script_path())
    assert mine["asked"](str(inside)) == ("extensions/x.py", os.path.join("extensions", "x.py"))
