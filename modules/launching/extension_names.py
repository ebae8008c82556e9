"""What extensions' install.py imports from ``launch``: the names and manners they know from A1111."""
from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from modules.schema.flags import Flags, parse_flags


def launch_flags() -> Flags:
    """The flags of this start; in an install.py, which gets no arguments, those of COMMANDLINE_ARGS, as in A1111."""
    return parse_flags(sys.argv[1:] if Path(sys.argv[0]).name in ("launch.py", "webui.py") else [], os.environ).flags


def is_installed(package: str) -> bool:
    """Whether ``package``, by its distribution or import name, is there."""
    name = re.split(r"[\s\[<>=!~;]", package.strip(), maxsplit=1)[0]
    try:
        importlib.metadata.distribution(name)
        return True
    except (importlib.metadata.PackageNotFoundError, ValueError):
        pass
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def run(
    command: str,
    desc: str | None = None,
    errdesc: str | None = None,
    custom_env: Mapping[str, str] | None = None,
    live: bool | None = None,
) -> str:
    """Run a shell command; gives what it printed. RuntimeError, with the command and its output, when it fails.

    live: its output goes to the console instead (the default with WEBUI_LAUNCH_LIVE_OUTPUT=1).
    """
    if desc is not None:
        sys.stdout.write(f"{desc}\n")
        sys.stdout.flush()
    is_live = os.environ.get("WEBUI_LAUNCH_LIVE_OUTPUT") == "1" if live is None else live
    done = subprocess.run(
        command, shell=True, check=False, text=True, encoding="utf-8", errors="replace",
        env=dict(os.environ if custom_env is None else custom_env),
        stdout=None if is_live else subprocess.PIPE, stderr=None if is_live else subprocess.PIPE,
    )  # fmt: skip
    if done.returncode != 0:
        outputs = [f"{name}: {text.strip()}" for name, text in (("stdout", done.stdout), ("stderr", done.stderr)) if text]
        raise RuntimeError("\n".join([f"{errdesc or 'Error running command'}.", f"Command: {command}", f"Exit code: {done.returncode}", *outputs]))
    return done.stdout or ""


def run_pip(command: str, desc: str | None = None, live: bool | None = None) -> str | None:
    """``pip COMMAND`` in the web UI's environment, e.g. ``run_pip("install piexif==1.1.3", "piexif")``. --skip-install: nothing."""
    if launch_flags().skip_install:
        return None
    index = f" --index-url {os.environ['INDEX_URL']}" if os.environ.get("INDEX_URL") else ""
    options = " --prefer-binary --disable-pip-version-check" if command.lstrip().startswith("install") else ""
    return run(
        f'"{sys.executable}" -m pip {command}{options}{index}',
        desc=f"Installing {desc}" if desc else None,
        errdesc=f"Couldn't install {desc}",
        live=live,
    )


def git_clone(url: str, dir: str, name: str, commithash: str | None = None) -> None:
    """Clone ``url`` into ``dir`` unless it is there, and check out ``commithash`` when one is given."""
    git = os.environ.get("GIT", "git")
    if not os.path.exists(dir):
        run(f'"{git}" clone --config core.filemode=false "{url}" "{dir}"', f"Cloning {name} into {dir}", f"Couldn't clone {name}")
    if commithash is None:
        return
    current = run(f'"{git}" -C "{dir}" rev-parse HEAD', errdesc=f"Couldn't read the commit of {name}").strip()
    if current != commithash:
        run(f'"{git}" -C "{dir}" fetch', f"Fetching {name}", f"Couldn't fetch {name}")
        run(f'"{git}" -C "{dir}" checkout {commithash}', f"Checking out {commithash} of {name}", f"Couldn't check out {commithash} of {name}")


python = sys.executable
git = os.environ.get("GIT", "git")
index_url = os.environ.get("INDEX_URL", "")


def git_tag() -> str:
    """The version of A1111 that this program stands in for; extensions compare with it."""
    return "v1.10.1"


def commit_hash() -> str:
    """The program's commit; "<none>" outside of a git repository, as in A1111."""
    root = Path(__file__).parents[2]
    try:
        return run(f'"{git}" -C "{root}" rev-parse HEAD').strip() or "<none>"
    except RuntimeError:
        return "<none>"
