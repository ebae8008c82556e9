"""Extensions' install.py, the packages that they take for granted, and updates: each in a process of its own; what fails is said, and the start goes on."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

from modules.launching import expected_packages
from modules.launching.console import Console
from modules.launching.extension_pip import DOOR, NOTES
from modules.launching.remembered import Remembered, fingerprint_of, packages_state

TIMEOUT = 3600  # seconds; an installer may fetch gigabytes, but must not hang a start for ever
SHOWN_LINES = 8
WATCHED = ("install.py", "requirements.txt", "metadata.ini", ".git/HEAD", ".git/ORIG_HEAD", ".git/FETCH_HEAD")


def run_installers(
    folders: Sequence[Path], *, root: Path, console: Console, environ: Mapping[str, str], remembered: Remembered, notes: Path | None = None
) -> tuple[str, ...]:
    """Bring what extensions take for granted; run install.py of each folder that has one, unless it succeeded before and
    neither it nor the packages changed since.

    The names of those that failed. ``environ``: with PIP_CONSTRAINT set, so that no installer replaces torch.
    notes: a JSON file of sentences by folder name, for the Extensions tab, each behind the word "note" (what was left out of an
    installer's wishes) or "problem" (what could not be done).
    """
    failed, told = [], _read_notes(notes)
    missing = _bring_expected(folders, root, console, environ, remembered)
    with_installer = [folder for folder in folders if (folder / "install.py").is_file()]
    for folder in with_installer:
        installer = folder / "install.py"
        if remembered.matches(_key(folder), _fingerprint(folder)):
            continue
        with console.step(f"Running install.py of the extension {folder.name}") as step, _script_folders(root, folder.parent.parent):
            problem, output, said = _run(installer, root, environ)
            step.outcome = problem or "done"
        told[folder.name] = [*said, *([f"problem install.py {problem}"] if problem else [])]
        for line in output.strip().splitlines()[-SHOWN_LINES:]:
            console.line(f"    {line}")
        if problem:
            failed.append(folder.name)
    for folder in with_installer:  # only now: each installer may have changed the packages that the others' fingerprints hold
        if folder.name in failed:
            remembered.forget(_key(folder))
        else:
            remembered.keep(_key(folder), _fingerprint(folder))
    for name, packages in missing.items():
        told[name] = [*told.get(name, []), f"problem {', '.join(packages)}, which A1111 has and it imports, could not be installed"]
    if notes is not None:
        _write_notes(notes, {name: sentences for name, sentences in told.items() if sentences and name in {each.name for each in folders}})
    return tuple(failed)


@contextmanager
def _script_folders(*homes: Path) -> Iterator[None]:
    """The folder "scripts", which A1111 always has, in each: some installers copy single scripts to there. One that stays empty goes again."""
    made = [folder for home in dict.fromkeys(homes) if not (folder := home / "scripts").exists()]
    for folder in made:
        with suppress(OSError):
            folder.mkdir()
    yield
    for folder in made:
        with suppress(OSError):     # not empty
            folder.rmdir()


def _read_notes(path: Path | None) -> dict[str, list[str]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
        return {str(name): [str(each) for each in sentences] for name, sentences in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write_notes(path: Path, told: Mapping[str, Sequence[str]]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(told, indent=1), encoding="utf-8")
    except OSError:
        return  # they were printed as well


def must_run(folders: Sequence[Path], remembered: Remembered) -> bool:
    """Whether any installer would run, or an extension misses a package that it takes for granted."""
    return any((folder / "install.py").is_file() and not remembered.matches(_key(folder), _fingerprint(folder)) for folder in folders) or bool(
        _expected(folders, remembered)
    )


def _expected(folders: Sequence[Path], remembered: Remembered) -> dict[Path, tuple[str, ...]]:
    """What is missing, by extension; one whose packages could not be had is asked again the next day."""
    found = {}
    for folder in folders:
        if any(remembered.matches(_expected_key(folder), each) for each in (_fingerprint(folder), _today(folder))):
            continue
        if wanted := expected_packages.wanted_by(folder):
            found[folder] = wanted
        else:
            remembered.keep(_expected_key(folder), _fingerprint(folder))
    return found


def _bring_expected(folders: Sequence[Path], root: Path, console: Console, environ: Mapping[str, str], remembered: Remembered) -> dict[str, tuple[str, ...]]:
    """Install what is missing; what still is afterwards, by extension's name."""
    wanted = _expected(folders, remembered)
    packages = sorted({each for names in wanted.values() for each in names})
    if not packages:
        return {}
    with console.step(f"Installing what extensions expect of A1111: {', '.join(packages)}") as step:
        problem, output = _brought(packages, root, environ)
        if problem and len(packages) > 1:       # one that cannot be had here takes none of the others with it
            failed = [each for each in (_brought([name], root, environ) for name in packages) if each[0]]
            problem, output = failed[-1] if failed else ("", "")
        step.outcome = "done" if not problem else f"{problem.partition(';')[0]}; extensions that import them may not work, the rest does"
    for line in output.strip().splitlines()[-SHOWN_LINES:] if problem else ():
        console.line(f"    {line}")
    missing = {folder: names for folder in wanted if (names := expected_packages.wanted_by(folder))}
    for folder in missing:
        remembered.keep(_expected_key(folder), _today(folder))
    return {folder.name: names for folder, names in missing.items()}


def _brought(packages: Sequence[str], root: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    return _carried_out([sys.executable, "-m", "pip", "install", "--prefer-binary", "--timeout", "15", "--retries", "1", *packages], root, environ)


def _expected_key(folder: Path) -> str:
    return f"expected by {folder}"


def _today(folder: Path) -> str:
    return fingerprint_of([_fingerprint(folder), date.today().isoformat()])


def update(folders: Sequence[Path], *, console: Console, environ: Mapping[str, str]) -> None:
    """``--update-all-extensions``: pull each extension that is a git repository; local changes are kept."""
    git = environ.get("GIT", "git")
    for folder in folders:
        if not (folder / ".git").exists():
            continue
        with console.step(f"Updating the extension {folder.name}") as step:
            command = [git, "-C", str(folder), "pull", "--autostash", "--ff-only"]
            step.outcome = _last_line(command, {**environ, "GIT_TERMINAL_PROMPT": "0"})


def _run(installer: Path, root: Path, environ: Mapping[str, str]) -> tuple[str, str, list[str]]:
    """What went wrong ("" when nothing did), what the installer printed, and what was left out of what it wanted of pip."""
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes.txt"
        problem, output = _carried_out([sys.executable, str(installer)], root, {**environ, NOTES: str(notes)})
        return problem, output, notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []


def _carried_out(command: Sequence[str], root: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    search_path = os.pathsep.join(filter(None, (environ.get(DOOR, ""), str(root), environ.get("PYTHONPATH", ""))))
    try:
        done = subprocess.run(
            command, cwd=root, env={**environ, "PYTHONPATH": search_path, "PYTHONUTF8": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", errors="replace", timeout=TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"stopped after {TIMEOUT // 60} minutes without an end; the extension may not work", ""
    except OSError as error:
        return f"could not be run: {error.strerror}; the extension may not work", ""
    if done.returncode != 0:
        return f"failed with exit code {done.returncode}; the extension may not work, the rest does", done.stdout
    return "", done.stdout


def _last_line(command: Sequence[str], environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", errors="replace", timeout=600, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return f"not updated: {error}"
    last = (done.stdout.strip().splitlines() or ["no answer"])[-1].strip()
    return last if done.returncode == 0 else f"not updated: {last}"


def _key(folder: Path) -> str:
    return f"extension {folder}"


def _fingerprint(folder: Path) -> str:
    texts: list[str | bytes] = [packages_state()]
    for name in WATCHED:
        try:
            texts.append((folder / name).read_bytes())
        except OSError:
            texts.append("-")
    with suppress(OSError):                 # an extension that was deleted and cloned again lacks what its installer made in its folder
        texts.append(str((folder / "install.py").stat().st_mtime_ns))
    if folder.name == "scripts":            # single files: each that comes may want another package
        texts += [f"{each.name} {each.stat().st_mtime_ns}" for each in sorted(folder.glob("*.py"))]
    return fingerprint_of(texts)
