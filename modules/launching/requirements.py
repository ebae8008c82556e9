"""requirements.txt, read without pip: which packages are asked for here, and which of them are not met."""
from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modules.launching.failure import LaunchError
from modules.launching.markers import marker_environment, marker_holds
from modules.launching.versions import VersionUnreadable, is_in_range

_REQUIREMENT = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*\(?([^;@()]*)\)?\s*(?:;(.*))?")

Installed = Callable[[str], str | None]


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One line. ``name`` is "" for a line only pip understands (a URL, an editable folder, an option)."""

    text: str
    name: str
    clauses: str

    @property
    def can_be_checked(self) -> bool:
        return bool(self.name)


def read_requirements(path: Path) -> tuple[Requirement, ...]:
    """The lines of ``path`` that hold on this machine, files named by ``-r`` included. LaunchError when it cannot be read."""
    return tuple(_read(path, seen=frozenset()))


def read_line(line: str, environment: Mapping[str, str] | None = None) -> Requirement | None:
    """One line without comment; None when its marker excludes this machine."""
    match = _REQUIREMENT.fullmatch(line.split(" --hash")[0].strip())
    if match is None or "://" in line:
        return Requirement(text=line, name="", clauses="")
    name, clauses, marker = match.groups()
    try:
        if marker and not marker_holds(marker, environment or marker_environment()):
            return None
        is_in_range("0", clauses)
    except VersionUnreadable:
        return Requirement(text=line, name="", clauses="")
    return Requirement(text=line, name=normalised(name), clauses=clauses.strip())


def unmet(requirements: Sequence[Requirement], installed: Installed | None = None) -> tuple[str, ...]:
    """A sentence for each requirement that is not met, in order. Lines only pip understands are not judged."""
    installed = installed or installed_version
    sentences = []
    for requirement in requirements:
        version = installed(requirement.name) if requirement.can_be_checked else ""
        if version is None:
            sentences.append(f"{requirement.name} is not installed")
        elif version and not _admits(requirement, version):
            sentences.append(f"{requirement.name} {version} is installed, {requirement.clauses} is needed")
    return tuple(sentences)


def installed_version(name: str) -> str | None:
    """The version of an installed package, None when there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _read(path: Path, seen: frozenset[Path]) -> list[Requirement]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LaunchError(f"The list of needed packages, {path}, cannot be read: {error}.", "Restore it, or set REQS_FILE to another.") from error
    found: list[Requirement] = []
    for line in re.sub(r"\\\n", "", text).splitlines():
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        included = re.fullmatch(r"(?:-r|--requirement)[\s=]*(.+)", line)
        if included:
            other = (path.parent / included.group(1)).resolve()
            found += _read(other, seen | {other}) if other not in seen else []
        elif line:
            requirement = read_line(line)
            found += [requirement] if requirement else []
    return found


def _admits(requirement: Requirement, version: str) -> bool:
    try:
        return is_in_range(version, requirement.clauses)
    except VersionUnreadable:  # a version nobody can compare, such as one built from a branch: trust the person who put it there
        return True
