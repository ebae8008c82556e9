"""``--run-tests``: what the tests need is made ready, then ruff, pyright and pytest run; the exit code tells of all three."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from modules.launching.console import Console
from modules.launching.packages import ensure_requirements
from modules.launching.pip import Pip
from modules.launching.remembered import Remembered

TEST_REQUIREMENTS = "requirements-tests.txt"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
MOST_WORKERS = 4  # each may hold a model, a server and a browser: about 1.5 GB
WITHOUT_LONG = ("-m", "not long")  # what takes minutes (whole corpora, soaks, fuzzing) runs by `python -m pytest` alone
BROWSER_VARIABLE = "CHROMIUM"  # the environment variable by which the browser tests are told where theirs is


def prepare_and_run_tests(
    root: Path, *, pip: Pip | None, console: Console, environ: MutableMapping[str, str], remembered: Remembered
) -> int:
    """0 when ruff, pyright (where it can run) and pytest are content. pip: None leaves the packages as they are."""
    if pip is not None:
        ensure_requirements(root / TEST_REQUIREMENTS, name="test requirements", pip=pip, console=console, remembered=remembered)
    _prepare_browser(console, environ, may_install=pip is not None)
    environ.setdefault("OMP_NUM_THREADS", "1")  # the tests share the cores by processes; threads of theirs would only wait for each other
    environ.pop("PYTHONDONTWRITEBYTECODE", None)    # every process would compile all files again
    ruff = _run("ruff", [sys.executable, "-m", "ruff", "check", "."], root, console, environ)
    options = [*WITHOUT_LONG, *_workers(environ), *_pytest_options(environ)]
    with ThreadPoolExecutor(1) as beside:           # the tests wait for disks, pages and timers often enough
        pyright = beside.submit(_run_pyright, root, environ)
        pytest = _run("pytest", [sys.executable, "-m", "pytest", "-q", *options], root, console, environ)
        code, lines = pyright.result()
    for line in lines:
        console.line(line)
    codes = [ruff, code, pytest]
    failed = [name for name, code in zip(("ruff", "pyright", "pytest"), codes) if code]
    console.line(f"Not content: {', '.join(failed)}." if failed else "ruff, pyright and pytest are content.")
    return next((code for code in codes if code), 0)


def find_browser() -> str:
    """The path of a Chromium on this machine, "" when there is none."""
    on_path = (shutil.which(name) for name in BROWSERS)
    elsewhere = (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
    )
    return next((path for path in (*on_path, *elsewhere) if path and os.path.exists(path)), "")


def _prepare_browser(console: Console, environ: MutableMapping[str, str], *, may_install: bool) -> None:
    if environ.get(BROWSER_VARIABLE):
        return
    reason = ""
    if not find_browser() and may_install:
        reason = _install_browser(console, environ)
    path = find_browser()
    if path:
        environ[BROWSER_VARIABLE] = path
    else:
        console.line(f"The browser tests are skipped: {reason or 'no Chromium or Chrome is on this machine'}.")


def _install_browser(console: Console, environ: Mapping[str, str]) -> str:
    """Bring Chromium from the system's packages where that is allowed; the reason when it is not or fails."""
    if not (shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0):
        return "no Chromium is here, and only root on a Debian-like system may install it: `sudo apt-get install chromium`"
    quiet = {**environ, "DEBIAN_FRONTEND": "noninteractive"}
    with console.step("Installing Chromium from the system's packages, for the browser tests") as step:
        for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", "chromium"]):
            done = subprocess.run(
                command, env=quiet, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace", check=False,
            )  # fmt: skip
        if done.returncode != 0:
            step.outcome = "not to be had"
            return "Chromium could not be installed: " + " ".join(done.stdout.split()[-30:])
    return ""


def _run_pyright(root: Path, environ: Mapping[str, str]) -> tuple[int, list[str]]:
    """pyright's exit code, and what to say; code 0 where its own download of itself fails."""
    for stub in (root / "modules").rglob("*.pyi"):
        stub.unlink()                   # Gradio wrote them beside its components before no_stubs.py; pyright would read them instead of the code
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable], cwd=root, env={**environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    lines = done.stdout.strip().splitlines()
    summary = next((line for line in reversed(lines) if re.match(r"\d+ errors?, ", line)), "")
    if not summary:
        return 0, [f"pyright: not run, it could not get ready ({lines[-1].strip() if lines else 'no output'})"]
    return done.returncode, [*(lines if done.returncode != 0 else []), f"pyright: {summary} ({time.monotonic() - start:.1f} s)"]


def _run(name: str, command: Sequence[str], root: Path, console: Console, environ: Mapping[str, str]) -> int:
    start = time.monotonic()
    code = subprocess.run(command, cwd=root, env=dict(environ), stdin=subprocess.DEVNULL, check=False).returncode
    console.line(f"{name}: {'content' if code == 0 else f'exit code {code}'} ({time.monotonic() - start:.1f} s)")
    return code


def _workers(environ: Mapping[str, str]) -> list[str]:
    """One process a core, each taking whole groups of tests (tests/conftest.py), so that a file's server is started once. PYTEST_OPTIONS may say otherwise."""
    asked = _pytest_options(environ)
    if any(each.startswith(("-n", "--numprocesses", "--dist", "--pdb")) or each == "-x" for each in asked):
        return []
    return ["-n", str(max(1, min(os.cpu_count() or 1, MOST_WORKERS))), "--dist", "loadfile"]


def _pytest_options(environ: Mapping[str, str]) -> list[str]:
    """More options for pytest, from PYTEST_OPTIONS, e.g. "-k launch -x"."""
    return environ.get("PYTEST_OPTIONS", "").split()
