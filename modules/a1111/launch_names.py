"""A1111's ``launch_utils``, as extensions use it while the server runs."""
from __future__ import annotations

import subprocess
from typing import Any

from modules.a1111.places import command_line, script_path
from modules.a1111.stubs import UNKNOWN
from modules.launching.extension_names import commit_hash, git, git_tag, index_url, is_installed, python, run, run_pip

__all__ = ["commit_hash", "git", "git_tag", "index_url", "is_installed", "python", "run", "run_pip"]


def gradio_server_name() -> str | None:
    """The address that the server answers at; None for this machine alone."""
    given = command_line()
    return given.server_name or ("0.0.0.0" if given.listen else None)


def check_python_version() -> None: ...


def check_run_python(code: str) -> bool:
    return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0


def list_extensions(settings_file: str) -> list[str]:
    from modules.a1111.app_slot import current

    return [each.name for each in current().extensions.enabled]


def requirements_met(requirements_file: str) -> bool:
    """Whether every package that the file asks for is here, at a version that fits."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import InvalidRequirement, Requirement

    with open(requirements_file, encoding="utf-8") as file:
        for line in file:
            text = line.split("#", 1)[0].strip()
            if not text or text.startswith("-"):
                continue
            try:
                wanted = Requirement(text)
                if not wanted.specifier.contains(version(wanted.name), prereleases=True):
                    return False
            except (PackageNotFoundError, InvalidRequirement):
                return False
    return True


def run_extension_installer(extension_dir: str) -> None:
    """Installers run when the program starts."""


def run_extensions_installers(settings_file: str) -> None:
    """Installers run when the program starts."""


def git_pull_recursive(dir: str) -> None: ...


def launch_value(name: str) -> Any:
    if name == "args":
        return command_line()
    if name == "script_path":
        return script_path()
    if name == "data_path":
        return command_line().data_dir
    return UNKNOWN
