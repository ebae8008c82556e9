"""Where a process cannot become another one (Windows): one that has loaded nothing waits for its child, and starts what the child leaves to it."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

NEXT = "SD_WEBUI_NEXT_START"        # names the file in which a child leaves the start that is to follow it


def begin_below(command: Sequence[str], environ: Mapping[str, str], *, is_windows: bool = os.name == "nt") -> None:
    """Where this start has nobody who waits for it, become that one, and do not return: else the server itself would have to wait for the
    start that follows it, with the model in memory and the queue's lock in its hands."""
    if is_windows and not environ.get(NEXT):
        wait_for(command, environ)


def wait_for(command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Run ``command``, and whatever it leaves behind, until one leaves nothing; end with that one's exit code."""
    for number in (signal.SIGINT, getattr(signal, "SIGBREAK", signal.SIGINT)):
        signal.signal(number, signal.default_int_handler)       # Ctrl+C and Ctrl+Break are the child's; a server's own handler would end this one at once
    handle, name = tempfile.mkstemp(prefix="sd-webui-next-")
    os.close(handle)
    left, wanted, surroundings = Path(name), list(command), {**environ, NEXT: name}
    while True:
        code = _end_of(subprocess.Popen(wanted, env=surroundings))
        text = left.read_text(encoding="utf-8") if left.exists() else ""
        if not text:
            left.unlink(missing_ok=True)
            sys.exit(code)
        left.write_text("", encoding="utf-8")
        found = json.loads(text)
        wanted = found["command"]
        surroundings = {key: value for key, value in surroundings.items() if key not in found["own"]} | {key: value for key, value in found["own"].items() if value}


def leave(command: Sequence[str], environ: Mapping[str, str], own: Sequence[str]) -> bool:
    """Leave the next start to the one that waits; whether one does. own: the variables that the next start is to have as they are here."""
    name = environ.get(NEXT, "")
    if not name or not Path(name).exists():
        return False
    try:
        Path(name).write_text(json.dumps({"command": list(command), "own": {key: environ.get(key, "") for key in own}}), encoding="utf-8")
    except OSError:
        return False
    return True


def _end_of(child: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue
