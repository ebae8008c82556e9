"""The steps of a start: what is in order costs no process, what fails ends with a sentence, and the next start resumes."""
from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from modules.launching import packages, prepare, venv
from modules.launching.console import Console
from modules.launching.failure import LaunchError
from modules.launching.machine import Machine
from modules.launching.pip import Pip
from modules.launching.remembered import Remembered
from modules.launching.requirements import read_line, read_requirements
from modules.launching.waiting import NEXT

ROOT = Path(__file__).resolve().parents[2]


class FakePip:
    """Stands for every process that this room starts; answers as pip would and notes the commands."""

    def __init__(self, answers: Sequence[tuple[int, str]]) -> None:
        self.commands: list[list[str]] = []
        self.environ: dict[str, str] = {}
        self._answers = list(answers)

    def __call__(self, command: Sequence[str], **rest: object) -> FakePip:
        self.commands.append(list(command))
        self.environ = cast("dict[str, str]", rest.get("env") or {})
        self._code, output = self._answers.pop(0)
        self.stdout = io.StringIO(output)
        return self

    def wait(self) -> int:
        return self._code


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*command: object, **rest: object) -> None:
        raise AssertionError(f"a process was started: {command}")

    for name in ("Popen", "run", "call", "check_call", "check_output"):
        monkeypatch.setattr(subprocess, name, refuse)
    monkeypatch.setattr(os, "execve", refuse)


@pytest.fixture
def fake_pip(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakePip]:
    def make(*answers: tuple[int, str]) -> FakePip:
        fake = FakePip(answers)
        monkeypatch.setattr(subprocess, "Popen", fake)
        return fake

    return make


def console() -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(stream), stream


def start(data: Path, *arguments: str, **environ: str) -> tuple[int | None, str]:
    launch = prepare.Launch(
        root=ROOT, script=ROOT / "launch.py", arguments=("--data-dir", str(data), *arguments),
        environ={"VENV_DIR": "-", NEXT: "somebody", **environ}, extensions=lambda flags: (),
    )  # fmt: skip
    shown, stream = console()
    return prepare.prepare(launch, shown), stream.getvalue()


@pytest.mark.usefixtures("no_process")
def test_a_start_in_order_calls_no_package_manager_and_says_nothing(tmp_path: Path) -> None:
    assert start(tmp_path) == (None, "")
    assert start(tmp_path) == (None, "")
    assert start(tmp_path, "--exit") == (0, "")


@pytest.mark.usefixtures("no_process")
def test_the_second_start_does_not_even_look_at_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(tmp_path)
    monkeypatch.setattr(packages, "unmet", lambda requirements: pytest.fail("versions were looked at"))
    assert start(tmp_path) == (None, "")


@pytest.mark.usefixtures("no_process")
@pytest.mark.parametrize("flag", ["--skip-install", "--skip-prepare-environment"])
def test_skipping_starts_nothing_whatever_is_missing(tmp_path: Path, flag: str) -> None:
    (tmp_path / "reqs.txt").write_text("surely-absent>=1\n", encoding="utf-8")
    assert start(tmp_path, flag, REQS_FILE=str(tmp_path / "reqs.txt")) == (None, "")


def test_only_what_is_missing_leads_to_pip_and_torch_is_pinned(tmp_path: Path, fake_pip: Callable[..., FakePip]) -> None:
    pip = fake_pip((0, "Collecting surely-absent\nSuccessfully installed surely-absent-1.2 b-3\n"))
    (tmp_path / "reqs.txt").write_text("numpy>=1\nsurely-absent>=1\n", encoding="utf-8")
    code, output = start(tmp_path, REQS_FILE=str(tmp_path / "reqs.txt"), INDEX_URL="https://mirror.example/simple")
    assert code is None
    assert "surely-absent" in output
    assert "installed 2 packages" in output
    (command,) = pip.commands
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert command[command.index("--index-url") + 1] == "https://mirror.example/simple"
    constraints = Path(command[command.index("-c") + 1]).read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("torch==") for line in constraints)
    assert "numpy>=1" in constraints


def test_a_failing_pip_ends_the_start_with_a_sentence_and_the_next_start_tries_again(tmp_path: Path, fake_pip: Callable[..., FakePip]) -> None:
    (tmp_path / "reqs.txt").write_text("surely-absent>=1\n", encoding="utf-8")
    for _ in range(2):
        pip = fake_pip((1, "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"))
        code, output = start(tmp_path, REQS_FILE=str(tmp_path / "reqs.txt"))
        assert code == 1
        assert "The disk is full" in output
        assert "    ERROR: Could not install" in output
        assert len(pip.commands) == 1


