"""requirements.txt is read and judged without pip."""
from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker

from modules.launching.failure import LaunchError
from modules.launching.markers import marker_environment, marker_holds
from modules.launching.requirements import normalised, read_line, read_requirements, unmet
from modules.launching.versions import VersionUnreadable

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("line", "name", "clauses"),
    [
        ("gradio>=6.31,<7", "gradio", ">=6.31,<7"),
        ("Pillow", "pillow", ""),
        ("huggingface_hub[torch] ~= 2.4", "huggingface-hub", "~= 2.4"),
        ("zope.interface (>=5)", "zope-interface", ">=5"),
        ("numpy>=2 --hash=sha256:abc", "numpy", ">=2"),
    ],
)
def test_a_line_names_a_package_and_its_range(line: str, name: str, clauses: str) -> None:
    requirement = read_line(line)
    assert requirement is not None
    assert (requirement.name, requirement.clauses) == (name, clauses)


@pytest.mark.parametrize(
    "line", ["git+https://example.org/a.git", "pkg @ https://example.org/p.whl", "-e ./here", "--index-url https://example.org", "./local.whl"]
)
def test_a_line_only_pip_understands_is_kept_but_not_judged(line: str) -> None:
    requirement = read_line(line)
    assert requirement is not None
    assert not requirement.can_be_checked
    assert unmet([requirement], installed=lambda name: None) == ()


def test_files_are_followed_comments_dropped_and_circles_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one>=1  # why\n\n# nothing\n-r b.txt\ntwo \\\n  >=2\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("\ufeffthree\n-r a.txt\n", encoding="utf-8")
    assert [requirement.name for requirement in read_requirements(tmp_path / "a.txt")][:2] == ["one", "three"]
    assert len(read_requirements(tmp_path / "a.txt")) < 8


def test_a_missing_list_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=r"nope\.txt"):
        read_requirements(tmp_path / "nope.txt")


def test_unmet_requirements_say_what_is_there_and_what_is_needed() -> None:
    requirements = [read_line(line) for line in ("here>=1", "old>=2", "absent")]
    versions = {"here": "1.5", "old": "1.9"}
    assert unmet([each for each in requirements if each], installed=versions.get) == (
        "old 1.9 is installed, >=2 is needed",
        "absent is not installed",
    )


def test_a_version_nobody_can_compare_is_trusted() -> None:
    requirement = read_line("branch>=2")
    assert requirement is not None
    assert unmet([requirement], installed=lambda name: "HEAD-of-main") == ()


def test_our_own_lists_can_be_judged_line_by_line() -> None:
    for name in ("requirements.txt", "requirements-tests.txt"):
        assert all(requirement.can_be_checked and requirement.clauses for requirement in read_requirements(ROOT / name))


@pytest.mark.parametrize(
    "marker",
    [
        'sys_platform == "win32"', 'sys_platform != "win32" and python_version >= "3.11"', "python_version < '3.9' or os_name == 'posix'",
        '(platform_machine == "arm64" or platform_machine == "aarch64") and sys_platform == "darwin"', '"linux" in sys_platform',
        'sys_platform not in "win32 darwin"', 'python_full_version >= "3.11.2"', '"3.10" < python_version',
    ],
)  # fmt: skip
def test_markers_hold_as_packaging_says(marker: str) -> None:
    assert marker_holds(marker, marker_environment()) == Marker(marker).evaluate()


def test_a_line_for_another_system_is_left_out() -> None:
    assert read_line('pywin32; sys_platform == "win32"', {"sys_platform": "linux"}) is None
    assert read_line('pywin32; sys_platform == "win32"', {"sys_platform": "win32"}) is not None


@given(st.text(alphabet="()'\" andornt_<>=!~pythversionsys_platform3.12", max_size=60))
def test_no_marker_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(VersionUnreadable):
        marker_holds(text, marker_environment())


@pytest.mark.parametrize("line", ["a" * 50_000, "a" + "." * 50_000, "a[" + "x," * 20_000, "a>=" + "1." * 20_000, "a;" + "(" * 20_000])
def test_a_hostile_line_is_read_in_no_time(line: str) -> None:
    start = time.process_time()     # its own, however busy the machine is
    read_line(line)
    assert time.process_time() - start < 1.0


def test_names_are_compared_as_pip_compares_them() -> None:
    assert normalised("Zope.Interface__x") == "zope-interface-x"
