"""For a start with a Python that is too old or too new: go on with a better one of this machine, or say what to install.

Written so that any Python 3 can read it.
"""
import os
import shutil
import subprocess
import sys

MARK = "WEBUI_PYTHON_WAS_CHOSEN"
MINORS = (12, 13, 11)


def continue_elsewhere(root):
    """End this process with the exit code of the same start in a supported Python, or with a sentence when there is none."""
    found = [] if os.environ.get(MARK) else _candidates(root)
    version = sys.version.split()[0]
    if not found:
        sys.exit(
            f"This program needs Python 3.11, 3.12 or 3.13; this is {version} ({sys.executable}).\n"
            "Install Python 3.12 (python.org, `brew install python@3.12`, `apt install python3.12 python3.12-venv`) "
            "and run: python3.12 launch.py"
        )
    sys.stdout.write(f"Python {version} is not supported; going on with {' '.join(found)}\n")
    sys.stdout.flush()
    os.environ[MARK] = "1"
    try:
        sys.exit(subprocess.call(found + sys.argv))
    except KeyboardInterrupt:
        sys.exit(130)


def _candidates(root):
    """The command of the first supported Python that answers, as a list; empty when there is none."""
    commands = [[os.path.join(root, "venv", "bin", "python")], [os.path.join(root, "venv", "Scripts", "python.exe")]]
    commands += [[f"python3.{minor}"] for minor in MINORS] + [["py", f"-3.{minor}"] for minor in MINORS]
    for command in commands:
        path = shutil.which(command[0])
        if path and _answers([path] + command[1:]):
            return [path] + command[1:]
    return []


def _answers(command):
    """Whether it runs: a name on PATH may be a shim for a Python that is not installed."""
    try:
        return subprocess.call(command + ["-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False
