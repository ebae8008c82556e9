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
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    said = done.stdout.splitlines()
    assert said[0].startswith("enabled ") and said[0].endswith("troubles 0") and not said[0].startswith("enabled 0"), done.stderr[-2000:]
    assert said[1:] == ["loaded False False False", "imported False", "used True True"], done.stderr[-2000:]


ORDER = """
import sys, webui
from modules.gradio_ui import build
from modules.jobs.queue import JobQueue
order, made, begin = [], build.build_ui, JobQueue.start
def page(app):
    found = made(app)
    order.append("page")
    return found
def start(queue):
    order.append("jobs")
    begin(queue)
build.build_ui, JobQueue.start = page, start
parsed, extensions = webui.read_command_line(["--data-dir", sys.argv[1]])
app, server = webui.build(parsed, webui.StartupTimes(), extensions)
print("order", *order)
app.close()
"""


def test_jobs_that_a_killed_server_left_wait_until_the_page_is_built(tmp_path: Path) -> None:
    """A job with scripts makes their controls. Two threads that make controls at once fail in Gradio: the server would not start as long as such jobs wait."""
    done = subprocess.run([sys.executable, "-c", ORDER, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert "order page jobs" in done.stdout, done.stderr[-2000:]
