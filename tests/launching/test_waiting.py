"""A process that waits for its child and starts what the child leaves to it, as on Windows, where none can become another."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modules.launching.waiting import NEXT, leave
from tests.bench.server import ROOT

WAITS = "import os, sys\nfrom modules.launching.waiting import wait_for\nwait_for([sys.executable, *sys.argv[1:]], os.environ)\n"
CHILD = """
import os, sys
from modules.launching.waiting import leave
print(os.getppid(), sys.argv[1:], os.environ.get("OURS"), flush=True)
if len(sys.argv) < 4:
    os.environ["OURS"] = "" if len(sys.argv) == 3 else "set"
    leave([sys.executable, sys.argv[0], *sys.argv[1:], "again"], os.environ, ["OURS"])
    sys.exit(0)
sys.exit(7)
"""


def test_each_start_is_a_child_of_the_one_that_waits_and_the_last_ones_code_is_told(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    done = subprocess.run([sys.executable, "-c", WAITS, str(tmp_path / "child.py"), "first"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "TEMP": str(tmp_path)})
    lines = done.stdout.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["['first'] None", "['first', 'again'] set", "['first', 'again', 'again'] None"], done.stderr
    assert len({line.split(" ", 1)[0] for line in lines}) == 1 and done.returncode == 7 and [each.name for each in tmp_path.iterdir()] == ["child.py"]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "own"), [
    (signal.SIGINT, "import signal, os\nsignal.signal(signal.SIGINT, lambda *_: os._exit(130))\n"),      # a server had its own way with Ctrl+C
    (getattr(signal, "SIGUSR1", signal.SIGINT), "import signal\nsignal.SIGBREAK = signal.SIGUSR1\n"),       # in the part of Windows' Ctrl+Break
])  # fmt: skip
def test_ctrl_c_and_ctrl_break_are_the_childs(number: int, own: str, tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(f"import signal, sys, time\nsignal.signal({int(number)}, lambda *_: (time.sleep(0.5), sys.exit(3)))\nprint('up', flush=True)\ntime.sleep(30)\n")
    started = subprocess.Popen([sys.executable, "-c", own + WAITS, str(tmp_path / "child.py")], cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True)
    assert started.stdout is not None and started.stdout.readline() == b"up\n"
    time.sleep(0.1)
    os.killpg(started.pid, number)
    assert started.wait(timeout=20) == 3


def test_nothing_is_left_where_nobody_waits(tmp_path: Path) -> None:
    assert not leave(["x"], {}, []) and not leave(["x"], {NEXT: str(tmp_path / "gone")}, [])


def test_the_first_start_on_windows_waits_below_which_the_server_begins(tmp_path: Path) -> None:
    """A server that is in no venv of the program's own (conda, VENV_DIR=-) is nobody's child: it would wait for its successor with the model in memory."""
    program = tmp_path / "program.py"
    program.write_text("import os, sys\nfrom modules.launching.waiting import begin_below\nbegin_below([sys.executable, *sys.argv], os.environ, is_windows='linux' not in sys.argv)\nprint(os.getpid(), os.getppid(), flush=True)\n")
    environ = {**{name: value for name, value in os.environ.items() if name != NEXT}, "PYTHONPATH": str(ROOT)}
    for system, is_child in (("windows", True), ("linux", False)):
        started = subprocess.Popen([sys.executable, str(program), system], cwd=ROOT, stdout=subprocess.PIPE, env=environ, text=True)
        said, _ = started.communicate(timeout=60)
        own, parent = said.split()
        assert (int(parent) == started.pid, int(own) == started.pid) == (is_child, not is_child)
