"""webui.bat, which the webui-user.bat that somebody brings from A1111 calls: it is written beside that one."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modules.launching.double_click import NAME, let_it_be_double_clicked

USERS = '@echo off\r\n\r\nset PYTHON={python}\r\nset GIT=\r\nset VENV_DIR=\r\nset COMMANDLINE_ARGS=--api --port 7993\r\n\r\ncall webui.bat\r\n'
PROGRAM = "import os, sys\nprint(sys.argv[1:], os.environ.get('COMMANDLINE_ARGS'))\n"


def written(root: Path, text: str = "call webui.bat") -> Path:
    (root / "webui-user.bat").write_bytes(text.encode())
    (told,) = let_it_be_double_clicked(root, "Windows")
    assert "double click" in told
    return root / NAME


def test_windows_reads_its_lines_and_it_hands_everything_on(tmp_path: Path) -> None:
    text = written(tmp_path).read_bytes()
    assert text.count(b"\r\n") == text.count(b"\n") and text.isascii()
    assert b'"%~dp0launch.py" %*' in text, "launch.py beside it, from whichever folder, with the arguments it was given"


def test_it_is_written_once_and_only_where_somebody_needs_it(tmp_path: Path) -> None:
    assert let_it_be_double_clicked(tmp_path, "Windows") == () and not (tmp_path / NAME).exists()
    (tmp_path / "webui-user.bat").write_text("call webui.bat")
    assert let_it_be_double_clicked(tmp_path, "Linux") == () and not (tmp_path / NAME).exists()
    (tmp_path / NAME).write_text("A1111's own, or one that somebody changed")
    assert let_it_be_double_clicked(tmp_path, "Windows") == () and "somebody" in (tmp_path / NAME).read_text()


@pytest.mark.skipif(os.name != "nt", reason="Windows' own shell")
@pytest.mark.parametrize("python", ["", sys.executable, f'"{sys.executable}"'])
def test_a_users_file_starts_the_program(python: str, tmp_path: Path) -> None:
    (tmp_path / "launch.py").write_text(PROGRAM)
    written(tmp_path, USERS.format(python=python))
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent};{os.environ['PATH']}"}
    done = subprocess.run(["cmd", "/c", "webui-user.bat"], cwd=tmp_path, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
    assert done.stdout.strip() == "[] --api --port 7993"
    done = subprocess.run(["cmd", "/c", "webui.bat", "--more", "a b"], cwd=tmp_path, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
    assert done.stdout.strip() == "['--more', 'a b'] None"
