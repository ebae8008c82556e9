"""The program unpacked over an A1111 folder: A1111's own files stay beside ours, and none of them is run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import modules


def test_files_that_a1111_left_in_modules_are_not_what_extensions_import(tmp_path: Path) -> None:
    house = tmp_path / "modules"
    (house / "facade").mkdir(parents=True)
    shutil.copy(str(modules.__file__), house)
    for name in ("shared", "paths"):
        (house / f"{name}.py").write_text("raise AssertionError('A1111')")
        (house / "facade" / f"{name}.py").write_text("WHOSE = 'ours'")
    said = "import modules.shared; from modules import paths; print(modules.shared.WHOSE, paths.WHOSE)"
    assert subprocess.run([sys.executable, "-c", said], cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "ours ours\n"
