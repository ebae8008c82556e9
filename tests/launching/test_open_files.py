"""Shells give 1024 open files; the server takes more of what the user may have."""
from __future__ import annotations

import errno
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from modules.launching.log_lines import TooManyOpen

pytest.importorskip("resource")
PROGRAM = """
import resource
from modules.launching.open_files import allow_more_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))
allow_more_open_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize("hard", [256, 2000])
def test_as_many_as_the_user_may_have(hard: int) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(hard=hard)], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True, timeout=30)
    assert int(done.stdout) == hard


def test_the_server_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    import webui

    asked: list[bool] = []
    monkeypatch.setattr(webui, "allow_more_open_files", lambda: asked.append(True))
    assert webui.main(["--no-such-flag=1", "--port", "x"]) == 1 and asked == [True]


def test_a_server_that_is_full_says_so_once() -> None:
    """Thousands of tracebacks in a second would fill the disk."""
    kept = TooManyOpen()
    records = [logging.LogRecord("asyncio", logging.ERROR, "", 0, "socket.accept() out of system resource", (), (OSError, OSError(errno.EMFILE, "Too many open files"), None)) for _ in range(50)]
    shown = [each for each in records if kept.filter(each)]
    assert len(shown) == 1 and "Too many connections" in shown[0].getMessage() and not shown[0].exc_info
    assert kept.filter(logging.LogRecord("asyncio", logging.ERROR, "", 0, "another", (), (OSError, OSError(errno.EIO, "broken"), None)))