def test_an_unknown_certificate_is_tried_again_with_the_systems(tmp_path: Path, fake_pip: Callable[..., FakePip], monkeypatch) -> None:
    bundle = tmp_path / "system.pem"
    monkeypatch.setattr("modules.launching.pip.system_certificates", lambda target: bundle)
    pip = fake_pip((1, "SSLError: CERTIFICATE_VERIFY_FAILED\n"), (0, "Successfully installed a-1\n"))
    environ: dict[str, str] = {}
    shown, stream = console()
    assert Pip(console=shown, environ=environ, folder=tmp_path).install(["a"], what="a") == ("a-1",)
    assert environ["PIP_CERT"] == str(bundle)
    assert len(pip.commands) == 2
    assert "system trusts" in stream.getvalue()


def test_a_certificate_that_somebody_chose_is_not_replaced(tmp_path: Path, fake_pip: Callable[..., FakePip]) -> None:
    pip = fake_pip((1, "SSLError: CERTIFICATE_VERIFY_FAILED\n"))
    environ = {"PIP_CERT": "/company.pem"}
    with pytest.raises(LaunchError, match=r"/company\.pem"):
        Pip(console=console()[0], environ=environ, folder=tmp_path).install(["a"], what="a")
    assert len(pip.commands) == 1


def test_the_certificate_file_that_the_message_asks_for_beats_other_programs_variables(tmp_path: Path, fake_pip: Callable[..., FakePip]) -> None:
    """pip's HTTP library takes REQUESTS_CA_BUNDLE even where PIP_CERT is set: who followed the advice was told the same again."""
    pip = fake_pip((0, "Successfully installed a-1\n"), (0, "Successfully installed a-1\n"))
    others = {"REQUESTS_CA_BUNDLE": "/old.pem", "CURL_CA_BUNDLE": "/old.pem"}
    Pip(console=console()[0], environ={"PIP_CERT": "/company.pem", **others}, folder=tmp_path).install(["a"], what="a")
    assert pip.environ["PIP_CERT"] == "/company.pem" and not pip.environ.keys() & others.keys()
    Pip(console=console()[0], environ=dict(others), folder=tmp_path).install(["a"], what="a")
    assert pip.environ.items() >= others.items()


def without_torch(name: str) -> str | None:
    return None if name == "torch" else "1"


def test_torch_comes_by_the_first_command_that_works(tmp_path: Path, fake_pip: Callable[..., FakePip], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "installed_version", without_torch)
    monkeypatch.setattr(packages, "this_machine", lambda: Machine(system="Linux", arch="x86_64"))
    pip = fake_pip((1, "ERROR: No matching distribution found for torch\n"), (0, "Successfully installed torch-2.13.0+cpu\n"))
    shown, stream = console()
    packages.ensure_torch(packages.TorchWish(), pip=Pip(console=shown, environ={}, folder=tmp_path), console=shown, environ={})
    assert ["--retries" in command for command in pip.commands] == [False, True]
    assert "not to be had there" in stream.getvalue()


def test_a_full_disk_is_said_before_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_process: None) -> None:
    monkeypatch.setattr(packages, "installed_version", without_torch)
    monkeypatch.setattr(packages, "this_machine", lambda: Machine(system="Linux", arch="x86_64"))
    monkeypatch.setattr(packages.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**8))
    shown, _ = console()
    with pytest.raises(LaunchError, match=r"0\.1 GB are free"):
        packages.ensure_torch(packages.TorchWish(), pip=Pip(console=shown, environ={}, folder=tmp_path), console=shown, environ={})


def test_a_bad_flag_is_a_sentence() -> None:
    code, output = start(Path("/nowhere"), "--port", "x")
    assert code == 1
    assert "--port" in output


def test_ctrl_c_says_that_the_next_start_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object, **rest: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "ensure_torch", stop)
    code, output = start(tmp_path)
    assert code == 130
    assert "goes on from here" in output


@pytest.mark.parametrize(
    ("environ", "folder"),
    [({}, "venv"), ({"VENV_DIR": "other"}, "other"), ({"venv_dir": "/abs/env"}, "/abs/env"), ({"VENV_DIR": "-"}, None), ({"SKIP_VENV": "1"}, None)],
)
def test_the_environments_folder_is_chosen_as_in_a1111(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], folder: str | None) -> None:
    monkeypatch.setattr(venv.sys, "prefix", sys.base_prefix)
    assert venv.chosen_folder(Path("/root"), environ) == (Path("/root") / folder if folder else None)


