"""Extensions' install.py: run once, by the names A1111 gave them, and none of them can stop a start."""
from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import launch
from modules.launching import expected_packages, extension_installs
from modules.launching.console import Console
from modules.launching.extension_names import git_clone, is_installed, run, run_pip
from modules.launching.remembered import Remembered
from modules.schema.flags import parse_flags

ROOT = Path(__file__).resolve().parents[2]

GOOD = """
import io
import os
import launch
from launch import is_installed, run, args

assert not launch.is_installed("surely-absent-package")
assert is_installed("numpy") and is_installed("PIL") and is_installed("gradio>=3")
assert args.medvram and not args.lowvram
assert os.environ["PIP_CONSTRAINT"].endswith("constraints.txt")
print("good ran in", os.path.basename(os.getcwd()), run("echo by-run").strip())
"""


def extension(data: Path, name: str, installer: str) -> None:
    folder = data / "extensions" / name
    folder.mkdir(parents=True)
    (folder / "install.py").write_text(installer, encoding="utf-8")


def start(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "COMMANDLINE_ARGS": "--medvram"}
    command = [sys.executable, str(ROOT / "launch.py"), "--exit", "--data-dir", str(data), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environ, check=False)


@pytest.mark.group("R14")
def test_installers_run_once_and_a_broken_one_does_not_stop_the_start(tmp_path: Path) -> None:
    extension(tmp_path, "a-bad", "print('about to fail')\nraise SystemExit(3)")
    extension(tmp_path, "b-good", GOOD)
    first = start(tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"good ran in {ROOT.name} by-run" in first.stdout
    assert "about to fail" in first.stdout
    assert "exit code 3" in first.stdout
    second = start(tmp_path)
    assert "b-good" not in second.stdout
    assert "a-bad" in second.stdout
    (tmp_path / "extensions" / "b-good" / "requirements.txt").write_text("numpy", encoding="utf-8")
    assert "good ran" in start(tmp_path).stdout
    os.utime(tmp_path / "extensions" / "b-good" / "install.py", (2e9, 2e9))        # cloned once more, without what the first run made beside it
    assert "good ran" in start(tmp_path).stdout


def test_an_installer_may_copy_a_single_script_into_the_folder_for_them(tmp_path: Path) -> None:
    """A1111 has the folder "scripts" from the first start on, and some installers copy into it without making it."""
    program, folder = tmp_path / "program", tmp_path / "data" / "extensions" / "gallery"
    folder.mkdir(parents=True)
    program.mkdir()
    copying = "import shutil\nshutil.copy(__file__, '{place}/copied.py')\n"
    (folder / "install.py").write_text(copying.format(place="scripts") + copying.format(place=tmp_path / "data" / "scripts"), encoding="utf-8")
    failed = extension_installs.run_installers(
        [folder], root=program, console=Console(io.StringIO()), environ=dict(os.environ), remembered=Remembered(tmp_path / "remembered.json")
    )
    assert failed == ()
    assert all((each / "scripts" / "copied.py").is_file() for each in (program, tmp_path / "data"))


@pytest.mark.parametrize(
    ("settings", "arguments"),
    [('{"disabled_extensions": ["loud"]}', ()), ('{"disable_all_extensions": "extra"}', ()), ("{}", ("--disable-all-extensions",)), ("{}", ("--skip-install",))],
)
def test_what_is_switched_off_installs_nothing(tmp_path: Path, settings: str, arguments: tuple[str, ...]) -> None:
    extension(tmp_path, "loud", "print('loud ran')")
    (tmp_path / "config.json").write_text(settings, encoding="utf-8")
    done = start(tmp_path, *arguments)
    assert done.returncode == 0
    assert "loud" not in done.stdout


def test_run_gives_output_and_names_what_failed() -> None:
    assert run("echo hello") == "hello\n"
    with pytest.raises(RuntimeError, match=r"Couldn't do it(.|\n)*exit 3(.|\n)*code: 3"):
        run("echo on-stderr >&2; exit 3", errdesc="Couldn't do it")


def test_run_pip_honours_skip_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMANDLINE_ARGS", "--skip-install")
    assert run_pip("install surely-absent-package", "it") is None


@pytest.mark.parametrize(("package", "there"), [("numpy", True), ("Pillow", True), ("yaml", True), ("surely-absent", False), ("a..b", False), ("", False)])
def test_packages_are_found_by_either_name(package: str, there: bool) -> None:
    assert is_installed(package) is there


def test_git_clone_checks_out_the_asked_commit(tmp_path: Path) -> None:
    source = tmp_path / "source"
    identity = "-c user.name=a -c user.email=a@example.org"
    run(f'git init -q "{source}" && git -C "{source}" {identity} commit -q --allow-empty -m one')
    first = run(f'git -C "{source}" rev-parse HEAD').strip()
    run(f'git -C "{source}" {identity} commit -q --allow-empty -m two')
    for _ in range(2):
        git_clone(str(source), str(tmp_path / "copy"), "it", first)
        assert run(f'git -C "{tmp_path / "copy"}" rev-parse HEAD').strip() == first


def test_packages_that_extensions_expect_of_a1111_are_asked_of_pip_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those imported late, not those that an extension brings itself or that are here; what cannot be had is said."""
    asked: list[list[str]] = []
    monkeypatch.setattr(expected_packages, "EXPECTED", {"surely_absent": "absent-package", "own": "own", "other_absent": "other", "numpy": "numpy"})
    monkeypatch.setattr(extension_installs, "_carried_out", lambda command, root, environ: asked.append(list(command)) or ("failed with exit code 1; so", "no network"))
    one, two = tmp_path / "one", tmp_path / "two"
    for path, text in ((one / "scripts" / "a.py", "import os, numpy\nimport own\ndef later():\n    from surely_absent.part import x"), (one / "own.py", ""), (two / "b.py", "import os")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    remembered = Remembered(tmp_path / "prepared.json")
    assert extension_installs.must_run([one, two], remembered) and not extension_installs.must_run([two], remembered)
    notes = tmp_path / "notes.json"
    extension_installs.run_installers([one, two], root=ROOT, console=Console(io.StringIO()), environ=os.environ, remembered=remembered, notes=notes)
    assert [command[1:4] + command[-1:] for command in asked] == [["-m", "pip", "install", "absent-package"]]
    assert "absent-package" in notes.read_text(encoding="utf-8")
    assert not extension_installs.must_run([one, two], remembered)        # not again on the same day


def test_a_single_script_that_comes_later_is_looked_through_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected_packages, "EXPECTED", {"surely_absent": "absent-package"})
    (folder := tmp_path / "scripts").mkdir()
    assert folder in launch.extension_folders(parse_flags(["--data-dir", str(tmp_path)], {}).flags)       # beside the program's own, where somebody has one
    (folder / "a.py").write_text("import os", encoding="utf-8")
    remembered = Remembered(tmp_path / "prepared.json")
    assert not extension_installs.must_run([folder], remembered)
    (folder / "b.py").write_text("import surely_absent", encoding="utf-8")
    assert extension_installs.must_run([folder], remembered)


def test_a_package_that_cannot_be_had_takes_none_of_the_others_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchvision, of which there is no build for every torch."""
    brought: list[str] = []

    def pip(command: list[str], root: Path, environ: object) -> tuple[str, str]:
        if "not-to-be-had" in command:
            return "failed with exit code 1; so", "No matching distribution found for not-to-be-had"
        brought.extend(command[-1:])
        return "", ""

    monkeypatch.setattr(expected_packages, "EXPECTED", {"surely_absent": "not-to-be-had", "other_absent": "other"})
    monkeypatch.setattr(extension_installs, "_carried_out", pip)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.py").write_text("import surely_absent, other_absent", encoding="utf-8")
    console = Console(said := io.StringIO())
    extension_installs.run_installers([tmp_path / "one"], root=ROOT, console=console, environ=os.environ, remembered=Remembered(tmp_path / "prepared.json"), notes=tmp_path / "notes.json")
    assert brought == ["other"]
    assert "No matching distribution found" in said.getvalue()


def test_an_installer_that_asks_what_is_installed_finds_with_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``import pkg_resources`` stands in many an install.py; newer setuptools are without it, so that it failed before it had installed anything."""
    (tmp_path / "install.py").write_text("import launch\nimport pkg_resources\n", encoding="utf-8")
    monkeypatch.setattr(expected_packages.importlib.util, "find_spec", lambda name: None)
    assert expected_packages.wanted_by(tmp_path) == ("setuptools<81",)


def test_clip_which_a1111_brings_comes_with_what_it_imports_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks for torch's version with pkg_resources, and does not ask pip for that."""
    (tmp_path / "a.py").write_text("def score(picture):\n    import clip\n", encoding="utf-8")
    monkeypatch.setattr(expected_packages.importlib.util, "find_spec", lambda name: None)
    assert expected_packages.wanted_by(tmp_path) == ("clip-anytorch", "setuptools<81")
    (tmp_path / "clip").mkdir()     # one of its own
    assert expected_packages.wanted_by(tmp_path) == ()


@pytest.mark.parametrize(("line", "wanted"), [
    ("from torchvision.ops.boxes import batched_nms", True), ("    import torchvision.models", True), ("from torchvision import transforms, models", True),
    ("from segment_anything import SamPredictor", True), ("from torchvision import transforms", False), ("import torchvision", False),
    ("from torchvision.transforms.functional import resize", False), ("from torchvision.utils import make_grid, draw_segmentation_masks", True),
    ("from torchvision.utils import make_grid", False),
])  # fmt: skip
def test_torchvision_is_brought_for_what_only_the_real_one_has(line: str, wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """segment-anything asks pip for no torchvision, because A1111 always has it; its tab was missing here."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "sam.py").write_text(f"import os\n{line}\n", encoding="utf-8")
    monkeypatch.setattr(expected_packages.importlib.util, "find_spec", lambda name: None)
    assert expected_packages.wanted_by(tmp_path) == (("torchvision",) if wanted else ())
