"""``pip`` as extensions' installers call it: what would change the web UI's own packages is left out and said, the rest is installed.

Installers run with a folder before all others on their search path in which ``python -m pip`` is this file (``open_door``). An
install that pip can do with our constraints is pip's own. Where pip finds no way, or would put another build of a library over
ours, each package is installed by itself, and then, one by one, what it asks for and is not met.
"""
from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modules.launching.markers import marker_environment
from modules.launching.requirements import Requirement, installed_version, normalised, read_line, read_requirements, unmet
from modules.launching.torch_wheel import COMPANIONS, PYTORCH_INDEX

DOOR, PINS, NOTES = "WEBUI_PIP_DOOR", "WEBUI_PIP_PINS", "WEBUI_PIP_NOTES"
SAME_AS = {"opencv-python": "opencv-python-headless", "opencv-contrib-python": "opencv-python-headless",
           "opencv-contrib-python-headless": "opencv-python-headless"}  # fmt: skip
"""Builds of one library that overwrite each other's files."""
_WITH_VALUE = frozenset(["-c", "--constraint", "-r", "--requirement", "-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--timeout", "--retries", "--proxy", "--cert", "-e", "--editable"])
_ELSEWHERE = ("-t", "--target", "--prefix", "--root")
_EXTRAS = re.compile(r"^\s*[A-Za-z0-9._-]+\s*\[([^\]]*)\]")
_PACKAGE = '''import os, sys
__path__ += [path for path in (os.path.join(each, "pip") for each in sys.path if each) if os.path.isdir(path) and os.path.realpath(path) != os.path.realpath(__path__[0])]
exec(compile(open(os.path.join(__path__[1], "__init__.py"), encoding="utf-8").read(), __file__, "exec"))
'''  # what imports pip's own modules finds them behind ours
_MAIN = "import sys\nfrom modules.launching.extension_pip import main\n\nsys.exit(main(sys.argv[1:]))\n"


def open_door(folder: Path) -> Path:
    """The folder that must come first on PYTHONPATH, made inside ``folder``; the web UI's own folder must come behind it."""
    package = folder / "pip_door" / "pip"
    package.mkdir(parents=True, exist_ok=True)
    for name, text in (("__init__.py", _PACKAGE), ("__main__.py", _MAIN)):
        (package / name).write_text(text, encoding="utf-8")
    return package.parent


def main(arguments: Sequence[str]) -> int:
    """``python -m pip ARGUMENTS``."""
    pins = os.environ.get(PINS)
    if arguments[:1] != ["install"] or not pins or any(each.split("=")[0] in _ELSEWHERE for each in arguments):
        return _pip(arguments).returncode
    if _is_fine(arguments):
        return _pip(arguments).returncode
    work = _OneByOne.of(arguments[1:], read_requirements(Path(pins)))
    there = [work.install(each) for each in work.asked]
    work.tell()
    return 0 if all(there) else 1


