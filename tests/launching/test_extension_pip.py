"""What extensions' installers ask of pip: done as far as it leaves the web UI's own packages alone, and what was left out is said."""
from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from modules.launching.extension_pip import DOOR, NOTES, PINS, open_door
from modules.launching.torch_wheel import companion_build

ROOT = Path(__file__).resolve().parents[2]


def wheel(folder: Path, name: str, version: str, *needs: str) -> None:
    """A package of that name that holds one module and asks for ``needs``."""
    facts = f"{name}-{version}.dist-info"
    asked = "".join(f"Requires-Dist: {each}\n" for each in needs)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", f"version = {version!r}\n")
        file.writestr(f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: magic\n{asked}")
        file.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{facts}/RECORD", "")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A Python of its own with ``ours`` 5.0 in it, pinned; and the environment in which installers run there."""
    folder = tmp_path_factory.mktemp("python")
    wheels = folder / "wheels"
    wheels.mkdir()
    for name, version, *needs in (
        ("ours", "5.0"), ("ours", "1.0"), ("helpful", "1.0"), ("needy", "1.0", "helpful", "ours<2; extra == 'magic'"), ("calm", "1.0", "ours>=5"),
        ("deep", "1.0", "needy[magic]>=1"),
    ):  # fmt: skip
        wheel(wheels, name, version, *needs)
    venv.create(folder / "env", with_pip=False)
    found = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    purelib = Path(subprocess.check_output([found, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True).strip())
    (purelib / "parent.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")     # where pip is
    pins = folder / "constraints.txt"
    pins.write_text("ours>=5,<6\n", encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull, "PIP_CONSTRAINT": pins.as_uri(), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([found, "-m", "pip", "install", "-q", "ours"], env=environ, check=True)
    door = open_door(folder)
    return found, {**environ, PINS: str(pins), DOOR: str(door), NOTES: str(folder / "notes.txt"), "PYTHONPATH": os.pathsep.join([str(door), str(ROOT)])}


def version(python: Path, module: str) -> str:
    return subprocess.run([python, "-c", f"import {module}; print({module}.version)"], capture_output=True, text=True, check=False).stdout.strip()


@pytest.mark.long
def test_what_would_change_a_pinned_package_is_left_out_and_the_rest_is_there(python: tuple[Path, dict[str, str]]) -> None:
    found, environ = python
    done = subprocess.run([found, "-m", "pip", "install", "deep"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [version(found, name) for name in ("deep", "needy", "helpful", "ours")] == ["1.0", "1.0", "1.0", "5.0"]
    assert "note needy asks for ours<2; the web UI needs ours>=5,<6 (5.0 is here), so that was left as it is." in Path(environ[NOTES]).read_text(encoding="utf-8")


def test_an_install_that_fits_is_pips_own(python: tuple[Path, dict[str, str]]) -> None:
    found, environ = python
    done = subprocess.run([found, "-m", "pip", "install", "calm"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and version(found, "calm") == "1.0" and "web UI:" not in done.stdout


def test_another_version_of_a_pinned_package_is_left_out_and_the_installer_goes_on(python: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    """As most do, it hands its list to pip line by line and ends where pip fails."""
    found, environ = python
    (tmp_path / "install.py").write_text(
        "import subprocess, sys\nfor line in ('ours==1.0', 'helpful'):\n    subprocess.check_call([sys.executable, '-m', 'pip', 'install', line])\n", encoding="utf-8")
    done = subprocess.run([found, tmp_path / "install.py"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "was left as it is" in done.stdout, done.stdout + done.stderr
    assert [version(found, name) for name in ("ours", "helpful")] == ["5.0", "1.0"]
    assert "note It asks for ours==1.0; the web UI needs ours>=5,<6" in Path(environ[NOTES]).read_text(encoding="utf-8")


def test_what_cannot_be_had_is_a_failure(python: tuple[Path, dict[str, str]]) -> None:
    found, environ = python
    done = subprocess.run([found, "-m", "pip", "install", "no-such-package"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no-such-package could not be installed" in done.stdout


@pytest.mark.parametrize(
    ("torch", "build"), [("2.13.0+cpu", "0.28.0+cpu"), ("2.10.1+cu126", "0.25.1+cu126"), ("2.13.0", ""), ("2.13.0a0+git12", ""), ("3.0.0+cpu", "")]
)
def test_torchvision_is_asked_for_in_the_build_that_fits(torch: str, build: str) -> None:
    assert companion_build("torchvision", torch) == build
