"""The packages this program needs: what is missing is installed, and a start that misses nothing calls no package manager."""
from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modules.launching.console import Console
from modules.launching.failure import LaunchError
from modules.launching.machine import this_machine
from modules.launching.pip import Pip, launch_error
from modules.launching.pip_failure import Cause
from modules.launching.remembered import Remembered, fingerprint_of, packages_state
from modules.launching.requirements import Requirement, installed_version, read_requirements, unmet
from modules.launching.torch_wheel import GB, TORCH_RANGE, TorchAttempt, torch_attempts
from modules.launching.versions import VersionUnreadable, is_in_range

STOPS_THE_LADDER = (Cause.DISK, Cause.PERMISSION, Cause.MANAGED)  # causes that the next torch command would only meet again


@dataclass(frozen=True, kw_only=True)
class TorchWish:
    """What the flags say about torch: --use-cpu all, --use-ipex, --reinstall-torch."""

    wants_cpu: bool = False
    wants_xpu: bool = False
    again: bool = False


def ensure_torch(wish: TorchWish, *, pip: Pip, console: Console, environ: Mapping[str, str]) -> None:
    """Install torch by the first command that works, unless one that will do is there: in range, or by the user's own
    TORCH_COMMAND. LaunchError when none works."""
    version = installed_version("torch")
    if version is not None and not wish.again and (environ.get("TORCH_COMMAND") or _torch_will_do(version)):
        return
    attempts = torch_attempts(this_machine(), wants_cpu=wish.wants_cpu, wants_xpu=wish.wants_xpu, environ=environ)
    check_disk(Path(sys.prefix), attempts[0].disk_bytes)
    if version is not None and wish.again:
        pip.try_run(["pip", "uninstall", "--yes", "torch"], what=f"torch {version}")
    for number, attempt in enumerate(attempts, 1):
        if _try(attempt, is_last=number == len(attempts), pip=pip, console=console):
            return


def ensure_requirements(path: Path, *, name: str, pip: Pip, console: Console, remembered: Remembered, alone: bool = False) -> None:
    """Install what ``path`` asks and is missing. ``name``: under which the result is remembered. alone: without what it asks for itself."""
    fingerprint = _fingerprint(path)
    if remembered.matches(name, fingerprint):
        return
    requirements = read_requirements(path)
    missing = unmet(requirements)
    if missing or not all(requirement.can_be_checked for requirement in requirements):
        with console.step(f"Installing {_listed(missing) or 'packages'}, asked for by {path.name}") as step:
            installed = pip.install([*(["--no-deps"] if alone else []), "-r", str(path)], what=f"What {path.name} asks for", requirements=requirements)
            step.outcome = f"installed {len(installed)} packages" if installed else "everything was there"
        forget_import_caches()
    remembered.keep(name, _fingerprint(path))


def broken_by(path: Path) -> tuple[str, ...]:
    """A sentence for each requirement of ``path`` that is not met, torch included; to be asked after strangers' installers have run."""
    forget_import_caches()
    torch = Requirement(text=f"torch{TORCH_RANGE}", name="torch", clauses=TORCH_RANGE)
    return unmet((torch, *read_requirements(path)))


def forget_import_caches() -> None:
    """Make packages that were just installed visible to this process."""
    importlib.invalidate_caches()


def check_disk(folder: Path, needed_bytes: int) -> None:
    """LaunchError, before a download, where it would not fit."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise LaunchError(
            f"torch and the other packages need about {needed_bytes / GB:.0f} GB in {folder}; {free / GB:.1f} GB are free.",
            "Free some space, or set VENV_DIR to a folder on a larger disk. Nothing was downloaded.",
        )


def _try(attempt: TorchAttempt, *, is_last: bool, pip: Pip, console: Console) -> bool:
    with console.step(f"Installing {attempt.build}: {attempt.reason}") as step:
        run = pip.try_run(attempt.arguments, what=attempt.build, gives_up_early=attempt.asks_elsewhere)
        forget_import_caches()
        if run.failure is None:
            step.outcome = f"torch {installed_version('torch')} is here"
            return True
        step.outcome = "not to be had there" if run.failure.cause is Cause.NOT_FOUND else run.failure.message
    if is_last or run.failure.cause in STOPS_THE_LADDER:
        raise launch_error(run.failure)
    return False


def _torch_will_do(version: str) -> bool:
    try:
        return is_in_range(version, TORCH_RANGE)
    except VersionUnreadable:
        return True


def _fingerprint(path: Path) -> str:
    try:
        return fingerprint_of([packages_state(), *(requirement.text for requirement in read_requirements(path))])
    except LaunchError:
        return ""


def _listed(missing: tuple[str, ...]) -> str:
    names = [sentence.split()[0] for sentence in missing]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
