"""Prints of prompts and names, whatever code page the console or a log file has."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PRINTS = """
import logging
from modules.launching.console import take_every_letter
from modules.launching.log_lines import log_to
take_every_letter()
import sys
print("猫 ü \\ud800 🐈")
log_to(sys.stdout, "INFO")
logging.getLogger("modules").warning("loaded 猫ü🐈.safetensors")
print("end", file=sys.stderr)
"""


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])       # the second is what Python begins with on Windows
@pytest.mark.parametrize("code_page", ["cp1252", "cp932", "ascii", "utf-8"])
def test_no_letter_stops_a_print_or_a_line_of_the_log(code_page: str, errors: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINTS], cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONIOENCODING": f"{code_page}:{errors}", "PYTHONUTF8": "0"}, capture_output=True, check=False
    )
    text = done.stdout.decode(code_page)
    assert done.returncode == 0 and done.stderr.strip() == b"end"
    assert text.splitlines() == [each.encode(code_page, "backslashreplace").decode(code_page) for each in ("猫 ü \\ud800 🐈".encode("utf-8", "backslashreplace").decode(), "loaded 猫ü🐈.safetensors")]


def test_without_a_console_prints_go_nowhere() -> None:
    program = "import sys; sys.stdout = sys.stderr = None\nfrom modules.launching.console import Console, take_every_letter\ntake_every_letter()\nprint('x'); Console(sys.stdout).line('y'); sys.stderr.write('z')"
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
