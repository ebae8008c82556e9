"""The steps from a bare Python to an environment that can start, in order. A step that finds all in order says nothing."""
from __future__ import annotations

import platform
import sys
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modules.launching import extension_installs
from modules.launching.checks import check_before_installing
from modules.launching.console import Console
from modules.launching.double_click import let_it_be_double_clicked
from modules.launching.mac import set_mac_environment
from modules.launching.network import exempt_loopback
from modules.launching.new_version import NewVersion
from modules.launching.packages import TorchWish, broken_by, ensure_requirements, ensure_torch
from modules.launching.pip import Pip
from modules.launching.remembered import Remembered
from modules.launching.requirements import read_requirements
from modules.launching.restart import start_again
from modules.launching.suite import prepare_and_run_tests
from modules.launching.user_file import take_user_file
from modules.launching.venv import chosen_folder, ensure_environment, enter, python_of
from modules.launching.waiting import begin_below
from modules.schema.errors import WebuiError
from modules.schema.flags import Flags, parse_flags

ALONE = "requirements-alone.txt"
STOPPED_BY_USER = 130  # the exit code of a program ended by Ctrl+C


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One start. ``root``: the program's folder. ``script``: launch.py. ``extensions``: gives the folders of enabled extensions."""

    root: Path
    script: Path
    arguments: tuple[str, ...]
    environ: MutableMapping[str, str]
    extensions: Callable[[Flags], Sequence[Path]]


def prepare(launch: Launch, console: Console | None = None) -> int | None:
    """Prepare the environment. The exit code to end with, or None when the web UI is to start.

    May go on in another Python and not return. A failure is printed as a sentence with its remedy; the next start resumes.
    """
    console = console or Console(sys.stdout)
    try:
        return _prepare(launch, console)
    except WebuiError as error:
        console.line("")
        console.line(error.message)
        for line in getattr(error, "details", "").splitlines():
            console.line(f"    {line}")
        console.line(error.remedy)
        return 1
    except KeyboardInterrupt:
        console.line("Stopped. The next start goes on from here.")
        return STOPPED_BY_USER


def _prepare(launch: Launch, console: Console) -> int | None:
    system = platform.system()
    for line in (*take_user_file(launch.root, launch.environ, system), *let_it_be_double_clicked(launch.root, system)):
        console.line(line)
    exempt_loopback(launch.environ)
    set_mac_environment(launch.environ, system)
    flags = parse_flags(launch.arguments, launch.environ).flags
    installs = not (flags.skip_prepare_environment or flags.skip_install)
    folder = chosen_folder(launch.root, launch.environ)
    if folder is not None:
        if installs and not python_of(folder).exists():
            check_before_installing((folder, Path(flags.data_dir)), launch.environ)
        if installs:
            ensure_environment(folder, launch.environ, console)
        if python_of(folder).exists():
            enter(folder, launch.script, launch.arguments, launch.environ)
    begin_below([sys.executable, str(launch.script), *launch.arguments], launch.environ)
    if not flags.run_tests and new_version(launch).settle(asked=flags.update, say=console.line):
        start_again(launch.script, launch.arguments, launch.environ)
    if flags.update_check:
        console.line(new_version(launch).news())
    code = None
    if installs:
        code = _install(launch, flags, console)
    elif flags.run_tests:
        code = prepare_and_run_tests(launch.root, pip=None, console=console, environ=launch.environ, remembered=_remembered(flags))
    return 0 if code is None and flags.exit else code


def _install(launch: Launch, flags: Flags, console: Console) -> int | None:
    """torch, the other packages, what extensions want, and with --run-tests the tests: their exit code, else None."""
    remembered = _remembered(flags)
    pip = Pip(console=console, environ=launch.environ, folder=_state_folder(flags))
    needed, alone = launch.root / launch.environ.get("REQS_FILE", "requirements.txt"), launch.root / ALONE
    wish = TorchWish(wants_cpu="all" in flags.use_cpu, wants_xpu=flags.use_ipex, again=flags.reinstall_torch)
    ensure_torch(wish, pip=pip, console=console, environ=launch.environ)
    _install_requirements(needed, alone, pip, console, remembered)
    if flags.run_tests:
        return prepare_and_run_tests(launch.root, pip=pip, console=console, environ=launch.environ, remembered=remembered)

    extensions = launch.extensions(flags)
    if flags.update_all_extensions:
        extension_installs.update(extensions, console=console, environ=launch.environ)
    if extension_installs.must_run(extensions, remembered):
        environ = pip.environ_with_constraints(read_requirements(needed))
        extension_installs.run_installers(extensions, root=launch.root, console=console, environ=environ, remembered=remembered, notes=_state_folder(flags) / "install_notes.json")
        for sentence in broken_by(needed):
            console.line(f"An extension's installer changed the web UI's own packages: {sentence}. Putting it right.")
        ensure_torch(TorchWish(wants_cpu=wish.wants_cpu, wants_xpu=wish.wants_xpu), pip=pip, console=console, environ=launch.environ)
        _install_requirements(needed, alone, pip, console, remembered)
    return None


def _install_requirements(needed: Path, alone: Path, pip: Pip, console: Console, remembered: Remembered) -> None:
    ensure_requirements(needed, name="requirements", pip=pip, console=console, remembered=remembered)
    if alone.exists():
        ensure_requirements(alone, name="requirements-alone", pip=pip, console=console, remembered=remembered, alone=True)


def new_version(launch: Launch) -> NewVersion:
    """What is known of another version of the program."""
    return NewVersion(launch.root, Path(parse_flags(launch.arguments, launch.environ).flags.data_dir))


def _state_folder(flags: Flags) -> Path:
    return Path(flags.data_dir) / "cache" / "launch"


def _remembered(flags: Flags) -> Remembered:
    return Remembered(_state_folder(flags) / "prepared.json")
