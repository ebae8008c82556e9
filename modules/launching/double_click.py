"""A1111's users on Windows start by a double click on their webui-user.bat. It calls webui.bat, which is written where such a file lies."""
from __future__ import annotations

from pathlib import Path

from modules.launching.user_file import BATCH

NAME = "webui.bat"
TEXT = r"""@echo off
rem What webui-user.bat calls, and what a double click starts: launch.py does all the rest.
setlocal
set WEBUI_PYTHON=python
if defined PYTHON set WEBUI_PYTHON=%PYTHON:"=%
"%WEBUI_PYTHON%" "%~dp0launch.py" %*
if errorlevel 1 pause
"""


def let_it_be_double_clicked(root: Path, system: str) -> tuple[str, ...]:
    """Write webui.bat beside a webui-user.bat in ``root``, once; one that is there stays. What is to be told of it.

    system: "Windows", "Linux", "Darwin". A folder that takes no file leaves everything as it was.
    """
    if system != "Windows" or not (root / BATCH).is_file() or (root / NAME).exists():
        return ()
    try:
        (root / NAME).write_bytes(TEXT.replace("\n", "\r\n").encode("ascii"))     # by itself: modules/files writes no program
    except OSError:
        return ()
    return (f"{NAME} was written: a double click on {BATCH} starts the program from now on.",)
