"""A server without a page does without Gradio, and every server without diffusers until a model is loaded, though the extensions that ship with us are on."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, webui
parsed, extensions = webui.read_command_line(["--nowebui", "--data-dir", sys.argv[1]])
app, server = webui.build(parsed, webui.StartupTimes(), extensions)
print("enabled", len(extensions.enabled), "troubles", len(extensions.troubles.found))
print("loaded", *(name in sys.modules for name in ("gradio.blocks", "diffusers", "transformers")))
import gradio
print("imported", "gradio.blocks" in sys.modules)
gradio.Button
print("used", "gradio.blocks" in sys.modules, hasattr(gradio, "Box"))
app.close()
"""


def test_gradio_is_loaded_when_it_is_used_and_speaks_the_old_words_then(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    said = done.stdout.splitlines()
    assert said[0].startswith("enabled ") and said[0].endswith("troubles 0") and not said[0].startswith("enabled 0"), done.stderr[-2000:]
    assert said[1:] == ["loaded False False False", "imported False", "used True True"], done.stderr[-2000:]
