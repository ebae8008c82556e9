"""One way to call pip: the torch that is here is pinned, output is calm, a failure says what to do."""
from __future__ import annotations

import re
import subprocess
import sys
from collections import deque
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modules.launching.console import Console
from modules.launching.extension_pip import DOOR, PINS, open_door
from modules.launching.failure import LaunchError
from modules.launching.network import configured_certificates, system_certificates
from modules.launching.pip_failure import Cause, PipFailure, explain
from modules.launching.requirements import Installed, Requirement, installed_version
from modules.launching.torch_wheel import COMPANIONS, companion_build

PINNED = ("torch", "torchvision", "torchaudio")
KEPT_LINES = 400  # of pip's output, for the log and for finding the cause of a failure
OVERRULE_PIP_CERT = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # pip's HTTP library reads these after it, and takes them
LARGE_DOWNLOAD = re.compile(r"Downloading (\S+) \(([\d.]+) (MB|GB)\)")


@dataclass(frozen=True, kw_only=True)
class PipRun:
    """How one call ended: ``installed`` are "name-version" words. ``failure`` is None when it went well."""

    installed: tuple[str, ...]
    failure: PipFailure | None


class Pip:
    """pip of the running Python. ``folder``: where the constraint file and the last log are kept; made when needed."""

    def __init__(self, *, console: Console, environ: MutableMapping[str, str], folder: Path) -> None:
        self._console = console
        self._environ = environ
        self._folder = folder

    def install(self, arguments: Sequence[str], *, what: str, requirements: Sequence[Requirement] = ()) -> tuple[str, ...]:
        """``pip install ARGUMENTS``; gives the installed "name-version" words. LaunchError when it fails."""
        run = self.try_run(["pip", "install", *arguments], what=what, constraints=self.write_constraints(requirements))
        if run.failure is not None:
            raise launch_error(run.failure)
        return run.installed

    def try_run(self, arguments: Sequence[str], *, what: str, constraints: Path | None = None, gives_up_early: bool = False) -> PipRun:
        """``python -m ARGUMENTS``. gives_up_early: for an index that may be blocked here."""
        command = [sys.executable, "-m", *arguments, *self._options(arguments, constraints, gives_up_early)]
        code, output = self._run(command)
        failure = None if code == 0 else self._explain(output, what)
        if failure is not None and failure.cause is Cause.CERTIFICATE and self._trust_the_system():
            self._console.line("  pip does not know the certificate of this network; trying again with those that this system trusts")
            code, output = self._run(command)
            failure = None if code == 0 else self._explain(output, what)
        done = re.search(r"Successfully installed (.+)", output)
        return PipRun(installed=tuple(done.group(1).split()) if done else (), failure=failure)

    def write_constraints(self, requirements: Sequence[Requirement] = (), installed: Installed = installed_version) -> Path | None:
        """The file that keeps any later pip call from replacing torch and from leaving the ranges of ``requirements``."""
        lines = [f"{name}=={version}" for name in PINNED if (version := installed(name))]
        torch = installed("torch") or ""
        lines += [f"{name}=={build}" for name in COMPANIONS if not installed(name) and (build := companion_build(name, torch))]
        lines += [requirement.name + requirement.clauses for requirement in requirements if requirement.clauses]
        if not lines:
            return None
        path = self._folder / "constraints.txt"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            raise LaunchError(f"{path} cannot be written: {error.strerror}.", "Make sure that you may write to the web UI's folder.") from error
        return path

    def environ_with_constraints(self, requirements: Sequence[Requirement]) -> dict[str, str]:
        """The environment for strangers' installers: whatever pip they call keeps torch and ``requirements`` as they are,
        and the constraints that stand in the pip configuration of this machine."""
        path = self.write_constraints(requirements)
        if path is None:
            return dict(self._environ)
        listed = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, errors="replace", env=dict(self._environ), check=False
        )
        configured = [word for found in re.findall(r"\.constraint='(.*)'", listed.stdout) for word in found.replace("\\n", " ").split()]
        # as an address, because pip splits the variable at spaces, which may be in a path
        constraints = " ".join(dict.fromkeys([*configured, path.absolute().as_uri()]))
        return {**self._environ, "PIP_CONSTRAINT": constraints, PINS: str(path.absolute()), DOOR: str(open_door(self._folder).absolute())}

    def _options(self, arguments: Sequence[str], constraints: Path | None, gives_up_early: bool) -> list[str]:
        if "install" not in arguments:
            return []
        options = ["--prefer-binary", "--progress-bar", "off", "--no-input", "--disable-pip-version-check"]
        options += ["-c", str(constraints)] if constraints else []
        options += ["--timeout", "15", "--retries", "1"] if gives_up_early else []
        if self._environ.get("INDEX_URL"):
            options += ["--index-url", self._environ["INDEX_URL"]]
        return options

    def _run(self, command: Sequence[str]) -> tuple[int, str]:
        """Run it, showing what it is at in one passing line; gives the exit code and the last lines it printed."""
        kept: deque[str] = deque(maxlen=KEPT_LINES)
        shows_all = self._environ.get("WEBUI_LAUNCH_LIVE_OUTPUT") == "1"
        environ = {**self._environ, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "PIP_ROOT_USER_ACTION": "ignore"}
        if self._environ.get("PIP_CERT"):
            environ = {name: value for name, value in environ.items() if name not in OVERRULE_PIP_CERT}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environ,
            text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:
                kept.append(line)
                self._show(line.strip(), shows_all)
        except BaseException:
            process.terminate()
            raise
        finally:
            code = process.wait()
            self._keep_log(command, kept)
        return code, "".join(kept)

    def _show(self, line: str, shows_all: bool) -> None:
        if shows_all:
            self._console.line(f"  {line}")
        elif large := LARGE_DOWNLOAD.match(line):
            file, size, unit = large.groups()
            text = f"  downloading {file} ({size} {unit})"
            (self._console.line if unit == "GB" or float(size) >= 50 else self._console.passing)(text)
        elif re.match(r"(Collecting|Downloading|Installing|Building|Processing)\b", line):
            self._console.passing(f"  {line[0].lower()}{line[1:]}")

    def _keep_log(self, command: Sequence[str], lines: deque[str]) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "pip.log").write_text(" ".join(command) + "\n" + "".join(lines), encoding="utf-8")
        except OSError:
            return  # the log is a convenience: a full disk is reported by pip's own failure

    def _explain(self, output: str, what: str) -> PipFailure:
        return explain(output, what=what, place=sys.prefix, environ=self._environ)

    def _trust_the_system(self) -> bool:
        """Point pip at the system's certificates, unless somebody chose others; False when there is nothing to change."""
        if configured_certificates(self._environ):
            return False
        bundle = system_certificates(self._folder / "certificates.pem")
        if bundle is None:
            return False
        self._environ["PIP_CERT"] = str(bundle)
        return True


def launch_error(failure: PipFailure) -> LaunchError:
    return LaunchError(failure.message, failure.remedy, details=failure.details)
