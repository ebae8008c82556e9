"""Gradio's import writes no stub files, and reads no sources for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
seen = []
sys.addaudithook(lambda event, given: event == "open" and str(given[0]).endswith(".pyi") and seen.append(given[0]))
from modules.gradio_ui import no_stubs
no_stubs.install()
import gradio
print(len(seen) == 0, callable(gradio.Button))
"""


def test_no_stub_is_read_or_written() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == "True True", done.stderr[-2000:]
