"""A1111's ``webui-user.sh`` or ``webui-user.bat`` in the program's folder: its assignments are read as data. Nothing in it is ever run."""
from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from modules.launching.venv import NEWEST_PYTHON, OLDEST_PYTHON

SHELL, BATCH = "webui-user.sh", "webui-user.bat"
KNOWN = frozenset({
    "COMMANDLINE_ARGS", "TORCH_COMMAND", "TORCH_INDEX_URL", "INDEX_URL", "REQS_FILE", "PYTHON", "python_cmd", "VENV_DIR", "venv_dir", "SKIP_VENV", "GIT",
    "WEBUI_LAUNCH_LIVE_OUTPUT", "PIP_CERT", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
})  # fmt: skip
KNOWN_BEGINNINGS = ("CUDA_", "PYTORCH_", "HSA_", "HIP_", "ROCR_", "ONEAPI_", "OMP_", "MKL_", "HF_")
_LARGEST = 256 * 1024       # bytes; what is larger is no such file
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_SHELL_LINE = re.compile(rf"\s*(?:export\s+)?({_NAME})(\+?)=(.*)", re.DOTALL)
_BATCH_LINE = re.compile(rf'\s*@?set\s+(?:"({_NAME})=(.*)"\s*|({_NAME})=(.*))', re.IGNORECASE | re.DOTALL)
_RUNS_SOMETHING = re.compile(r"\$\(|`|<\(")
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
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError:
        return None
    values: dict[str, str] = {}
    said: list[str] = []
    assignments = _batch(text) if path.suffix == ".bat" else _shell(text)
    for name, fill in assignments:
        known = {**environ, **values}
        value = fill(known)
        if value is None:
            said.append(f"{name} is left out: its value is the result of a command, and nothing in this file is run.")
        elif name not in KNOWN and not name.startswith(KNOWN_BEGINNINGS):
            if value:
                said.append(f"{name} means nothing to this program.")
        elif reason := _unfit(name, value):
            said.append(f"{name} is left out: {reason}")
        elif value:
            values[name] = value
    return UserFile(name=path.name, values=values, said=tuple(dict.fromkeys(said)))


Fill = Callable[[Mapping[str, str]], str | None]


def _shell(text: str) -> Iterator[tuple[str, Fill]]:
    for line in re.sub(r"\\\r?\n", "", text).splitlines():
        match = _SHELL_LINE.fullmatch(line)
        if match is not None:
            yield match[1], lambda known, name=match[1], more=match[2], raw=match[3]: _joined(known.get(name, "") if more else "", _shell_value(raw, known))


def _joined(before: str, value: str | None) -> str | None:
    return None if value is None else before + value


def _shell_value(raw: str, known: Mapping[str, str]) -> str | None:
    """What a shell would make of the right-hand side, without commands in it. None where it has some."""
    quote_free = re.sub(r"'[^']*'", "", raw)
    if _RUNS_SOMETHING.search(quote_free):
        return None
    single = raw.lstrip().startswith("'")
    try:
        words = shlex.split(raw, comments=True)
    except ValueError:
        return ""                                   # a quotation mark that never closes
    value = words[0] if words else ""
    if single:
        return value
    value = re.sub(rf"\$\{{({_NAME})(?::?-([^}}]*))?\}}|\$({_NAME})", lambda found: known.get(found[1] or found[3], "") or found[2] or "", value)
    return os.path.expanduser(value)


def _batch(text: str) -> Iterator[tuple[str, Fill]]:
    names = {name.casefold(): name for name in KNOWN if name.isupper() or name == "python_cmd"}
    for line in re.sub(r"\^\r?\n", "", text).splitlines():
        match = _BATCH_LINE.fullmatch(line)
        if match is not None:
            name, raw = match[1] or match[3], match[2] if match[1] else match[4]
            yield names.get(name.casefold(), name), lambda known, raw=raw: _batch_value(raw, known)


def _batch_value(raw: str, known: Mapping[str, str]) -> str:
    folded = {name.casefold(): value for name, value in known.items()}
    return re.sub(rf"%({_NAME})%", lambda found: folded.get(found[1].casefold(), ""), raw).strip()


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
