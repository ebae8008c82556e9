"""Starting the server again from inside: it leaves a file behind and ends; ``launch.py``, or a shell launcher, sees the file and begins anew."""
from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from threading import Timer
from typing import NoReturn

from modules.launching.waiting import leave, wait_for

RESTART_FILE = "SD_WEBUI_RESTART"       # the environment variable by which A1111's shell launchers name the file they look for
RESTARTED = "SD_WEBUI_RESTARTING"       # A1111's word for a start that follows another: the browser has the page already
SAFE = "safe"                           # in the file: without the user's extensions, this once
SAFE_FLAG = "--disable-extra-extensions"
_SAFE_START = "SD_WEBUI_SAFE_START"     # set while such a start runs
_ANSWER_FIRST = 0.2                     # seconds until the server is told, so that whoever asked gets an answer


def offer_restart(environ: MutableMapping[str, str], folder: Path) -> Path | None:
    """Name the file, unless an outer launcher did; None then, for it begins anew itself. A file of an earlier start goes."""
    own = folder / "restart"
    if environ.get(RESTART_FILE) not in (None, "", str(own)):
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        own.unlink(missing_ok=True)
    except OSError:
        return None
    environ[RESTART_FILE] = str(own)
    return own


def can_restart(environ: Mapping[str, str]) -> bool:
    """Whether somebody waits to start this server again."""
    return bool(environ.get(RESTART_FILE))


def ask_for_restart(environ: Mapping[str, str], *, safe: bool = False) -> None:
    """End the server soon, and have it started again. Raises OSError when the file cannot be written. Only where ``can_restart``."""
    Path(environ[RESTART_FILE]).absolute().write_text(SAFE if safe else "", encoding="utf-8")
    timer = Timer(_ANSWER_FIRST, lambda: signal.raise_signal(signal.SIGINT))
    timer.daemon = True
    timer.start()


def next_start(file: Path | None, arguments: Sequence[str], environ: MutableMapping[str, str]) -> tuple[str, ...] | None:
    """The command line of the start that was asked for; None when none was. A safe start's flag is left out again at the start after it."""
    if file is None or not file.exists():
        return None
    environ[RESTARTED] = "1"
    wanted = file.read_text(encoding="utf-8").strip()
    file.unlink(missing_ok=True)
    own = list(arguments)
    if environ.pop(_SAFE_START, "") and own and own[-1] == SAFE_FLAG:
        own.pop()
    if wanted == SAFE:
        environ[_SAFE_START] = "1"
        own.append(SAFE_FLAG)
    return tuple(own)


def end_as_by_ctrl_c() -> None:
    """From here on until the server listens, who ends the process or closes its terminal ends the start as Ctrl+C does: in order."""
    for number in (signal.SIGTERM, *(getattr(signal, name, signal.SIGTERM) for name in ("SIGHUP", "SIGBREAK"))):
        if signal.getsignal(number) == signal.SIG_DFL:      # ignored under nohup, which is to go on
            signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)       # asked again: at once
    raise KeyboardInterrupt


def is_safe_start(environ: Mapping[str, str]) -> bool:
    return bool(environ.get(_SAFE_START))


def start_again(script: Path, arguments: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Begin anew as ``script``; does not return."""
    command = [sys.executable, str(script), *arguments]
    sys.stdout.flush()
    if os.name != "nt":
        os.execve(sys.executable, command, dict(environ))
    if leave(command, environ, (RESTARTED, _SAFE_START)):
        sys.exit(0)         # with all that was loaded: the next start finds the memory free
    wait_for(command, environ)
