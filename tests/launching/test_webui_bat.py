"""webui.bat: what the webui-user.bat that somebody brings from A1111 calls."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BAT = Path(__file__).parents[2] / "webui.bat"
USERS = '@echo off\r\n\r\nset PYTHON={python}\r\nset GIT=\r\nset VENV_DIR=\r\nset COMMANDLINE_ARGS=--api --port 7993\r\n\r\ncall webui.bat\r\n'
PROGRAM = "import os, sys\nprint(sys.argv[1:], os.environ.get('COMMANDLINE_ARGS'))\n"


def test_windows_reads_its_lines_and_it_hands_everything_on() -> None:
    text = BAT.read_bytes()
    assert text.count(b"\r\n") == text.count(b"\n") and text.isascii()
    assert b'"%~dp0launch.py" %*' in text, "launch.py beside it, from whichever folder, with the arguments it was given"


@pytest.mark.skipif(os.name != "nt", reason="Windows' own shell")
@pytest.mark.parametrize("python", ["", sys.executable, f'"{sys.executable}"'])
def test_a_users_file_starts_the_program(python: str, tmp_path: Path) -> None:
    shutil.copy(BAT, tmp_path)
    (tmp_path / "launch.py").write_text(PROGRAM)
    (tmp_path / "webui-user.bat").write_bytes(USERS.format(python=python).encode())
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent};{os.environ['PATH']}"}
    done = subprocess.run(["cmd", "/c", "webui-user.bat"], cwd=tmp_path, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
    assert done.stdout.strip() == "[] --api --port 7993"
    done = subprocess.run(["cmd", "/c", "webui.bat", "--more", "a b"], cwd=tmp_path, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
    assert done.stdout.strip() == "['--more', 'a b'] None"