def _pip(arguments: Sequence[str], *, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    door = os.environ.get(DOOR, "")
    path = os.pathsep.join(each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each and each != door)
    output = subprocess.PIPE if quiet else None
    return subprocess.run([sys.executable, "-m", "pip", *arguments], env={**os.environ, "PYTHONPATH": path}, check=False, text=True, errors="replace", stdout=output, stderr=output)


def _is_fine(arguments: Sequence[str]) -> bool:
    """Whether pip finds a way within the constraints that puts no other build of a library over ours."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "plan.json"
        done = _pip([*arguments, "--dry-run", "--quiet", "--report", str(report)], quiet=True)
        if done.returncode != 0:
            return False
        try:
            planned = [normalised(each["metadata"]["name"]) for each in json.loads(report.read_text(encoding="utf-8"))["install"]]
        except (OSError, ValueError, KeyError):
            return True
    return not any(name in SAME_AS and installed_version(SAME_AS[name]) for name in planned)


@dataclass
class _OneByOne:
    """asked: what the installer wants. options: for pip, besides. pins: the web UI's own ranges.

    notes: sentences about what was left out. problems: about what could not be had.
    """

    asked: list[str]
    options: list[str]
    pins: dict[str, str]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, arguments: Sequence[str], pins: Iterable[Requirement]) -> _OneByOne:
        asked, options, words = list[str](), list[str](), iter(arguments)
        for word in words:
            if word in ("-r", "--requirement"):
                asked += [each.text for each in read_requirements(Path(next(words, "")))]
            elif word.startswith("--requirement="):
                asked += [each.text for each in read_requirements(Path(word.partition("=")[2]))]
            elif word in _WITH_VALUE:
                options += [word, next(words, "")]
            elif word.startswith("-"):
                options += [] if word in ("-U", "--upgrade", "--force-reinstall", "--no-deps") else [word]
            else:
                asked.append(word)
        return cls(asked=asked, options=options, pins={each.name: each.clauses for each in pins if each.name})

    def install(self, text: str, *, by: str = "") -> bool:
        """One requirement and what it asks for. by: who asks. False when it could not be had.

        Another version of a package of the web UI's is no failure: an installer that goes through its list line by line ("numpy==1.24.2") would end there.
        """
        wanted = read_line(text)
        if wanted is None or text in self.seen:
            return True
        self.seen.add(text)
        if wanted.name in SAME_AS and installed_version(SAME_AS[wanted.name]):
            return True
        if wanted.name and not unmet((wanted,)):
            return True if by else self._asked_by(wanted.name, text)
        if self._is_ours(wanted):
            self.notes.append(f"{by or 'It'} asks for {wanted.text.split(';')[0].strip()}; the web UI needs {wanted.name}{self.pins[wanted.name]}"
                              f" ({installed_version(wanted.name)} is here), so that was left as it is.")  # fmt: skip
            return True
        if _is_fine(["install", *self.options, text]):
            return _pip(["install", *self.options, text]).returncode == 0
        return self._alone(wanted, text, by)

    def _is_ours(self, wanted: Requirement) -> bool:
        version = installed_version(wanted.name) if wanted.name in self.pins else None
        return version is not None

    def _alone(self, wanted: Requirement, text: str, by: str) -> bool:
        before = _distributions()
        done = _pip(["install", "--no-deps", *self.options, *self._build_of(wanted, text)], quiet=wanted.name in COMPANIONS)
        if done.returncode != 0 and wanted.name in COMPANIONS and self._companion(wanted.name):
            return True
        importlib.invalidate_caches()
        if done.returncode != 0:
            self.problems.append(self._not_had(wanted, text, by))
            return False
        for name in {wanted.name} if wanted.name else {each for each, version in _distributions().items() if before.get(each) != version}:
            self._asked_by(name, text)
        return True

    def _build_of(self, wanted: Requirement, text: str) -> list[str]:
        """torch's companions in the build that fits torch."""
        return [f"{wanted.name}{self.pins[wanted.name]}"] if wanted.name in COMPANIONS and wanted.name in self.pins else [text]

    def _companion(self, name: str) -> bool:
        """From PyTorch's own index, which has the builds that PyPI has not."""
        build = (installed_version("torch") or "").partition("+")[2]
        if not build or name not in self.pins:
            return False
        words = ["install", "--no-deps", "--index-url", PYTORCH_INDEX + build, "--timeout", "15", "--retries", "1", name + self.pins[name]]
        return _pip(words, quiet=True).returncode == 0

    def _not_had(self, wanted: Requirement, text: str, by: str) -> str:
        whose = f", which {by} asks for," if by else ""
        if wanted.name in COMPANIONS and wanted.name in self.pins:
            build = (installed_version("torch") or "").partition("+")[2]
            return (f"{wanted.name}{whose} could not be had in the build that fits torch {installed_version('torch')}. Install it by hand into the web UI's"
                    f" environment: pip install --no-deps \"{wanted.name}{self.pins[wanted.name]}\" --index-url {PYTORCH_INDEX}{build}")  # fmt: skip
        return f"{text.split(';')[0].strip()}{whose} could not be installed; pip's words stand above."

    def _asked_by(self, name: str, text: str) -> bool:
        """What the installed package ``name`` asks for, with the extras that ``text`` names. What cannot be had is noted, not fatal."""
        try:
            asked = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            return False
        found = _EXTRAS.match(text)
        extras = ["", *(each.strip() for each in found.group(1).split(","))] if found else [""]
        for line in asked:
            if any(read_line(line, {**marker_environment(), "extra": extra}) is not None for extra in extras):
                self.install(line.split(";")[0].strip(), by=name)
        return True

    def tell(self) -> None:
        """The sentences, for the console and for the page."""
        for each in (*self.notes, *self.problems):
            sys.stdout.write(f"web UI: {each}\n")
        if os.environ.get(NOTES):
            with Path(os.environ[NOTES]).open("a", encoding="utf-8") as file:
                file.writelines(f"note {each}\n" for each in self.notes)
                file.writelines(f"problem {each}\n" for each in self.problems)


def _distributions() -> dict[str, str]:
    importlib.invalidate_caches()
    return {normalised(each.metadata["Name"]): each.version for each in importlib.metadata.distributions() if each.metadata["Name"]}
