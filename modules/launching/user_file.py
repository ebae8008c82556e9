"""A1111's ``webui-user.sh`` or ``webui-user.bat`` in the program's folder: its assignments are read as data. Nothing in it is ever run."""
from __future__ import annotations

import codecs
import os
import re
import shlex
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from modules.launching.user_lines import NAME, Setting, batch_settings, shell_settings, shell_sources
from modules.launching.venv import NEWEST_PYTHON, OLDEST_PYTHON

SHELL, BATCH = "webui-user.sh", "webui-user.bat"
KNOWN = frozenset({
    "COMMANDLINE_ARGS", "TORCH_COMMAND", "TORCH_INDEX_URL", "INDEX_URL", "REQS_FILE", "PYTHON", "python_cmd", "VENV_DIR", "venv_dir", "SKIP_VENV", "GIT",
    "WEBUI_LAUNCH_LIVE_OUTPUT", "PIP_CERT", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
})  # fmt: skip
KNOWN_BEGINNINGS = ("CUDA_", "PYTORCH_", "HSA_", "HIP_", "ROCR_", "ONEAPI_", "OMP_", "MKL_", "HF_")
_LARGEST = 256 * 1024       # bytes; what is larger is no such file
_RUNS_SOMETHING = re.compile(r"\$\(|`|<\(")
_SHELL_VARIABLE = re.compile(rf"\$\{{({NAME})(?::?-([^}}]*))?\}}|\$({NAME})")
_BATCH_NAMES = {name.casefold(): name for name in KNOWN if name.isupper() or name == "python_cmd"}
_OLDEST_TORCH = (2, 10)


@dataclass(frozen=True, kw_only=True)
class UserFile:
    """values: what the file sets, by name. said: one sentence for what of it is left out, each with its reason."""

    name: str
    values: Mapping[str, str]
    said: tuple[str, ...] = ()


def take_user_file(root: Path, environ: MutableMapping[str, str], system: str) -> tuple[str, ...]:
    """Put what the file in ``root`` sets into ``environ``, where nothing is set yet. What is to be told of it, a line each.

    system: "Windows", "Linux", "Darwin": which of the two files comes first. The other one is read where the first sets nothing.
    """
    for name in (BATCH, SHELL) if system == "Windows" else (SHELL, BATCH):
        found = read_user_file(root / name, environ)
        if found is None or not (found.values or found.said):
            continue
        taken = {key: value for key, value in found.values.items() if not environ.get(key)}
        environ.update(taken)
        lines = [f"{name}: {', '.join(taken)} {'is' if len(taken) == 1 else 'are'} taken from it."] if taken else []  # no values: a password may be among them
        return (*lines, *(f"{name}: {sentence}" for sentence in found.said))
    return ()


def read_user_file(path: Path, environ: Mapping[str, str]) -> UserFile | None:
    """What the file sets, with variables in it filled in from the file itself and ``environ``. None: there is no such file."""
    try:
        if path.stat().st_size > _LARGEST:
            return None
        text = _decoded(path.read_bytes())
    except OSError:
        return None
    reader = _Reader(environ=environ, folder=path.absolute().parent, is_batch=path.suffix == ".bat")
    for setting in batch_settings(text) if reader.is_batch else shell_settings(text):
        reader.take(setting)
    if not reader.is_batch:
        reader.said += [f"{name} is not read, for nothing in this file is run: write what it sets into this file." for name in shell_sources(text)]
    return UserFile(name=path.name, values=reader.values, said=reader.sentences())