def test_inside_an_environment_no_other_is_made() -> None:
    assert venv.chosen_folder(Path("/root"), {}) is None or sys.prefix == sys.base_prefix


def test_an_environment_of_an_unsupported_python_is_named(tmp_path: Path) -> None:
    python = venv.python_of(tmp_path / "venv")
    python.parent.mkdir(parents=True)
    python.touch()
    (tmp_path / "venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.10.6\n", encoding="utf-8")
    with pytest.raises(LaunchError, match=r"Python 3\.10"):
        venv.ensure_environment(tmp_path / "venv", {}, console()[0])


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(LaunchError, match="no virtual environment"):
        venv.ensure_environment(tmp_path, {}, console()[0])
    assert (tmp_path / "thesis.docx").exists()


def test_an_environment_without_pip_gets_one_and_keeps_what_it_has(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (tmp_path / "venv" / "mine.txt").touch()
    venv.ensure_environment(tmp_path / "venv", {}, console()[0])
    assert (tmp_path / "venv" / "mine.txt").exists()
    subprocess.run([str(venv.python_of(tmp_path / "venv")), "-m", "pip", "--version"], check=True, capture_output=True)


def test_an_environment_of_the_other_system_on_a_shared_disk_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "venv"
    python = folder / ("bin/python" if os.name == "nt" else "Scripts/python.exe")
    python.parent.mkdir(parents=True)
    python.write_bytes(b"theirs")
    (folder / "pyvenv.cfg").write_text("version = 3.11.7\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("something was run"))
    with pytest.raises(LaunchError, match=r"made under .* left as it is"):
        venv.ensure_environment(folder, {}, console()[0])
    assert python.read_bytes() == b"theirs"


def test_an_environment_whose_python_is_gone_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    folder.mkdir()
    (folder / "pyvenv.cfg").write_text("version = 3.11.1", encoding="utf-8")
    venv.python_of(folder).parent.mkdir()
    venv.python_of(folder).symlink_to(tmp_path / "gone")
    shown, stream = console()
    venv.ensure_environment(folder, {}, shown)
    assert "is gone" in stream.getvalue()
    assert venv.python_of(folder).exists()


@pytest.mark.usefixtures("no_process")
def test_a_torch_of_the_users_own_command_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "installed_version", lambda name: "2.1.2")
    shown, _ = console()
    pip = Pip(console=shown, environ={}, folder=tmp_path)
    packages.ensure_torch(packages.TorchWish(), pip=pip, console=shown, environ={"TORCH_COMMAND": "pip install torch==2.1.2"})


def test_what_was_remembered_of_another_python_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Remembered(tmp_path / "p.json").keep("requirements", "f")
    assert Remembered(tmp_path / "p.json").matches("requirements", "f")
    monkeypatch.setattr(sys, "prefix", "/elsewhere")
    assert not Remembered(tmp_path / "p.json").matches("requirements", "f")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', "\x00"])
def test_a_damaged_memory_costs_time_only(tmp_path: Path, content: str) -> None:
    (tmp_path / "p.json").write_text(content, encoding="utf-8")
    remembered = Remembered(tmp_path / "p.json")
    assert not remembered.matches("a", "f")
    remembered.keep("a", "f")
    assert Remembered(tmp_path / "p.json").matches("a", "f")


def test_strangers_installers_keep_torch_and_the_constraints_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "with space"
    answer = subprocess.CompletedProcess([], 0, stdout="global.constraint='/etc/a.txt'\nglobal.timeout='60'\n")
    monkeypatch.setattr(subprocess, "run", lambda *command, **rest: answer)
    requirement = read_line("gradio>=6,<7")
    assert requirement is not None
    environ = Pip(console=console()[0], environ={}, folder=folder).environ_with_constraints([requirement])
    words = environ["PIP_CONSTRAINT"].split()
    assert words[0] == "/etc/a.txt"
    assert words[1].startswith("file:")
    assert "with%20space" in words[1]
    assert "gradio>=6,<7" in (folder / "constraints.txt").read_text(encoding="utf-8")


def test_nothing_here_needs_an_installed_package() -> None:
    """A bare Python, without site-packages, can read launch.py and all it imports."""
    code = "import launch, sys; print([name for name in sys.modules if name.split('.')[0] in ('torch', 'gradio', 'numpy', 'PIL')])"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_our_list_of_packages_names_no_torch() -> None:
    """torch comes first and by its own way; a second mention could replace the build that fits the machine."""
    assert not {"torch", "torchvision"} & {requirement.name for requirement in read_requirements(ROOT / "requirements.txt")}