def _decoded(data: bytes) -> str:
    """Windows' editors and consoles also save in UTF-16, or in the letters of the country."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"), (b"", "utf-8-sig")):
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except ValueError:
                return data.decode("cp1252" if encoding == "utf-8-sig" else encoding, errors="replace")
    return ""


@dataclass
class _Reader:
    """Goes through a file's settings from top to bottom.

    own: everything the file sets, also what only serves its other lines; lost: what cannot be known without running something.
    """

    environ: Mapping[str, str]
    folder: Path
    is_batch: bool
    values: dict[str, str] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    def take(self, setting: Setting) -> None:
        name = _BATCH_NAMES.get(setting.name.casefold(), setting.name) if self.is_batch else setting.name
        value = self._batch_value(setting.raw) if self.is_batch else self._shell_value(setting.raw)
        if value is not None and setting.more:
            value = self._of(name) + value
        is_known = name in KNOWN or name.startswith(KNOWN_BEGINNINGS)
        if value is None:
            self.lost.add(self._key(name))
            if is_known:
                self.said.append(f"{name} is left out: its value is the result of a command, and nothing in this file is run.")
            return
        self.lost.discard(self._key(name))
        self.own[self._key(name)] = value
        if is_known and value and (reason := _unfit(name, value)):
            self.said.append(f"{name} is left out: {reason}")
        elif is_known and value:
            self.values[name] = value
            if setting.conditional:
                self.said.append(f"{name} is set under a condition, which is not looked at: it is taken. Write it into a line of its own, or delete it.")

    def sentences(self) -> tuple[str, ...]:
        idle = [name for name in self.own if self.own[name] and name not in self.used and self._key(name) not in map(self._key, KNOWN) and not name.upper().startswith(KNOWN_BEGINNINGS)]
        unknown = [f"{', '.join(idle)} {'means' if len(idle) == 1 else 'mean'} nothing to this program."] if idle else []
        return tuple(dict.fromkeys([*self.said, *unknown]))

    def _key(self, name: str) -> str:
        return name.upper() if self.is_batch else name

    def _of(self, name: str, default: str = "") -> str:
        """The value of a variable at this line; raises _Unknown for one that a command makes."""
        key = self._key(name)
        self.used.add(key)
        if key in self.lost:
            raise _Unknown
        places = {"CD": str(self.folder)} if self.is_batch else {"PWD": str(self.folder)}
        return self.own.get(key) or places.get(key) or next((value for each, value in self.environ.items() if self._key(each) == key), "") or default

    def _shell_value(self, raw: str) -> str | None:
        """What a shell would make of the right-hand side, without commands in it. None where it has some."""
        if _RUNS_SOMETHING.search(re.sub(r"'[^']*'", "", raw)):
            return None
        try:
            words = shlex.split(raw, comments=True)
            value = words[0] if words else ""
            return value if raw.startswith("'") else os.path.expanduser(_SHELL_VARIABLE.sub(lambda found: self._of(found[1] or found[3], found[2] or ""), value))
        except ValueError:
            return ""                                   # a quotation mark that never closes
        except _Unknown:
            return None

    def _batch_value(self, raw: str) -> str:
        """What Windows would make of it: %NAME%, "%~dp0" for the file's folder, "%%" for a percent sign."""
        named = re.sub(rf"%~dp0\\?|%%|%({NAME})%", lambda found: self._of(found[1]) if found[1] else "%" if found[0] == "%%" else str(self.folder) + os.sep, raw)
        return named.strip()


class _Unknown(Exception):
    """The value of a variable is the result of a command."""


def _unfit(name: str, value: str) -> str:
    """Why a value that was right for A1111 cannot be taken here; "" where it can."""
    if name == "TORCH_COMMAND":
        for version in re.findall(r"\btorch==(\d+)\.(\d+)", value):
            if tuple(map(int, version)) < _OLDEST_TORCH:
                return f"it asks for torch {'.'.join(version)}, and this program needs {'.'.join(map(str, _OLDEST_TORCH))} or newer. A fitting one is chosen by itself."
    if name in ("PYTHON", "python_cmd"):
        match = re.search(r"python(?:-?)(3)\.?(\d+)", value, re.IGNORECASE)
        if match and not OLDEST_PYTHON <= (int(match[1]), int(match[2])) <= NEWEST_PYTHON:
            return f"{value} is not of Python 3.11 to 3.13. The Python that runs now is used."
    return ""
